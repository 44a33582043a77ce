import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '@app/domain';
import { createLogger } from '@app/platform';
import pg from 'pg';
import { createTestDatabase } from '../../../test/support/database.js';
import type { TestDatabase } from '../../../test/support/database.js';
import { QueueUnavailable } from './connection.js';
import type { QueueConnection } from './connection.js';
import { createDeliveryConsumer } from './consumer.js';
import { DELIVER_APN, DELIVER_FCM, QUEUES } from './jobs.js';
import { connectToPostgres } from './postgres.js';
import { DeliveryProducer } from './producer.js';

const logger = createLogger({ level: 'silent' });
const job = { id: '0190', lane: 'small', delayMs: 0 } as const;
const options = {
  concurrency: 50,
  lockMs: 500,
  stalledIntervalMs: 250,
  requeue: () => Promise.resolve(),
  logger,
};

describe('a queue on PostgreSQL', () => {
  let database: TestDatabase;
  let owner: pg.Client;
  let connection: QueueConnection;

  beforeAll(async () => {
    database = await createTestDatabase();
    owner = new pg.Client({ connectionString: database.ownerUrl });
    await owner.connect();
    connection = await connectToPostgres({ databaseUrl: database.appUrl, poolSize: 6 }, logger);
  }, 60_000);
  afterAll(async () => {
    await connection.close();
    await owner.end();
    await database.drop();
  });

  it('stops the boot when there is no database', async () => {
    const databaseUrl = 'postgres://nobody@127.0.0.1:1/none';
    await expect(connectToPostgres({ databaseUrl, poolSize: 6 }, logger)).rejects.toThrow(
      'ECONNREFUSED',
    );
  });

  it('stops the boot when BullMQ’s tables are missing', async () => {
    const databaseUrl = new URL(database.appUrl);
    databaseUrl.pathname = '/postgres';
    await expect(
      connectToPostgres({ databaseUrl: databaseUrl.href, poolSize: 6 }, logger),
    ).rejects.toThrow(/migrat|permission/i);
  });

  it('keeps its jobs over a crash: no table is unlogged', async () => {
    const { rows } = await owner.query(
      `SELECT relname FROM pg_class
       WHERE relnamespace = 'bullmq'::regnamespace AND relkind = 'r' AND relpersistence <> 'p'`,
    );
    expect(rows).toEqual([]);
  });

  it('refuses a hand-over in time when PostgreSQL does not answer, and takes it afterwards', async () => {
    const producer = new DeliveryProducer(connection, systemClock);
    await owner.query('BEGIN');
    await owner.query('LOCK TABLE bullmq.job IN ACCESS EXCLUSIVE MODE');
    const begin = performance.now();
    await expect(producer.enqueue(DELIVER_FCM, [job], 300)).rejects.toThrow(QueueUnavailable);
    expect(performance.now() - begin).toBeLessThan(2_000);
    await owner.query('COMMIT');
    await producer.enqueue(DELIVER_FCM, [job], 5_000);
  });

  it('works with the smallest pool that the configuration accepts', async () => {
    let left = 400;
    let finished = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      finished = resolve;
    });
    const consumers = QUEUES.map((queue) =>
      createDeliveryConsumer(
        connection,
        queue,
        () => {
          if (--left === 0) finished();
          return Promise.resolve(undefined);
        },
        options,
      ),
    );
    const producer = new DeliveryProducer(connection, systemClock);
    // One job waits from the test before.
    const ids = Array.from({ length: 399 }, (_, index) => `0191-${index}`);
    const deliveries = ids.map((id) => ({ ...job, id }));
    await producer.enqueue(DELIVER_FCM, deliveries.slice(200), 10_000);
    await producer.enqueue(DELIVER_APN, deliveries.slice(0, 200), 10_000);
    await done;
    const { rows } = await owner.query(
      `SELECT count(*)::int AS open FROM pg_stat_activity
       WHERE datname = current_database() AND usename = $1`,
      [new URL(database.appUrl).username],
    );
    expect((rows as { open: number }[])[0]?.open).toBeLessThanOrEqual(6);
    await Promise.all(consumers.map((consumer) => consumer.close()));
  }, 30_000);

  it('keeps few of BullMQ’s events', async () => {
    const { rows } = await owner.query('SELECT count(*)::int AS events FROM bullmq.event');
    // It trims at every 256th event.
    expect((rows as { events: number }[])[0]?.events).toBeLessThan(100 + 2 * 256 * QUEUES.length);
  });
});
