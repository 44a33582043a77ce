import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { MAIN_BACKEND, startTestGateway, tokens, type TestGateway } from '../support/gateway.js';

/** Promise 9: no secret in plain anywhere; device tokens in PostgreSQL and in answers only. */

let run: TestGateway;
const needles = new Map<string, string>();

beforeAll(async () => {
  run = await startTestGateway({ env: { LOG_LEVEL: 'trace' } });
  const ready = await run.control('GET', '/credentials');
  const account = JSON.parse(Buffer.from(ready.fcm.privateKey, 'base64').toString('utf8'));
  const pem = (text: string) => text.split('\n')[2] ?? '';
  needles.set('service account key', pem(account.private_key));
  needles.set('APNs signing key', pem(Buffer.from(ready.apnToken.signingKey, 'base64').toString()));
  needles.set('uploaded service account', ready.fcm.privateKey.slice(40, 100));
  needles.set('auth token', run.account.token);
  needles.set('encryption key', run.environment['ENCRYPTION_KEYS']?.split(':')[1] ?? '');
  await run.storeCredentials();
  const operationId = await run.send([
    ...tokens(20, 'ok.secretdevice'),
    'sim.unregistered.secretdevice',
    'sim.badtoken.secretdevice',
  ]);
  await run.settled(operationId);
});
afterAll(() => run?.close());

it('holds the needles that it looks for', () => {
  for (const [name, needle] of needles) expect([name, needle.length > 6]).toEqual([name, true]);
});

it('names the place of a fault, never the value that is there', async () => {
  const answer = await run.client.call('POST', '/v1/PushNotifications', {
    to: [{ token: 'sim.ok.secretdevice', provider: 'secretprovider' }],
    content: { body: '{{ secretbody' },
  });
  expect(answer.status).toBe(400);
  expect(answer.body.errors.map(({ context }: { context: string }) => context)).toContain(
    '$.to[0].provider',
  );
  expect(JSON.stringify(answer.body)).not.toContain('secretdevice');
});

it('keeps no secret in plain in PostgreSQL', async () => {
  const owner = new pg.Client({ connectionString: run.database.ownerUrl });
  await owner.connect();
  const { rows: tables } = await owner.query(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
     WHERE schemaname IN ('public', 'bullmq')`,
  );
  let read = 0;
  for (const { name } of tables) {
    const { rows } = await owner.query(`SELECT t::text AS row FROM ${name} t`);
    const text = rows.map(({ row }) => row).join('\n');
    read += text.length;
    for (const [what, needle] of needles) {
      expect([name, what, text.includes(needle)]).toEqual([name, what, false]);
      const hex = Buffer.from(needle).toString('hex');
      expect([name, what, text.includes(hex)]).toEqual([name, what, false]);
    }
  }
  await owner.end();
  expect(read).toBeGreaterThan(5_000);
});

it('writes neither a secret nor a device token to the logs, at the finest level', () => {
  const logs = run.logs();
  expect(logs.length).toBeGreaterThan(500);
  for (const [what, needle] of needles)
    expect([what, logs.includes(needle)]).toEqual([what, false]);
  const own = logs.split('\n').filter((line) => !line.includes('"name":"simulator"'));
  expect(own.filter((line) => line.includes('secretdevice'))).toEqual([]);
});

it('gives no device token to the queue or to the metrics', async () => {
  for (const { ready } of [run.api, run.worker]) {
    const text = await (await fetch(`http://127.0.0.1:${ready.metricsPort}/metrics`)).text();
    expect(text).toContain('process_cpu_seconds_total');
    expect(text).not.toContain('secretdevice');
  }
  if (MAIN_BACKEND !== 'redis' || run.redis === undefined) return;
  // Jobs that are active while we look: their device never answers.
  await run.send(tokens(5, 'timeout.secretdevice'));
  await run.until('they are on the wire', async () => {
    const { entries } = await run.control('GET', '/ledger?token=sim.timeout.secretdevice.4');
    return entries.length > 0;
  });
  const { Redis } = await import('ioredis');
  const redis = new Redis(run.redis.url);
  const texts: string[] = [];
  for (const key of await redis.keys('*'))
    texts.push(key, (await redis.dump(key))?.toString() ?? '');
  await redis.quit();
  expect(texts.join('\n')).toContain('deliver-');
  expect(texts.some((text) => /[0-9a-f]{8}-[0-9a-f]{4}-7/.test(text))).toBe(true);
  expect(texts.join('\n')).not.toContain('secretdevice');
});
