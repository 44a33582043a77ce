import { describe, expect, it } from '@jest/globals';
import type { ClaimResult } from '@app/persistence';
import { Claims } from './claims.js';

const times = { leaseMs: 60_000, requestTimeoutMs: 15_000, leaseMarginMs: 10_000 };

describe('Claims', () => {
  it('asks once for jobs that start together, and gives each its own answer', async () => {
    const asked: string[][] = [];
    const claims = new Claims(
      {
        claim: (ids) => {
          asked.push([...ids]);
          return Promise.resolve(
            ids.map((id): ClaimResult =>
              id === 'b' ? { state: 'over' } : { state: 'wait', waitMs: 1 },
            ),
          );
        },
      },
      times,
      { warn: () => undefined },
    );
    const results = await Promise.all(['a', 'b'].map((id) => claims.take(id)));
    expect(asked).toEqual([['a', 'b']]);
    expect(results.map(({ state }) => state)).toEqual(['wait', 'over']);
  });

  it('lets a request start only as long as its deadline ends inside the lease', async () => {
    let now = 1_000;
    const claims = new Claims(
      {
        claim: (ids) => {
          // The lease may begin only after the clock was read.
          now += 5_000;
          return Promise.resolve(
            ids.map(() => ({ state: 'claimed', push: {} }) as unknown as ClaimResult),
          );
        },
      },
      times,
      { warn: () => undefined },
      () => now,
    );
    expect(await claims.take('a')).toMatchObject({ sendBefore: 36_000 });
  });

  it('logs one line a batch when it cannot ask, and tells every job', async () => {
    const lines: unknown[] = [];
    const claims = new Claims({ claim: () => Promise.reject(new Error('database away')) }, times, {
      warn: (fields: unknown) => void lines.push(fields),
    });
    const results = await Promise.allSettled(['a', 'b', 'c'].map((id) => claims.take(id)));
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(lines).toHaveLength(1);
  });
});
