import { afterEach, describe, expect, it } from '@jest/globals';
import { parseId } from '@app/domain';
import { createLogger, loadConfig } from '@app/platform';
import { countJobs, createDeliveryConsumer, createQueueConnection, DELIVER_APN } from '@app/queue';
import { BACKENDS, startTestGateway, type TestGateway } from '../support/gateway.js';

/** Promise 1, where a crash or an accident left a fault behind: the sweep finds and mends it. */

let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

async function begin(backend: (typeof BACKENDS)[number]): Promise<TestGateway> {
  gateway = await startTestGateway({ backend, env: { LOST_AFTER_MS: '1500' } });
  await gateway.storeCredentials();
  return gateway;
}

const send = async (run: TestGateway, more: object = {}): Promise<string> => {
  const to = [{ token: 'sim.ok.mended', provider: 'APN' }];
  const content = { body: 'Hello' };
  return (await run.client.post('/v1/PushNotifications', { to, content, ...more })).operationId;
};

/** Leaves a failed job in the queue, as no code of ours does. */
async function plantFailedJob(run: TestGateway, id: string): Promise<void> {
  const config = loadConfig(run.environment);
  const logger = createLogger({ level: 'silent', name: 'test' });
  const connection = await createQueueConnection(config.queue, logger);
  try {
    await connection.usable(10_000);
    const queue = connection.queue(DELIVER_APN);
    await queue.addBulk([{ name: 'deliver', data: { id }, opts: { jobId: id, attempts: 1 } }]);
    const broken = createDeliveryConsumer(
      connection,
      DELIVER_APN,
      () => Promise.reject(new Error('a bug')),
      {
        concurrency: 1,
        lockMs: 3_000,
        stalledIntervalMs: 3_000,
        requeue: () => Promise.resolve(),
        logger,
      },
    );
    await run.until('it has failed', async () => (await countJobs(queue)).failed === 1);
    await broken.close();
  } finally {
    await connection.close();
  }
}

describe.each(BACKENDS)('on %s, the sweep mends', (backend) => {
  it('a failed job under the id of a push, a lost cursor and wrong counters', async () => {
    const run = await begin(backend);
    await run.worker.stop();
    const blocked = await send(run);
    const [{ id }] = (await run.query('SELECT id FROM push_notifications')) as [{ id: string }];
    await plantFailedJob(run, id);

    const lost = await send(run);
    const operationId = parseId('operation', lost);
    // As if it had been handed over, and the note of it was lost.
    await run.query('UPDATE operation_parts SET pending = false WHERE operation_id = $1', [
      operationId,
    ]);
    const ended = await send(run);
    await run.query('UPDATE operations SET sent = 1, queued = 0 WHERE id = $1', [
      parseId('operation', ended),
    ]);

    const worker = await run.startWorker();
    const sent = (operation: string) =>
      run.until(`${operation} is sent`, async () => {
        const { pushNotifications } = await run.client.get(
          `/v1/PushNotifications?operationId=${operation}&status=SENT`,
        );
        return pushNotifications.length === 1;
      });
    for (const operation of [blocked, lost, ended]) {
      await sent(operation);
      const { stats } = await run.settled(operation);
      expect(stats).toMatchObject({ total: 1, sent: 1, queued: 0 });
    }
    const metrics = `http://127.0.0.1:${worker.ready.metricsPort}/metrics`;
    await run.until('all are counted', async () => {
      const text = await (await fetch(metrics)).text();
      return ['push-lost', 'part-wrong', 'counter-wrong'].every((rule) => {
        return text.includes(`fanfare_sweep_faults_total{rule="${rule}",process="worker"} 1`);
      });
    });
    expect((await run.summary()).distinctAccepted).toBe(3);
  }, 90_000);
});

const onRedis = BACKENDS.includes('redis') ? describe : describe.skip;

onRedis('without Redis, the sweep', () => {
  it('ends what is over all the same', async () => {
    const run = await begin('redis');
    await run.redis?.kill9();
    const operationId = await send(run, { ttlSeconds: 1 });
    const { stats } = await run.settled(operationId, 60_000);
    expect(stats).toMatchObject({ failed: 1, queued: 0 });
    const { pushNotifications } = await run.client.get(
      `/v1/PushNotifications?operationId=${operationId}`,
    );
    expect(pushNotifications).toMatchObject([
      { status: 'FAILED', attempts: 0, error: { code: 71008 } },
    ]);
    expect((await run.summary()).requests).toBe(0);
  }, 90_000);
});
