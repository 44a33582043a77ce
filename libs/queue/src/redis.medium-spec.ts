import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '@app/domain';
import { createLogger } from '@app/platform';
import { Redis } from 'ioredis';
import { startRedis } from '../../../scripts/redis.js';
import type { RunningRedis } from '../../../scripts/types.js';
import { startTestRedis } from '../../../test/support/redis.js';
import { QueueUnavailable, countJobs } from './connection.js';
import type { QueueConnection } from './connection.js';
import { createDeliveryConsumer } from './consumer.js';
import { DELIVER_FCM } from './jobs.js';
import { DeliveryProducer } from './producer.js';
import { connectToRedis, redisWarnings } from './redis.js';

const logger = createLogger({ level: 'silent' });
const job = { id: '0190', lane: 'small', delayMs: 0 } as const;

// One that is killed, stopped and restarted: the one of REDIS_URL will not do.
const probe = await startTestRedis();
await probe?.stop();

(probe?.pid === undefined ? describe.skip : describe)('a queue on a Redis in trouble', () => {
  let redis: RunningRedis;
  const open: QueueConnection[] = [];

  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());
  afterEach(async () => {
    await Promise.all(open.splice(0).map((connection) => connection.close()));
  });

  function connect(url = redis.url): QueueConnection {
    const connection = connectToRedis({ redisUrl: url, prefix: 'test' }, logger);
    open.push(connection);
    return connection;
  }

  function signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    if (redis.pid === undefined) throw new Error('Redis does not run.');
    process.kill(redis.pid, name);
  }

  async function timed(work: Promise<unknown>): Promise<{ error: unknown; ms: number }> {
    const begin = performance.now();
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return { error, ms: performance.now() - begin };
  }

  it('refuses a hand-over in time when there is none', async () => {
    const connection = connect('redis://127.0.0.1:1');
    const { error, ms } = await timed(
      new DeliveryProducer(connection, systemClock).enqueue(DELIVER_FCM, [job], 300),
    );
    expect(error).toBeInstanceOf(QueueUnavailable);
    expect(ms).toBeLessThan(2_000);
    await expect(connection.ping()).rejects.toThrow();
    await expect(connection.epoch()).rejects.toThrow();
  });

  it('refuses a hand-over in time when it does not answer, and takes it afterwards', async () => {
    const connection = connect();
    const producer = new DeliveryProducer(connection, systemClock);
    await producer.enqueue(DELIVER_FCM, [{ ...job, id: 'before' }], 5_000);
    signal('SIGSTOP');
    try {
      const { error, ms } = await timed(producer.enqueue(DELIVER_FCM, [job], 300));
      expect(error).toBeInstanceOf(QueueUnavailable);
      expect(ms).toBeGreaterThanOrEqual(299);
      expect(ms).toBeLessThan(2_000);
    } finally {
      signal('SIGCONT');
    }
    await producer.enqueue(DELIVER_FCM, [job], 5_000);
    expect((await countJobs(connection.queue(DELIVER_FCM))).waiting).toBe(2);
  });

  it('goes on after a crash, with a new epoch and what was on disk', async () => {
    const connection = connect();
    const before = await connection.usable(5_000).then(() => connection.epoch());
    await redis.kill9();
    await expect(connection.ping()).rejects.toThrow();
    await redis.restart();
    const ids: string[] = [];
    let finished = (): void => undefined;
    const taken = new Promise<void>((resolve) => {
      finished = resolve;
    });
    const consumer = createDeliveryConsumer(
      connection,
      DELIVER_FCM,
      (id) => {
        ids.push(id);
        if (ids.length === 2) finished();
        return Promise.resolve(undefined);
      },
      {
        concurrency: 5,
        lockMs: 500,
        stalledIntervalMs: 250,
        requeue: () => Promise.resolve(),
        logger,
      },
    );
    await connection.usable(5_000);
    expect(await connection.epoch()).not.toBe(before);
    await taken;
    await consumer.close();
    expect(ids.toSorted()).toEqual([job.id, 'before']);
  }, 20_000);

  it('closes although it is gone', async () => {
    const connection = connect();
    const consumer = createDeliveryConsumer(
      connection,
      DELIVER_FCM,
      () => Promise.resolve(undefined),
      {
        concurrency: 5,
        lockMs: 500,
        stalledIntervalMs: 250,
        requeue: () => Promise.resolve(),
        logger,
      },
    );
    await consumer.ready();
    await redis.kill9();
    const { ms } = await timed(consumer.close().then(() => connection.close()));
    expect(ms).toBeLessThan(5_000);
    open.length = 0;
    await redis.restart();
  }, 20_000);

  it('warns about a server that may throw jobs away', async () => {
    const connection = connect();
    expect(await connection.warnings()).toEqual([]);
    const admin = new Redis(redis.url);
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await connection.warnings()).toEqual([
      'Redis may throw jobs away: its maxmemory-policy is allkeys-lru, it should be noeviction.',
    ]);
    admin.disconnect();
  });
});

describe('redisWarnings', () => {
  it('reads INFO, and says nothing about what it does not find there', () => {
    expect(redisWarnings('')).toEqual([]);
    expect(redisWarnings('maxmemory_policy:noeviction\r\naof_enabled:1\r\n')).toEqual([]);
    expect(redisWarnings('aof_enabled:0\r\n')[0]).toContain('append-only file');
  });
});
