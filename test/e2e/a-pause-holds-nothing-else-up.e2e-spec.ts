import { afterEach, describe, expect, it } from '@jest/globals';
import { queueJobs, sumOf } from '../../bench/queue-jobs.js';
import { BACKENDS, startTestGateway, tokens, type TestGateway } from '../support/gateway.js';

/** Promises 4 and 5: a wrong or throttled credential pauses that credential, and nothing else. */

let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

const fcm = (names: readonly string[]) => names.map((token) => ({ token, provider: 'FCM' }));
const apn = (names: readonly string[]) => names.map((token) => ({ token, provider: 'APN' }));

async function begin(options: Parameters<typeof startTestGateway>[0] = {}) {
  gateway = await startTestGateway(options);
  const credentials = await gateway.storeCredentials();
  const run = gateway;
  const statusOf = (id: string) => run.client.get(`/v1/PushNotifications/Credentials/${id}`);
  return { run, credentials, statusOf };
}

/** Counted and uncounted tries of all FCM pushes, and how often one was claimed. */
const burnt = async (run: TestGateway) =>
  (
    await run.query(
      `SELECT coalesce(sum(attempt_count), 0)::int AS attempts, coalesce(sum(lease), 0)::int AS claims,
         count(*) FILTER (WHERE status = 'QUEUED')::int AS queued
       FROM push_notifications WHERE provider = 'FCM'`,
    )
  )[0];

const refuse = { tokenEndpoint: { status: 400, error: 'invalid_grant' } };

describe.each(BACKENDS)('on %s, a credential that is refused', (backend) => {
  it('waits without burning attempts, says why, and goes on when one push gets through', async () => {
    const { run, credentials, statusOf } = await begin({ backend });
    await run.control('PUT', '/behaviour', refuse);
    const waiting = await run.send([], { to: fcm(tokens(400)) });
    await run.until(
      'it is paused',
      async () => (await statusOf(credentials.fcm)).status === 'FAILING',
    );
    expect((await statusOf(credentials.fcm)).statusReason).toContain('invalid_grant');
    expect((await statusOf(credentials.apn)).status).toBe('OK');
    // Pauses of a second and more, and a push each.
    await run.until('it was probed', async () => (await pauses(run)) >= 3);
    const healthy = await run.send([], { to: apn(tokens(200, 'ok', 1_000)) });
    expect((await run.settled(healthy)).stats).toMatchObject({ sent: 200 });
    const { attempts, queued } = await burnt(run);
    expect([attempts, queued]).toEqual([0, 400]);
    await run.control('DELETE', '/behaviour');
    const operation = await run.settled(waiting, 60_000);
    expect(operation.stats).toMatchObject({ sent: 400, failed: 0 });
    expect(await statusOf(credentials.fcm)).toMatchObject({ status: 'OK', statusReason: null });
    expect(await run.summary()).toMatchObject({ accepted: 600, duplicates: 0 });
    expect((await burnt(run)).attempts).toBe(400);
    const [windows] = await run.query('SELECT sum(outstanding)::int AS n FROM credential_windows');
    expect(windows.n).toBe(0);
  });
});

async function pauses(run: TestGateway): Promise<number> {
  const [row] = await run.query('SELECT max(pauses)::int AS n FROM credential_windows');
  return row.n;
}

