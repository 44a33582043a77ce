import { describe, expect, it } from '@jest/globals';
import { BulkMover } from './bulk-mover.js';

describe('BulkMover', () => {
  it('moves a quarter of the slots of both queues, one at least, and looks again after a failure', async () => {
    const moved: [string, number][] = [];
    const faults: unknown[] = [];
    let slots = 400;
    const enough = Promise.withResolvers<void>();
    const mover = new BulkMover(
      {
        moveBulk: (queue, pushes) => {
          moved.push([queue, pushes]);
          if (moved.length === 2) slots = 1;
          if (moved.length >= 6) enough.resolve();
          return moved.length <= 2 ? Promise.reject(new Error('away')) : Promise.resolve(0);
        },
      },
      {
        intervalMs: 1,
        slots: () => slots,
        timeoutMs: 1_000,
        logger: { debug: (fields: unknown) => void faults.push(fields) },
      },
    );
    mover.start();
    await enough.promise;
    await mover.stop();
    expect(moved.slice(0, 4)).toEqual([
      ['deliver-fcm', 100],
      ['deliver-apn', 100],
      ['deliver-fcm', 1],
      ['deliver-apn', 1],
    ]);
    expect(faults).toHaveLength(1);
  });
});
