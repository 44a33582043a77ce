import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createLogger } from '@app/platform';
import { Redis } from 'ioredis';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { startTestRedis } from '../../../test/support/redis.js';
import { CheckConsumer } from './check-consumer.js';
import { CheckRequests } from './check-requests.js';
import { QueueUnavailable, type QueueConnection } from './connection.js';
import { createQueueConnection } from './create-connection.js';
import type { CheckAnswer, CheckJob } from './jobs.js';

const logger = createLogger({ level: 'silent' });
const asked = { accountId: 'a', credentialId: 'c' };

const redis = await startTestRedis();
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await redis?.stop();
  await database?.drop();
});

const BACKENDS = redis === undefined ? ['postgres'] : ['redis', 'postgres'];

describe.each(BACKENDS)('checks on %s', (backend) => {
  let ofApi: QueueConnection;
  let ofWorker: QueueConnection;
  let consumer: CheckConsumer | undefined;

  beforeEach(async () => {
    const config = {
      redisUrl: backend === 'redis' ? redis?.url : undefined,
      databaseUrl: database.appUrl,
      prefix: randomUUID().slice(0, 8),
      poolSize: 7,
    };
    ofApi = await createQueueConnection(config, logger);
    ofWorker = await createQueueConnection(config, logger);
  });
  afterEach(async () => {
    await consumer?.close();
    consumer = undefined;
    await ofApi.close();
    await ofWorker.close();
  });

  async function consume(processor: (job: CheckJob) => Promise<CheckAnswer>): Promise<void> {
    consumer = new CheckConsumer(ofWorker, processor, {
      concurrency: 5,
      lockMs: 5_000,
      stalledIntervalMs: 5_000,
      logger,
    });
    await consumer.ready();
  }

  it('bring each answer back to the one who asked', async () => {
    const jobs: CheckJob[] = [];
    await consume(async (job) => {
      jobs.push(job);
      return { ok: job.credentialId === 'good', detail: `about ${job.credentialId}` };
    });
    const requests = new CheckRequests(ofApi);
    const before = Date.now();
    const answers = ['good', 'bad'].map((credentialId) =>
      requests.ask({ accountId: 'a', credentialId }, 5_000),
    );
    expect(await Promise.all(answers)).toEqual([
      { ok: true, detail: 'about good' },
      { ok: false, detail: 'about bad' },
    ]);
    // The worker knows how long somebody waits, and nothing but ids.
    expect(Object.keys(jobs[0]!).sort()).toEqual(['accountId', 'credentialId', 'until']);
    expect(jobs[0]!.until).toBeGreaterThanOrEqual(before + 5_000);
  });

  it('end without an answer where no worker is, and leave no job behind', async () => {
    await expect(new CheckRequests(ofApi).ask(asked, 200)).rejects.toThrow(QueueUnavailable);
    // The next one is done at once, so nothing waits before it.
    const taken: CheckJob[] = [];
    await consume(async (job) => {
      taken.push(job);
      return { ok: true, detail: '' };
    });
    await new CheckRequests(ofApi).ask({ ...asked, credentialId: 'next' }, 5_000);
    expect(taken.map(({ credentialId }) => credentialId)).toEqual(['next']);
  });

  it('end without an answer when the worker fails, at once', async () => {
    await consume(async () => {
      throw new Error('It does not open.');
    });
    const begin = performance.now();
    await expect(new CheckRequests(ofApi).ask(asked, 9_000)).rejects.toThrow('could not check');
    expect(performance.now() - begin).toBeLessThan(8_000);
  });

  it('end without an answer when the worker is slower than the time there is', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    await consume(async () => {
      await held;
      return { ok: true, detail: '' };
    });
    await expect(new CheckRequests(ofApi).ask(asked, 300)).rejects.toThrow('in time');
    release();
  });
});

(redis === undefined ? describe.skip : describe)('with Redis', () => {
  const url = redis?.url ?? '';
  const connect = (redisUrl: string, prefix: string) =>
    createQueueConnection({ redisUrl, databaseUrl: '', prefix, poolSize: 7 }, logger);

  it('says so within seconds when it is away', async () => {
    const away = await connect('redis://127.0.0.1:1', 'x');
    const begin = performance.now();
    await expect(new CheckRequests(away).ask(asked, 9_000)).rejects.toThrow(QueueUnavailable);
    expect(performance.now() - begin).toBeLessThan(4_000);
    await away.close();
  });

  it('says so at once when it forgets the check', async () => {
    const prefix = randomUUID().slice(0, 8);
    const connection = await connect(url, prefix);
    const admin = new Redis(url);
    const answer = new CheckRequests(connection).ask(asked, 9_000);
    const refused = expect(answer).rejects.toThrow('forgotten');
    for (;;) {
      const keys = await admin.keys(`{${prefix}*`);
      if (keys.length === 0) continue;
      await admin.unlink(keys);
      break;
    }
    await refused;
    admin.disconnect();
    await connection.close();
  });
});