describe('a credential', () => {
  it('that is throttled waits as long as asked, and its window is halved once', async () => {
    const { run, credentials, statusOf } = await begin();
    const first = await run.send([], { to: fcm(['sim.unavailable.1.r2.first']) });
    await run.until(
      'it is paused',
      async () => (await statusOf(credentials.fcm)).status === 'FAILING',
    );
    const rest = await run.send([], { to: fcm(tokens(150)) });
    expect((await run.settled(rest)).stats).toMatchObject({ sent: 150 });
    expect((await run.settled(first)).stats).toMatchObject({ sent: 1 });
    // Retry-After was two seconds, and by the database's instants nothing was tried before, whoever looked when.
    const [{ waited }] = (await run.query(
      `SELECT extract(epoch FROM min(at) FILTER (WHERE NOT throttled) - min(at) FILTER (WHERE throttled))::float8 AS waited
       FROM (SELECT token LIKE '%.first' AS throttled, (attempts->0->>'at')::timestamptz AS at FROM push_notifications) tries`,
    )) as [{ waited: number }];
    expect(waited).toBeGreaterThanOrEqual(2);
    const [window] = await run.query(
      'SELECT "window" FROM credential_windows WHERE credential_id = (SELECT id FROM credentials WHERE credential_type = $1)',
      ['FCM'],
    );
    expect(window.window).toBe(250);
    // One each: nothing but the throttled one was tried twice.
    expect((await burnt(run)).attempts).toBe(152);
  });

  it('goes on at once when it is rotated', async () => {
    const { run, credentials, statusOf } = await begin({ env: { REFUSED_PAUSE_MS: '900000' } });
    await run.control('PUT', '/behaviour', refuse);
    const waiting = await run.send([], { to: fcm(tokens(60)) });
    await run.until(
      'it is paused',
      async () => (await statusOf(credentials.fcm)).status === 'FAILING',
    );
    // Up to a quarter of an hour, by chance.
    await run.query(`UPDATE credential_windows SET paused_until = now() + interval '10 minutes'
      WHERE paused_until IS NOT NULL`);
    await run.control('DELETE', '/behaviour');
    const content = (await run.control('GET', '/credentials')).fcm;
    const path = `/v1/PushNotifications/Credentials/${credentials.fcm}/Content`;
    expect((await run.client.call('PUT', path, content)).status).toBe(202);
    // Long before those ten minutes are over.
    expect((await run.settled(waiting)).stats).toMatchObject({ sent: 60, failed: 0 });
    expect(await statusOf(credentials.fcm)).toMatchObject({ status: 'OK' });
  });

  it('that is deleted fails what waits for it, with a code of its own', async () => {
    const { run, credentials, statusOf } = await begin({ env: { REFUSED_PAUSE_MS: '900000' } });
    await run.control('PUT', '/behaviour', refuse);
    const waiting = await run.send([], { to: fcm(tokens(40)) });
    await run.until(
      'it is paused',
      async () => (await statusOf(credentials.fcm)).status === 'FAILING',
    );
    await run.client.call('DELETE', `/v1/PushNotifications/Credentials/${credentials.fcm}`);
    const operation = await run.settled(waiting);
    expect(operation.stats).toMatchObject({ failed: 40, sent: 0 });
    const errors = await run.client.get(
      `/v1/PushNotifications/Operations/${waiting}/Errors?pageSize=40`,
    );
    expect(new Set(errors.errors.map(({ code }: { code: number }) => code))).toEqual(
      new Set([71006]),
    );
  });

  it('with a key missing inside Firebase goes on for Android, and shows a warning', async () => {
    const { run, credentials, statusOf } = await begin();
    const operation = await run.send([], { to: fcm(['sim.thirdparty.ios', 'sim.ok.android']) });
    expect((await run.settled(operation)).stats).toMatchObject({ sent: 1, failed: 1 });
    await run.until('the warning stands', async () =>
      /APNs/.test((await statusOf(credentials.fcm)).statusReason ?? ''),
    );
    expect((await statusOf(credentials.fcm)).status).toBe('OK');
  });
});

it('20,000 pushes behind a pause cost nothing: no job, no claim, no attempt', async () => {
  const { run, credentials, statusOf } = await begin();
  await run.control('PUT', '/behaviour', refuse);
  for (const half of [0, 1]) await run.send([], { to: fcm(tokens(10_000, 'ok', half * 10_000)) });
  await run.until(
    'it is paused',
    async () => (await statusOf(credentials.fcm)).status === 'FAILING',
  );
  await run.query(`UPDATE credential_windows SET paused_until = now() + interval '10 minutes'
    WHERE paused_until IS NOT NULL`);
  const { metricsPort } = run.worker.ready;
  await run.until('its jobs have ended', async () => (await queued(metricsPort)) === 0);
  const before = await burnt(run);
  for (let n = 0; n < 10; n++) {
    const healthy = await run.send([], { to: apn(tokens(50, 'ok', n * 50)) });
    expect((await run.settled(healthy)).stats).toMatchObject({ sent: 50 });
  }
  expect(await burnt(run)).toEqual(before);
  expect(before.queued).toBe(20_000);
  // But for those that heard of the pause, a window of them, and a probe for each one after it, nothing was touched.
  expect(before.claims).toBeLessThanOrEqual(500 + (await pauses(run)) - 1);
  expect(before.attempts).toBe(0);
}, 60_000);

/** Jobs of the FCM queue in any state, as an operator sees them. */
async function queued(metricsPort: number): Promise<number> {
  return sumOf((await queueJobs(metricsPort)).filter(({ queue }) => queue === 'deliver-fcm'));
}
