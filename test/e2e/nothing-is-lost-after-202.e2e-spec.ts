import { afterEach, describe, expect, it } from '@jest/globals';
import { DatabaseLink } from '../support/database-link.js';
import { forgetQueue } from '../support/forget-queue.js';
import {
  BACKENDS,
  MAIN_BACKEND,
  startTestGateway,
  tokens,
  type QueueBackend,
  type TestGateway,
} from '../support/gateway.js';

/** Promise 1: after 202 nothing is lost, whatever dies. Counted where it arrives: at the provider. */

let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

const begin = async (
  backend: QueueBackend,
  options: Omit<Parameters<typeof startTestGateway>[0] & object, 'backend'> = {},
): Promise<TestGateway> => {
  gateway = await startTestGateway({ backend, ...options });
  await gateway.storeCredentials();
  return gateway;
};

const missing = (sent: readonly string[], arrived: ReadonlyMap<string, number>) =>
  sent.filter((token) => !arrived.has(token));

const processed = async (run: TestGateway): Promise<number> => {
  const [row] = await run.query('SELECT coalesce(sum(sent + failed), 0)::int AS n FROM operations');
  return row.n;
};

describe.each(BACKENDS)('on %s, after 202 nothing is lost', (backend) => {
  it('when a worker is killed in mid-run', async () => {
    const run = await begin(backend);
    const sent = tokens(3_000);
    const operationId = await run.send(sent);
    await run.until('a part is sent', async () => (await processed(run)) > 300);
    await run.worker.kill9();
    const before = await processed(run);
    expect(before).toBeLessThan(3_000);
    await run.startWorker();
    const operation = await run.settled(operationId, 60_000);
    expect(operation).toMatchObject({ status: 'COMPLETED', stats: { sent: 3_000, failed: 0 } });
    const arrived = await run.arrived();
    expect(missing(sent, arrived)).toEqual([]);
    // What was on the wire and not committed may arrive twice, nothing else.
    const twice = [...arrived.values()].filter((count) => count > 1);
    const [lost] = await run.query(
      'SELECT count(*)::int AS n FROM push_notifications WHERE unknown_count > 0',
    );
    expect(twice.length).toBeLessThanOrEqual(lost.n);
    expect(Math.max(...arrived.values())).toBeLessThanOrEqual(2);
  });

  it('when the only worker dies before it has taken anything', async () => {
    const run = await begin(backend);
    await run.worker.kill9();
    const sent = tokens(200);
    const operationId = await run.send(sent);
    await run.startWorker();
    await run.settled(operationId);
    expect(missing(sent, await run.arrived())).toEqual([]);
    expect((await run.summary()).duplicates).toBe(0);
  });

  it('when the api is killed right after its commit, before it told anybody', async () => {
    const link = new DatabaseLink();
    const run = await begin(backend, { through: (url) => link.through(url) });
    // The worker goes the same way: only the api sends this.
    const killed = link.seen('NOTIFY fanfare_dispatch').then(() => run.api.kill9());
    const sent = tokens(50);
    // Whether the caller still gets its 202 is open; that the commit counts is not.
    await Promise.allSettled([run.send(sent), killed]);
    const [operation] = await run.query('SELECT id, total FROM operations');
    expect(operation.total).toBe(50);
    await run.until('all is sent', async () => (await processed(run)) === 50);
    expect(missing(sent, await run.arrived())).toEqual([]);
    expect((await run.summary()).duplicates).toBe(0);
    await link.close();
  });

  it('when the queue forgets everything in mid-run', async () => {
    const run = await begin(backend, { env: { WORKER_CONCURRENCY: '20' } });
    const sent = tokens(2_000, 'slow.5');
    const operationId = await run.send(sent);
    await run.until('a part is sent', async () => (await processed(run)) > 100);
    await forgetQueue(run);
    expect(await processed(run)).toBeLessThan(2_000);
    const operation = await run.settled(operationId, 60_000);
    expect(operation.stats).toMatchObject({ sent: 2_000, failed: 0 });
    expect(missing(sent, await run.arrived())).toEqual([]);
    expect((await run.summary()).duplicates).toBe(0);
  });

  it('when the providers are down, and goes on when they are back', async () => {
    const run = await begin(backend);
    const first = await run.send(tokens(20));
    await run.settled(first);
    await run.control('PUT', '/behaviour', { down: true });
    const sent = tokens(300, 'ok', 1_000);
    const operationId = await run.send(sent);
    await run.until('it was tried', async () => /not-sent|unknown/.test(await outcomes(run)));
    expect((await run.client.get(`/v1/PushNotifications/Operations/${operationId}`)).status).toBe(
      'PROCESSING',
    );
    await run.control('PUT', '/behaviour', { down: false });
    const operation = await run.settled(operationId, 90_000);
    expect(operation.stats).toMatchObject({ sent: 300, failed: 0 });
    expect(missing(sent, await run.arrived())).toEqual([]);
  });

  it('when the database goes away in mid-run: nothing new is taken, what was sent is committed once', async () => {
    const link = new DatabaseLink();
    const run = await begin(backend, { through: (url) => link.through(url) });
    const sent = tokens(2_000, 'slow.100');
    const operationId = await run.send(sent);
    await run.until('a part is sent', async () => (await processed(run)) > 100);
    await link.cut();
    await run.until('the worker has noticed', () =>
      Promise.resolve(run.logs().includes('Settling failed')),
    );
    const requests = (await run.summary()).requests;
    expect(requests).toBeLessThan(2_000);
    await link.mend();
    const operation = await run.settled(operationId, 60_000);
    expect(operation.stats).toMatchObject({ sent: 2_000, failed: 0 });
    expect(missing(sent, await run.arrived())).toEqual([]);
    expect((await run.summary()).duplicates).toBe(0);
    await link.close();
  });
});

