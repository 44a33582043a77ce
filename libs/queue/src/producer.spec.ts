import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it, jest } from '@jest/globals';
import { QueueUnavailable } from './connection.js';
import type { QueueConnection } from './connection.js';
import { DELIVER_APN } from './jobs.js';
import { DeliveryProducer } from './producer.js';

function setUp(added: Promise<never[]> = Promise.resolve([])) {
  const addBulk = jest.fn<ReturnType<QueueConnection['queue']>['addBulk']>(() => added);
  const queue = { addBulk } as unknown as ReturnType<QueueConnection['queue']>;
  const connection = {
    queue: jest.fn<QueueConnection['queue']>(() => queue),
    usable: jest.fn(() => Promise.resolve()),
  };
  return { addBulk, connection, producer: new DeliveryProducer(connection) };
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
          { name: 'deliver', data: { id: 'a' }, opts: { ...kept, jobId: 'a', delay: 0 } },
          {
            name: 'deliver',
            data: { id: 'b' },
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
});
