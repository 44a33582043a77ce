import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { apiClient } from '../../scripts/client.js';
import {
  BACKENDS,
  MAIN_BACKEND,
  onFcm,
  recipients,
  startTestGateway,
  tokens,
  type TestGateway,
} from '../support/gateway.js';

/** Promise 11: SIGTERM finishes or hands back what is in flight, loses and duplicates nothing. */

let run: TestGateway | undefined;
afterEach(async () => {
  await run?.close();
  run = undefined;
});

describe.each(BACKENDS)('on %s, SIGTERM of a worker under load', (backend) => {
  it('ends it with exit code 0, burns no attempt, and another one finishes the rest', async () => {
    const gateway = await startTestGateway({ backend, env: { WORKER_CONCURRENCY: '20' } });
    run = gateway;
    await gateway.storeCredentials();
    const sent = tokens(1_500, 'slow.10');
    const operationId = await gateway.send(sent);
    const ended = async () => {
      const [row] = await gateway.query('SELECT sent + failed AS n FROM operations');
      return row.n as number;
    };
    await gateway.until('a part is sent', async () => (await ended()) > 100);
    const leased = async () => {
      const [leases] = await gateway.query(
        'SELECT count(*)::int AS n FROM push_notifications WHERE lease_until IS NOT NULL',
      );
      return leases.n as number;
    };
    // The sweep and retention are held up: jobs are taken no more all the same.
    const blocker = new pg.Client({ connectionString: gateway.database.appUrl });
    await blocker.connect();
    await blocker.query('BEGIN');
    await blocker.query('LOCK TABLE sweep_state IN ACCESS EXCLUSIVE MODE');
    const exit = gateway.worker.stop();
    try {
      await gateway.until('nothing is in hand', async () => (await leased()) === 0);
      const [left] = await gateway.query(
        'SELECT sum(outstanding)::int AS n FROM credential_windows',
      );
      expect(left.n).toBeGreaterThan(100);
    } finally {
      await blocker.end();
    }
    expect(await exit).toEqual({ code: 0, signal: null });
    expect(await ended()).toBeLessThan(1_500);
    expect(await leased()).toBe(0);
    await gateway.startWorker();
    expect((await gateway.settled(operationId, 60_000)).stats).toMatchObject({ sent: 1_500 });
    const [attempts] = await gateway.query(
      'SELECT max(attempt_count)::int AS most, sum(unknown_count)::int AS unknown FROM push_notifications',
    );
    expect(attempts).toEqual({ most: 1, unknown: 0 });
    expect(await gateway.summary()).toMatchObject({ distinctAccepted: 1_500, duplicates: 0 });
  }, 90_000);
});

describe('a rolling restart of api and workers under load', () => {
  it('loses and doubles nothing, refuses nothing and burns no attempt', async () => {
    const gateway = await startTestGateway({
      backend: MAIN_BACKEND,
      env: { REQUEST_TIMEOUT_MS: '5000', LEASE_MS: '15000', SHUTDOWN_DRAIN_SECONDS: '3' },
    });
    run = gateway;
    await gateway.storeCredentials();
    const before = gateway.api;
    const after = await gateway.startApi();
    const workers = [gateway.worker, await gateway.startWorker()];
    const sent: string[] = [];
    const operationIds: string[] = [];
    let isOver = false;
    /** Callers that a `connection: close` has sent on. */
    let moved = 0;
    // Two callers without a pause; none of their requests may fail. They ask the old api as long as it lets them.
    const callers = [0, 1].map(async (caller) => {
      let origin = before;
      for (let number = 0; !isOver; number++) {
        const to = tokens(5, `slow.${50 * (caller + 1)}`, caller * 1_000_000 + number * 5);
        sent.push(...to);
        let close = false;
        const client = apiClient(
          `http://127.0.0.1:${origin.ready.port}`,
          gateway.account,
          (_method, _path, { headers }) => (close = headers.get('connection') === 'close'),
        );
        const body = { to: recipients(to), content: { title: 'Hello', body: 'Hello {{name}}' } };
        operationIds.push((await client.post('/v1/PushNotifications', body)).operationId);
        if (!close) continue;
        moved++;
        origin = after;
      }
    });
    const more = async (what: string) => {
      const before = operationIds.length;
      await gateway.until(what, () => Promise.resolve(operationIds.length > before + 8));
    };

    await more('there is load');
    const exit = before.stop();
    // As a balancer sees it: to be left out, though it answers still.
    await gateway.until('the old api is not ready', async () => {
      const ready = await fetch(`http://127.0.0.1:${before.ready.port}/health/ready`);
      return ready.status === 503;
    });
    expect(await exit).toEqual({ code: 0, signal: null });
    expect(moved).toBe(2);
    await more('the new api accepts');
    for (const worker of workers) {
      await gateway.startWorker();
      expect(await worker.stop()).toEqual({ code: 0, signal: null });
      await more('the load goes on');
    }
    isOver = true;
    await Promise.all(callers);

    const ended = async () => {
      const [row] = await gateway.query('SELECT sum(sent)::int AS n FROM operations');
      return row.n as number;
    };
    await gateway.until('all is sent', async () => (await ended()) === sent.length, 60_000);
    expect(await gateway.summary()).toMatchObject({
      requests: sent.length,
      distinctAccepted: sent.length,
      duplicates: 0,
    });
    const [attempts] = await gateway.query(
      `SELECT count(*)::int AS rows, max(attempt_count)::int AS most, sum(unknown_count)::int AS unknown
       FROM push_notifications`,
    );
    expect(attempts).toEqual({ rows: sent.length, most: 1, unknown: 0 });
  }, 120_000);
});