describe.each(BACKENDS)('on %s with 100 pushes a job, after 202 nothing is lost', (backend) => {
  it('when a worker is killed in mid-run, and every kind of answer comes back right', async () => {
    const run = await begin(backend, {
      env: { DELIVERY_JOB_SIZE: '100', WORKER_CONCURRENCY: '50' },
    });
    await run.startWorker();
    const behaviours = ['ok', 'slow.50', 'throttle.1.1', 'badtoken', 'refuse.1'];
    // Three devices of one project that are throttled would hold up all of it.
    const sent = tokens(2_000).map((token, at) => {
      const behaviour = behaviours[at % 5] ?? 'ok';
      if (behaviour === 'throttle.1.1' && at > 10) return token;
      return behaviour === 'ok' ? token : `sim.${behaviour}.${at}`;
    });
    const operationId = await run.send(sent);
    await run.until('a part is sent', async () => (await processed(run)) > 300);
    await run.worker.kill9();
    const operation = await run.settled(operationId, 90_000);
    expect(operation.stats).toMatchObject({ sent: 1_600, failed: 400, queued: 0 });
    const arrived = await run.arrived();
    expect(
      missing(
        sent.filter((token) => !token.startsWith('sim.badtoken')),
        arrived,
      ),
    ).toEqual([]);
    const [lost] = await run.query(
      'SELECT count(*)::int AS n FROM push_notifications WHERE unknown_count > 0',
    );
    const twice = [...arrived.values()].filter((count) => count > 1);
    expect(twice.length).toBeLessThanOrEqual(lost.n);
  }, 120_000);
});

describe('after 202 nothing is lost', () => {
  it('and nothing is doubled when two workers share the work', async () => {
    // An answer that a busy machine makes late is an answer all the same: a lost one would be asked for twice.
    const run = await begin(MAIN_BACKEND, { env: { REQUEST_TIMEOUT_MS: '4500' } });
    await run.startWorker();
    const sent = tokens(3_000);
    const ids = await Promise.all(
      [0, 1, 2].map((n) => run.send(sent.slice(n * 1_000, n * 1_000 + 1_000))),
    );
    await Promise.all(ids.map((id) => run.settled(id, 60_000)));
    expect(missing(sent, await run.arrived())).toEqual([]);
    expect(await run.summary()).toMatchObject({ distinctAccepted: 3_000, duplicates: 0 });
    const [windows] = await run.query('SELECT sum(outstanding)::int AS n FROM credential_windows');
    expect(windows.n).toBe(0);
  });
});

const onRedis = BACKENDS.includes('redis') ? describe : describe.skip;

onRedis('on redis, after 202 nothing is lost', () => {
  it('when Redis is killed and comes back empty', async () => {
    const run = await begin('redis');
    const sent = tokens(2_000);
    const operationId = await run.send(sent);
    await run.until('a part is sent', async () => (await processed(run)) > 100);
    await run.redis?.kill9();
    // The api does not need Redis to accept.
    const later = tokens(100, 'ok', 5_000);
    const second = await run.send(later);
    await run.redis?.restart();
    await run.settled(operationId, 60_000);
    await run.settled(second, 60_000);
    expect(missing([...sent, ...later], await run.arrived())).toEqual([]);
  });
});

async function outcomes(run: TestGateway): Promise<string> {
  const rows = await run.query(
    `SELECT DISTINCT attempt->>'outcome' AS outcome
     FROM push_notifications, jsonb_array_elements(attempts) AS attempt`,
  );
  return rows.map(({ outcome }) => outcome).join(' ');
}
