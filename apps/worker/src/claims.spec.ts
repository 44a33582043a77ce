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
    expect(await claims.take('a')).toMatchObject({ sendBefore: 36_000, answeredAt: 6_000 });
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

  it('repeats a claim without an answer under its first name, at once and when the job comes back', async () => {
    const asked: [ids: string[], name: number, unanswered: [string, number][]][] = [];
    let answers = false;
    const claims = new Claims(
      {
        claim: (ids, _leaseMs, name = 0, unanswered = new Map()) => {
          asked.push([[...ids], name, [...unanswered]]);
          return answers
            ? Promise.resolve(ids.map((): ClaimResult => ({ state: 'over' })))
            : Promise.reject(new Error('database away'));
        },
      },
      times,
      { warn: () => undefined },
    );
    await expect(claims.take('a')).rejects.toThrow('database away');
    await expect(Promise.all(['a', 'b'].map((id) => claims.take(id)))).rejects.toThrow();
    answers = true;
    await claims.take('a');
    await claims.take('a');
    const names = asked.map(([, name]) => name);
    expect(new Set(names).size).toBe(6);
    expect(asked.map(([ids, , unanswered]) => [ids, unanswered])).toEqual([
      [['a'], []],
      [['a'], [['a', names[0]]]],
      [['a', 'b'], [['a', names[0]]]],
      [
        ['a', 'b'],
        [
          ['a', names[0]],
          ['b', names[2]],
        ],
      ],
      [['a'], [['a', names[0]]]],
      [['a'], []],
    ]);
  });

  it('remembers the latest claims without an answer, whatever others have left behind', async () => {
    let answers = false;
    let asked: ReadonlyMap<string, number> = new Map();
    const claims = new Claims(
      {
        claim: (ids, _leaseMs, _name, unanswered = new Map()) => {
          asked = unanswered;
          return answers
            ? Promise.resolve(ids.map((): ClaimResult => ({ state: 'over' })))
            : Promise.reject(new Error('database away'));
        },
      },
      times,
      { warn: () => undefined },
    );
    const stale = Array.from({ length: 50_000 }, (_, at) => claims.take(`stale-${at}`));
    await Promise.allSettled(stale);
    await expect(claims.take('late')).rejects.toThrow('database away');
    answers = true;
    await claims.take('late');
    expect([...asked.keys()]).toEqual(['late']);
    // Only the oldest gave way.
    await Promise.all(['stale-0', 'stale-1'].map((id) => claims.take(id)));
    expect([...asked.keys()]).toEqual(['stale-1']);
  });

  it('lets one of two claims under way take a lease back, not both', async () => {
    const asked: string[][][] = [];
    let fail = true;
    const gate: (() => void)[] = [];
    const claims = new Claims(
      {
        claim: (ids, _leaseMs, _name, unanswered = new Map()) => {
          if (fail) return Promise.reject(new Error('database away'));
          asked.push([...unanswered].map(([id]) => [id]));
          return new Promise((resolve) =>
            gate.push(() => resolve(ids.map((): ClaimResult => ({ state: 'over' })))),
          );
        },
      },
      times,
      { warn: () => undefined },
    );
    await expect(claims.take('a')).rejects.toThrow();
    fail = false;
    const first = claims.take('a');
    while (gate.length < 1) await new Promise((resolve) => setImmediate(resolve));
    const second = claims.take('a');
    while (gate.length < 2) await new Promise((resolve) => setImmediate(resolve));
    for (const open of gate) open();
    await Promise.all([first, second]);
    expect(asked).toEqual([[['a']], []]);
  });
});
