import { describe, expect, it } from '@jest/globals';
import { TooManyRequests } from '@app/domain';
import { RateLimit } from './rate-limit.js';

/** A store whose answers the test gives. */
function build(perSecond: number) {
  const told: { caller: string; points: number; answer: (waitMs: number | Error) => void }[] = [];
  const clock = { ms: 1_000 };
  const store = {
    consume: (caller: string, points: number) =>
      new Promise<number>((resolve, reject) => {
        const answer = (waitMs: number | Error) =>
          typeof waitMs === 'number' ? resolve(waitMs) : reject(waitMs);
        told.push({ caller, points, answer });
      }),
  };
  const limit = new RateLimit('requests', perSecond, store, () => clock.ms);
  return { limit, told, clock };
}

/** What was started goes on until it waits for the test. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('RateLimit', () => {
  it('refuses beyond the limit with the time to wait, each caller for itself', async () => {
    const { limit } = build(3);
    for (let n = 0; n < 3; n++) await limit.charge('a', 1);
    const refused = limit.charge('a', 1);
    await expect(refused).rejects.toBeInstanceOf(TooManyRequests);
    await expect(refused).rejects.toMatchObject({ status: 429, code: 20429, retryAfterSeconds: 1 });
    await expect(limit.charge('b', 3)).resolves.toBeUndefined();
  });

  it('waits for no answer of the store, and has one message a caller on its way', async () => {
    const { limit, told } = build(100);
    for (const points of [1, 2, 3]) await limit.charge('a', points);
    await limit.charge('b', 4);
    expect(told.map(({ caller, points }) => [caller, points])).toEqual([
      ['a', 1],
      ['b', 4],
    ]);
    told[0]!.answer(0);
    await settled();
    expect(told.slice(2)).toMatchObject([{ caller: 'a', points: 5 }]);
  });

  it('refuses what all processes together have used up, until the second is over', async () => {
    const { limit, told, clock } = build(100);
    await limit.charge('a', 1);
    told[0]!.answer(400);
    await settled();
    await expect(limit.charge('a', 1)).rejects.toMatchObject({ retryAfterSeconds: 1 });
    await expect(limit.charge('b', 1)).resolves.toBeUndefined();
    clock.ms += 401;
    await expect(limit.charge('a', 1)).resolves.toBeUndefined();
  });

  it('counts for itself while the store is away, and tells it again when it is back', async () => {
    const { limit, told } = build(3);
    await limit.charge('a', 1);
    told[0]!.answer(new Error('away'));
    await settled();
    await limit.charge('a', 1);
    expect(told).toHaveLength(2);
    await limit.charge('a', 1);
    await expect(limit.charge('a', 1)).rejects.toBeInstanceOf(TooManyRequests);
  });
});
