import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ErrorBody } from '@app/contract';
import pg from 'pg';
import { DatabaseLink } from '../support/database-link.js';
import { fcmContent, read, startGateway, storeCredential } from './gateway.js';
import type { Answer, Client, Gateway } from './gateway.js';

const link = new DatabaseLink();
let gateway: Gateway;
let client: Client;

beforeAll(async () => {
  gateway = await startGateway({ through: (url) => link.through(url) });
  client = gateway.client;
  await storeCredential(client, 'FCM');
});

afterAll(async () => {
  await gateway?.stop();
  await link.cut();
});

const send = (count = 1): Promise<Answer> =>
  client.post('/v1/PushNotifications', {
    to: Array.from({ length: count }, (_, i) => ({ token: `t-${i}`, provider: 'FCM' })),
    content: { body: 'B' },
  });

function expectUnavailable(answer: Answer): void {
  expect(answer.status).toBe(503);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(ErrorBody.parse(answer.body)).toMatchObject({ code: 20503, status: 503, errors: [] });
}

async function rows(): Promise<Record<string, number>> {
  const db = new pg.Client({ connectionString: gateway.database.ownerUrl });
  await db.connect();
  const { rows } = await db.query(
    `SELECT (SELECT count(*)::int FROM operations) AS operations,
       (SELECT count(*)::int FROM operation_parts) AS parts,
       (SELECT count(*)::int FROM push_notifications) AS pushes,
       (SELECT count(*)::int FROM credentials) AS credentials`,
  );
  await db.end();
  return rows[0];
}

describe('while the database is down', () => {
  it('every endpoint answers 503 with Retry-After, then it goes on by itself', async () => {
    expect((await send()).status).toBe(202);
    const before = await rows();
    await link.cut();
    const content = fcmContent();
    expectUnavailable(await send());
    expectUnavailable(await client.get('Operations'));
    expectUnavailable(await client.get('/v1/PushNotifications'));
    expectUnavailable(
      await client.post('Credentials', { appName: 'x', credentialType: 'FCM', content }),
    );
    const ready = await read(await fetch(`${gateway.origin}/health/ready`));
    expect(ready.status).toBe(503);
    expect(ready.body).toEqual({
      status: 'unavailable',
      checks: { database: 'failed', accepting: 'ok' },
    });
    expect((await fetch(`${gateway.origin}/health/live`)).status).toBe(200);
    await link.mend();
    expect(await rows()).toEqual(before);
    expect((await send()).status).toBe(202);
  });

  it('a caller that nobody can check gets 503, not 401', async () => {
    const stranger = await gateway.otherAccount();
    await link.cut();
    expectUnavailable(await stranger.get('Operations'));
    await link.mend();
    expect((await stranger.get('Operations')).status).toBe(200);
  });

  it('a connection that breaks in mid-statement leaves nothing half-written', async () => {
    expect((await send()).status).toBe(202);
    const before = await rows();
    // 5,000 recipients are some 600 KB on the wire.
    link.cutAfter(200_000);
    expectUnavailable(await send(5_000));
    await link.mend();
    expect(await rows()).toEqual(before);
  });
});
