import { describe, expect, it } from '@jest/globals';
import { Scheduler } from './scheduler.js';

const quiet = { warn: () => undefined };

describe('Scheduler', () => {
  it('begins chunk by chunk until nothing is due, and says so each time', async () => {
    const chunks = [5_000, 5_000, 3, 0, 7];
    let begun = 0;
    const scheduler = new Scheduler(
      {
        beginDue: (_, onBegun) => {
          const rows = chunks.shift() ?? 0;
          if (rows > 0) onBegun?.();
          return Promise.resolve(rows);
        },
      },
      { intervalMs: 1, onBegun: () => begun++, logger: quiet },
    );
    await scheduler.begin();
    expect([begun, chunks]).toEqual([3, [7]]);
  });

  it('goes on by its timer after a failure, until it is stopped', async () => {
    let looks = 0;
    const warnings: unknown[] = [];
    let enough: () => void = () => undefined;
    const three = new Promise<void>((resolve) => (enough = resolve));
    const scheduler = new Scheduler(
      {
        beginDue: () => {
          if (++looks === 3) enough();
          return looks === 1 ? Promise.reject(new Error('database away')) : Promise.resolve(0);
        },
      },
      {
        intervalMs: 1,
        onBegun: () => undefined,
        logger: { warn: (fields: unknown) => void warnings.push(fields) },
      },
    );
    scheduler.start();
    await three;
    await scheduler.stop();
    expect(warnings).toHaveLength(1);
    const after = looks;
    await scheduler.begin();
    expect(looks).toBe(after);
  });
});
