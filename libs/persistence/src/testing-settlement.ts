import type { ClaimedPush, PushSettlement } from './delivery.repository.js';

/** A settlement of a claim, SENT unless said otherwise. */
export function settlementOf(
  {
    id,
    operationId,
    credentialId,
    lease,
  }: Pick<ClaimedPush, 'id' | 'operationId' | 'credentialId' | 'lease'>,
  over: Partial<PushSettlement> = {},
): PushSettlement {
  return {
    id,
    operationId,
    credentialId,
    lease,
    to: 'SENT',
    dueInMs: 0,
    attempts: [
      { at: '2026-04-20T14:22:00.000Z', outcome: 'accepted', latencyMs: 3, counted: true },
    ],
    countedAttempts: 1,
    unknownAttempts: 0,
    errorCode: null,
    errorMessage: null,
    providerMessageId: 'm',
    pause: null,
    probe: null,
    dispatchedAt: new Date('2026-04-20T14:21:59.500Z'),
    ...over,
  };
}
