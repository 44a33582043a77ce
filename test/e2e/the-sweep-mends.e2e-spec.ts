import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { parseId } from '@app/domain';
import { createLogger, loadConfig } from '@app/platform';
import { countJobs, createDeliveryConsumer, createQueueConnection, DELIVER_APN } from '@app/queue';
import { forgetQueue } from '../support/forget-queue.js';
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

/** The sweep has told of `faults` against a rule, and of no more. */
const counted = (run: TestGateway, metricsPort: number | undefined, rule: string, faults = 1) =>
  run.until(`${rule} is counted`, async () => {
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    const line = `fanfare_sweep_faults_total{rule="${rule}",process="worker"} ${faults}\n`;
    return text.includes(line);
  });

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
    for (const rule of ['push-lost', 'part-wrong', 'counter-wrong'])
      await counted(run, worker.ready.metricsPort, rule);
    expect(await run.summary()).toMatchObject({ requests: 3, distinctAccepted: 3, duplicates: 0 });
  }, 90_000);

  it('a lease that ran out without a word, whose job is gone too: it is unknown, and sent once more', async () => {
    const run = await begin(backend);
    // Else it would be a new one, of which everything is dispatched again.
    await run.until('the queue is known', async () => {
      const [row] = await run.query(
        `SELECT count(*)::int AS n FROM sweep_state WHERE name = 'queue-epoch'`,
      );
      return row.n === 1;
    });
    await run.worker.stop();
    const lost = await send(run);
    const tooLate = await send(run, { ttlSeconds: 1 });
    // As a worker leaves them that claimed both, and vanished with the queue.
    await run.query(`UPDATE operation_parts SET dispatched_through = (
        SELECT last_push_id FROM operations o WHERE o.id = operation_id),
      pending = false, open = true, dispatched_at = now() - interval '1 minute'`);
    await run.query(
      'UPDATE credential_windows SET outstanding = 2 WHERE credential_id IN (' +
        'SELECT credential_id FROM push_notifications)',
    );
    await run.query(`UPDATE push_notifications SET lease = 1, claim = 7, due_at = now() - interval '1 minute',
      lease_until = now() - interval '30 seconds', expires_at = CASE
        WHEN operation_id = '${parseId('operation', tooLate)}' THEN now() - interval '1 second' ELSE expires_at END`);

    const worker = await run.startWorker();
    expect((await run.settled(lost)).stats).toMatchObject({ sent: 1 });
    expect((await run.settled(tooLate)).stats).toMatchObject({ failed: 1 });
    // Found in one pass: then the second one's time is over.
    await counted(run, worker.ready.metricsPort, 'push-lost', 2);
    const [again] =
      await run.query(`SELECT status, lease, unknown_count, attempts FROM push_notifications
      WHERE operation_id = '${parseId('operation', lost)}'`);
    expect(again).toMatchObject({
      status: 'SENT',
      lease: 2,
      unknown_count: 1,
      attempts: [{ outcome: 'unknown', reason: 'lease-lost' }, { outcome: 'accepted' }],
    });
    const [over] = await run.query(`SELECT error_code, attempts FROM push_notifications
      WHERE operation_id = '${parseId('operation', tooLate)}'`);
    expect(over).toMatchObject({
      error_code: 71008,
      attempts: [{ outcome: 'unknown', reason: 'lease-lost' }],
    });
    expect(await run.summary()).toMatchObject({ requests: 1, accepted: 1 });
    const windows = await run.query('SELECT outstanding FROM credential_windows');
    expect(windows.every(({ outstanding }) => outstanding === 0)).toBe(true);
  }, 90_000);

  it('jobs of a killed worker whose clock was ten minutes ahead, which the queue may take for busy', async () => {
    const run = await begin(backend);
    // Signs the APNs token that all workers share, by a clock that is right.
    await run.settled(await send(run));
    await run.worker.stop();
    const file = join(run.dir, 'clock');
    writeFileSync(file, '600000');
    const shifted = new URL('../../bench/chaos/shifted-clock.js', import.meta.url).href;
    const ahead = await run.startWorker({
      NODE_OPTIONS: `--import=${shifted}`,
      SHIFTED_CLOCK_FILE: file,
    });
    const held = await send(run, { to: [{ token: 'sim.slow.1000.held', provider: 'APN' }] });
    await run.until('it is on the wire', async () => (await run.summary()).requests === 2);
    await ahead.kill9();
    await run.startWorker();
    // A lease of six seconds, and what the sweep calls lost after it.
    expect((await run.settled(held, 30_000)).stats).toMatchObject({ sent: 1 });
    // The one before, the one that was on the wire, and once more.
    expect((await run.summary()).requests).toBe(3);
    const [row] = await run.query('SELECT max(unknown_count)::int AS n FROM push_notifications');
    expect(row).toEqual({ n: 1 });
  }, 90_000);

  it('a queue that vanished with all of its jobs, and a wrong window', async () => {
    const run = await begin(backend);
    // Handed over, and waiting for a retry a while from now.
    const waiting = await send(run, { to: [{ token: 'sim.throttle.2.1.x', provider: 'APN' }] });
    await run.until('it waits for its retry', async () => {
      const [row] = await run.query('SELECT attempt_count AS n FROM push_notifications');
      return row.n === 1;
    });
    await run.query('UPDATE credential_windows SET outstanding = outstanding + 5');
    await forgetQueue(run);
    const { metricsPort } = run.worker.ready;
    await counted(run, metricsPort, 'queue-lost');
    expect((await run.settled(waiting)).stats).toMatchObject({ sent: 1 });
    await counted(run, metricsPort, 'window-wrong', 2);
    expect(await run.summary()).toMatchObject({ requests: 2, accepted: 1, duplicates: 0 });
    const windows = await run.query('SELECT outstanding FROM credential_windows');
    expect(windows.map(({ outstanding }) => outstanding)).toEqual([0, 0]);
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
