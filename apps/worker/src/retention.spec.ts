import { describe, expect, it } from '@jest/globals';
import type { Forgotten, Retired } from '@app/persistence';
import { Retention } from './retention.js';

function make(given: {
  mine?: boolean[];
  retired?: (Retired | Error)[];
  forgotten?: Forgotten[];
  onLook?: () => void;
  /** Instead of an answer: a copy that ends with the signal only. */
  copying?: () => void;
}) {
  const calls: unknown[] = [];
  const lines: unknown[] = [];
  const retention = new Retention(
    {
      ensure: async () => {
        calls.push('ensure');
        given.onLook?.();
        return 0;
      },
      retire: async (days, signal) => {
        calls.push(['retire', days]);
        if (given.copying !== undefined) {
          const stopped = new Promise<never>((_, reject) =>
            signal?.addEventListener('abort', () => reject(new Error('stopped'))),
          );
          given.copying();
          return stopped;
        }
        const next = given.retired?.shift() ?? { partitions: [], unfinished: false };
        if (next instanceof Error) throw next;
        return next;
      },
    },
    {
      takeRound: async (everyMs) => {
        calls.push(['takeRound', everyMs]);
        return given.mine?.shift() ?? false;
      },
      forgetOperations: async (days, after) => {
        calls.push(['forget', days, after]);
        return given.forgotten?.shift() ?? { gone: 0, next: null };
      },
    },
    {
      retentionDays: 7,
      roundMs: 500,
      intervalMs: 1,
      logger: {
        info: (fields: unknown) => void lines.push(fields),
        warn: (fields: unknown) => void lines.push(fields),
      },
    },
  );
  return { retention, calls, lines };
}

describe('Retention', () => {
  it('removes pushes, then their operations up to the last', async () => {
    const { retention, calls, lines } = make({
      mine: [true],
      retired: [{ partitions: ['old'], unfinished: false }],
      forgotten: [
        { gone: 3, next: 'a' },
        { gone: 2, next: null },
      ],
    });
    await retention.look();
    expect(calls).toEqual([
      'ensure',
      ['takeRound', 500],
      ['retire', 7],
      ['forget', 7, null],
      ['forget', 7, 'a'],
    ]);
    expect(lines).toEqual([{ partitions: ['old'], operations: 5 }]);
  });

  it('leaves the round to the worker that took it, but for the coming days', async () => {
    const { retention, calls } = make({ mine: [false] });
    await retention.look();
    expect(calls).toEqual(['ensure', ['takeRound', 500]]);
  });

  it('goes on with its own round that was not finished or failed', async () => {
    const { retention, calls } = make({
      mine: [true, false],
      retired: [
        { partitions: [], unfinished: true },
        new Error('database away'),
        { partitions: [], unfinished: false },
      ],
    });
    await retention.look();
    await expect(retention.look()).rejects.toThrow('database away');
    await retention.look();
    await retention.look();
    expect(calls.filter((call) => Array.isArray(call) && call[0] === 'retire')).toHaveLength(3);
    expect(calls.filter((call) => Array.isArray(call) && call[0] === 'takeRound')).toHaveLength(2);
  });

  it('goes on by its timer after a failure, until it is stopped', async () => {
    let looks = 0;
    let enough: () => void = () => undefined;
    const three = new Promise<void>((resolve) => (enough = resolve));
    const { retention, lines } = make({
      onLook: () => {
        if (++looks === 3) enough();
        if (looks === 1) throw new Error('database away');
      },
    });
    retention.start();
    await three;
    await retention.stop();
    expect(lines).toHaveLength(1);
    const after = looks;
    await retention.stop();
    expect(looks).toBe(after);
  });

  it('does not wait for a copy when it is stopped, nor calls that a failure', async () => {
    let begun: () => void = () => undefined;
    const copying = new Promise<void>((resolve) => (begun = resolve));
    const { retention, calls, lines } = make({ mine: [true], copying: () => begun() });
    retention.start();
    await copying;
    await retention.stop();
    expect(lines).toEqual([]);
    expect(calls.at(-1)).toEqual(['retire', 7]);
  });
});