describe('a provider that answers later than the grace period, or never', () => {
  const GRACE_SECONDS = 4;

  const begin = async (env: Record<string, string> = {}) => {
    const gateway = await startTestGateway({
      backend: MAIN_BACKEND,
      env: {
        SHUTDOWN_GRACE_SECONDS: String(GRACE_SECONDS),
        REQUEST_TIMEOUT_MS: '20000',
        LEASE_MS: '40000',
        LOST_AFTER_MS: '60000',
        ...env,
      },
    });
    run = gateway;
    await gateway.storeCredentials();
    return gateway;
  };

  /** Stops the worker, and looks at what it has left. */
  const stopped = async (gateway: TestGateway) => {
    const begun = performance.now();
    const exit = await gateway.worker.stop();
    const tookMs = performance.now() - begun;
    const rows = await gateway.query(
      `SELECT status, unknown_count AS unknown, attempt_count AS attempts, lease_until IS NOT NULL AS leased,
         attempts->0->>'reason' AS reason, count(*)::int AS n
       FROM push_notifications GROUP BY 1, 2, 3, 4, 5 ORDER BY 1`,
    );
    return { exit, tookMs, rows };
  };

  it('does not hold a worker up: it writes down what it gave up, and another one goes on at once', async () => {
    const gateway = await begin();
    const sent = [...tokens(30, 'slow.5000'), ...tokens(10, 'timeout.x1')];
    const operationId = await gateway.send([], { to: onFcm(sent) });
    await gateway.until(
      'all are on the wire',
      async () => (await gateway.summary()).requests === 40,
    );
    const { exit, tookMs, rows } = await stopped(gateway);
    expect(exit).toEqual({ code: 0, signal: null });
    expect(tookMs).toBeLessThan(GRACE_SECONDS * 1_000);
    // In the window of promise 3, and the rows say so: no lease has to run out.
    const unknown = { status: 'QUEUED', unknown: 1, attempts: 1, leased: false, n: 40 };
    expect(rows).toEqual([{ ...unknown, reason: 'connection-lost' }]);
    await gateway.startWorker();
    // Long before a lease of forty seconds is over.
    const operation = await gateway.settled(operationId, 30_000);
    expect(operation).toMatchObject({ status: 'COMPLETED', stats: { sent: 40, failed: 0 } });
    const counts = [...(await gateway.arrived()).values()];
    expect(counts).toHaveLength(40);
    expect(Math.max(...counts)).toBeLessThanOrEqual(2);
  }, 90_000);

  it('fails what it gave up where the operator chose at-most-once', async () => {
    const gateway = await begin({ UNKNOWN_OUTCOMES: 'at-most-once' });
    await gateway.send([], { to: onFcm(tokens(10, 'timeout')) });
    await gateway.until(
      'all are on the wire',
      async () => (await gateway.summary()).requests === 10,
    );
    const { exit, tookMs, rows } = await stopped(gateway);
    expect(exit).toEqual({ code: 0, signal: null });
    expect(tookMs).toBeLessThan(GRACE_SECONDS * 1_000);
    const given = { unknown: 1, attempts: 1, leased: false, reason: 'connection-lost' };
    expect(rows).toEqual([{ status: 'FAILED', ...given, n: 10 }]);
    expect(await gateway.summary()).toMatchObject({ requests: 10 });
  }, 60_000);

  it('hands back what waits for a token, no attempt burnt', async () => {
    const gateway = await begin();
    // Its connections stay open and nothing gets through: no access token comes.
    await gateway.control('PUT', '/behaviour', { provider: 'fcm', blackHole: true });
    const operationId = await gateway.send([], { to: onFcm(tokens(20)) });
    const leased = async () => {
      const [row] = await gateway.query(
        'SELECT count(*)::int AS n FROM push_notifications WHERE lease_until IS NOT NULL',
      );
      return row.n as number;
    };
    await gateway.until('all are in hand', async () => (await leased()) === 20);
    const { exit, tookMs, rows } = await stopped(gateway);
    expect(exit).toEqual({ code: 0, signal: null });
    expect(tookMs).toBeLessThan(GRACE_SECONDS * 1_000);
    expect(rows).toMatchObject([
      { status: 'QUEUED', unknown: 0, attempts: 0, leased: false, n: 20 },
    ]);
    await gateway.control('PUT', '/behaviour', { provider: 'fcm', blackHole: false });
    await gateway.startWorker();
    const { stats } = await gateway.settled(operationId, 30_000);
    expect(stats).toMatchObject({ sent: 20 });
    expect(await gateway.summary()).toMatchObject({ requests: 20, duplicates: 0 });
  }, 90_000);
});
