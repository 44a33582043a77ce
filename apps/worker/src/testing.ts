import type { PushSettlement } from '@app/persistence';

/** A push that was sent, as its settlement is committed. */
export const settlement = (over: Partial<PushSettlement> = {}): PushSettlement => ({
  id: 'push',
  operationId: 'operation',
  credentialId: 'c',
  lease: 1,
  to: 'SENT',
  dueInMs: 0,
  attempts: [{ at: '2026-04-20T14:22:00.000Z', outcome: 'accepted', latencyMs: 1, counted: true }],
  countedAttempts: 1,
  unknownAttempts: 0,
  errorCode: null,
  errorMessage: null,
  providerMessageId: 'm',
  pause: null,
  probe: null,
  dispatchedAt: new Date('2026-04-20T14:22:00Z'),
  ...over,
});
