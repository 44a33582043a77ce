import { describe, expect, it } from '@jest/globals';
import { behaviourChangeSchema, changeBehaviour, defaultBehaviour } from './behaviour.js';

const change = (value: unknown): ReturnType<typeof changeBehaviour> =>
  changeBehaviour(defaultBehaviour(), behaviourChangeSchema.parse(value));

describe('a change of behaviour', () => {
  it('is for all servers when it names none', () => {
    const { fcm, apns, apnsSandbox } = change({ down: true });
    expect([fcm.down, apns.down, apnsSandbox.down]).toEqual([true, true, true]);
  });

  it('is for the one it names, and leaves the rest of it alone', () => {
    const before = defaultBehaviour();
    expect(change({ provider: 'apns', latencyMs: 5 })).toEqual({
      ...before,
      apns: { ...before.apns, latencyMs: 5 },
    });
  });

  it('drops faults that never happen', () => {
    expect(change({ provider: 'fcm', faults: { reset: 0.5, timeout: 0 } }).fcm.faults).toEqual({
      reset: 0.5,
    });
  });

  it('completes what the token endpoint shall say', () => {
    expect(change({ tokenEndpoint: {} }).tokenEndpoint).toEqual({
      status: 400,
      error: 'invalid_grant',
    });
  });

  it.each([{ latencyMs: -1 }, { faults: { ok: 2 } }, { provider: 'gcm' }, { up: true }])(
    '%j is refused',
    (value) => {
      expect(behaviourChangeSchema.safeParse(value).success).toBe(false);
    },
  );
});
