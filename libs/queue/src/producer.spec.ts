import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it, jest } from '@jest/globals';
import { QueueUnavailable } from './connection.js';
import type { QueueConnection } from './connection.js';
import { DELIVER_APN } from './jobs.js';
import { DeliveryProducer } from './producer.js';

const at = Date.parse('2026-04-20T14:22:00Z');

function setUp(added: Promise<never[]> = Promise.resolve([])) {
  const addBulk = jest.fn<ReturnType<QueueConnection['queue']>['addBulk']>(() => added);
  const queue = { addBulk } as unknown as ReturnType<QueueConnection['queue']>;
  const connection = {
    queue: jest.fn<QueueConnection['queue']>(() => queue),
    usable: jest.fn(() => Promise.resolve()),
  };
  return {
    addBulk,
    connection,
    producer: new DeliveryProducer(connection, { now: () => new Date(at) }),
  };
}

describe('DeliveryProducer', () => {
  it('adds one job a push, kept by nothing when it ends, small before bulk', async () => {
    const { addBulk, connection, producer } = setUp();
    const kept = { attempts: 1, removeOnComplete: true, removeOnFail: true };
    await producer.enqueue(
      DELIVER_APN,
      [
        { id: 'a', lane: 'small', delayMs: -5 },
        { id: 'b', lane: 'bulk', delayMs: 1.2 },
      ],
      100,
    );
    expect(connection.queue).toHaveBeenCalledWith(DELIVER_APN);
    expect(addBulk.mock.calls).toEqual([
      [
        [
          { name: 'deliver', data: { id: 'a', at }, opts: { ...kept, jobId: 'a', delay: 0 } },
          {
            name: 'deliver',
            data: { id: 'b', at },
            opts: { ...kept, jobId: 'b', delay: 2, priority: 1 },
          },
        ],
      ],
    ]);
  });

  it('asks nothing of the queue for nothing', async () => {
    const { connection, producer } = setUp();
    await producer.enqueue(DELIVER_APN, [], 100);
    expect(connection.usable).not.toHaveBeenCalled();
  });

  it('gives up in time, and a later failure harms nobody', async () => {
    let fail: (error: Error) => void = () => undefined;
    const added = new Promise<never[]>((_, reject) => {
      fail = reject;
    });
    const { producer } = setUp(added);
    const delivery = { id: 'a', lane: 'small', delayMs: 0 } as const;
    await expect(producer.enqueue(DELIVER_APN, [delivery], 10)).rejects.toThrow(QueueUnavailable);
    fail(new Error('too late'));
    // An unhandled rejection would fail this test file.
    await immediate();
  });

  it('says what went wrong', async () => {
    const cause = new Error('OOM command not allowed');
    const { producer } = setUp(Promise.reject(cause));
    const delivery = { id: 'a', lane: 'small', delayMs: 0 } as const;
    await expect(producer.enqueue(DELIVER_APN, [delivery], 10)).rejects.toMatchObject({ cause });
  });

  describe('of a bulk lane that stands still', () => {
    /** Of 1,000 jobs, beside a small one; `change` stands for the queue's answer to the move of one. */
    function bulkLane(change: () => Promise<void>) {
      const { producer, connection } = setUp();
      const asked: number[] = [];
      const lane = Array.from({ length: 1_000 }, (_, at) => ({
        id: `b${at}`,
        opts: { priority: 1 },
        priority: 1,
        changePriority: jest.fn(change),
      }));
      const queue = {
        getPrioritized: (from: number, to: number) => {
          asked.push(to - from + 1);
          return Promise.resolve(lane.slice(from, to + 1));
        },
        getWaiting: () => Promise.resolve([{ id: 's', opts: {}, priority: 0 }]),
        getJob: () => Promise.resolve(undefined),
      } as unknown as ReturnType<QueueConnection['queue']>;
      connection.queue.mockReturnValue(queue);
      const moved = () => lane.filter((job) => job.changePriority.mock.calls.length > 0).length;
      return { producer, asked, moved };
    }

    it('reads one job until it stands still, then as many as it moves, 200 at most', async () => {
      const { producer, asked, moved } = bulkLane(() => Promise.resolve());
      await producer.moveBulk(DELIVER_APN, 900, 1_000);
      expect(asked).toEqual([1]);
      expect(await producer.moveBulk(DELIVER_APN, 900, 1_000)).toBe(200);
      expect(asked).toEqual([1, 1, 201]);
      expect(moved()).toBe(200);
    });

    it('moves none any more when its time is over', async () => {
      const gate = Promise.withResolvers<void>();
      const { producer, moved } = bulkLane(() => gate.promise);
      await producer.moveBulk(DELIVER_APN, 5, 1_000);
      await expect(producer.moveBulk(DELIVER_APN, 5, 20)).rejects.toThrow(QueueUnavailable);
      gate.resolve();
      await immediate();
      expect(moved()).toBe(1);
    });
  });
});
