import { describe, expect, it } from '@jest/globals';
import { newId, type Attempt, type PushHistory, type PushNotification } from '@app/domain';
import { Timeline, toTimeline } from './timeline.js';

const at = (second: number) => `2026-04-20T14:22:${String(second).padStart(2, '0')}.120Z`;
const push = (status: PushNotification['status'] = 'QUEUED'): PushNotification => ({
  id: newId(),
  operationId: newId(),
  status,
  target: { provider: 'APN', token: 'the-device-token', variables: null },
  credentialId: newId(),
  priority: 'HIGH',
  sound: null,
  createdAt: new Date(at(0)),
  updatedAt: new Date(at(0)),
  scheduledFor: null,
  attempts: 0,
  providerMessageId: null,
  error: null,
  tags: null,
});
const nothing: PushHistory = {
  dispatchedAt: null,
  attempts: [],
  redrivenAt: null,
  settledAt: null,
};
const tried = (second: number, over: Partial<Attempt> = {}): Attempt => ({
  at: at(second),
  outcome: 'retry',
  latencyMs: 3,
  counted: true,
  ...over,
});
const read = (status: PushNotification['status'], history: Partial<PushHistory>) =>
  Timeline.parse(toTimeline(push(status), { ...nothing, ...history }));
const shortly = (events: Timeline) => events.map(({ event, at: when }) => `${event} ${when}`);

describe('the timeline of a push', () => {
  it('begins with its acceptance and says no more than is known', () => {
    expect(read('SCHEDULED', {})).toEqual([{ event: 'accepted', at: at(0) }]);
    expect(shortly(read('QUEUED', { dispatchedAt: new Date(at(1)) }))).toEqual([
      `accepted ${at(0)}`,
      `dispatched ${at(1)}`,
    ]);
  });

  it("shows each try with the provider's words, and how it ended", () => {
    const attempts = [
      tried(2, { status: 429, reason: 'TooManyRequests', message: 'slow down' }),
      tried(4, { outcome: 'accepted' }),
    ];
    const events = read('SENT', {
      dispatchedAt: new Date(at(1)),
      attempts,
      settledAt: new Date(at(5)),
    });
    expect(events).toEqual([
      { event: 'accepted', at: at(0) },
      { event: 'dispatched', at: at(1) },
      {
        event: 'attempt',
        at: at(2),
        outcome: 'retry',
        counted: true,
        latencyMs: 3,
        httpStatus: 429,
        reason: 'TooManyRequests',
        message: 'slow down',
      },
      { event: 'attempt', at: at(4), outcome: 'accepted', counted: true, latencyMs: 3 },
      { event: 'settled', at: at(5), status: 'SENT' },
    ]);
  });

  it('keeps the tries of before a redrive above it', () => {
    const events = read('FAILED', {
      dispatchedAt: new Date(at(1)),
      attempts: [tried(2), tried(3), tried(8)],
      redrivenAt: new Date(at(6)),
      settledAt: new Date(at(9)),
    });
    expect(shortly(events)).toEqual([
      `accepted ${at(0)}`,
      `dispatched ${at(1)}`,
      `attempt ${at(2)}`,
      `attempt ${at(3)}`,
      `redriven ${at(6)}`,
      `attempt ${at(8)}`,
      `settled ${at(9)}`,
    ]);
  });

  it('of a canceled push ends without a try', () => {
    expect(read('CANCELED', { settledAt: new Date(at(5)) }).at(-1)).toEqual({
      event: 'settled',
      at: at(5),
      status: 'CANCELED',
    });
  });
});
