import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { ErrorBody, SendAccepted } from '@app/contract';
import { startGateway, storeCredential } from './gateway.js';
import type { Client, Gateway } from './gateway.js';
import { withPushesLocked } from './locked-pushes.js';

let gateway: Gateway;
let client: Client;

beforeAll(async () => {
  gateway = await startGateway();
  client = gateway.client;
  await storeCredential(client, 'FCM');
});

afterAll(() => gateway?.stop());

const body = (token = 't', more: object = {}) => ({
  to: [{ token, provider: 'FCM' }],
  content: { body: 'B' },
  ...more,
});

const send = (key: string, sent: unknown = body(), who = client) =>
  who.post('/v1/PushNotifications', sent, { headers: { 'Idempotency-Key': key } });

async function query(text: string, values: unknown[]) {
  const db = new pg.Client({ connectionString: gateway.database.ownerUrl });
  await db.connect();
  try {
    return await db.query(text, values);
  } finally {
    await db.end();
  }
}

const operations = async () =>
  (await client.get('Operations', { query: { pageSize: '1000' } })).body.operations.length;

describe('Idempotency-Key', () => {
  it('gives the first answer again, and sends once', async () => {
    const first = await send('a key, with spaces');
    expect([first.status, first.headers.get('idempotent-replayed')]).toEqual([202, null]);
    SendAccepted.parse(first.body);
    const before = await operations();
    // The same JSON with its fields in another order, and with spaces.
    const same = { content: { body: 'B' }, to: [{ provider: 'FCM', token: 't' }] };
    for (const sent of [body(), same, JSON.stringify(same, null, 2)]) {
      const again = await send('a key, with spaces', sent);
      expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 'true']);
      expect(again.body).toEqual(first.body);
      expect(again.headers.get('location')).toBe(first.headers.get('location'));
    }
    expect(await operations()).toBe(before);
  });

  it('goes by the body as it came: no default of ours is part of it', async () => {
    const sendAt = new Date(Date.now() + 3_600_000).toISOString();
    await send('as it came', { ...body(), schedule: { sendAt: [sendAt] } });
    const { rows } = await query('SELECT fingerprint FROM idempotency_keys WHERE key = $1', [
      'as it came',
    ]);
    const asItCame =
      `{"content":{"body":"B"},"schedule":{"sendAt":["${sendAt}"]},` +
      '"to":[{"provider":"FCM","token":"t"}]}';
    const hash = createHash('sha256').update(`POST PushNotifications\n${asItCame}`).digest();
    expect(rows).toEqual([{ fingerprint: hash }]);
  });

  it('of another body → 422, in the contract’s form', async () => {
    await send('reused');
    // A default that is spelled out is another body: what a release makes of it is not its caller's word.
    const others = [body('u'), body('t', { ttlSeconds: 5 }), body('t', { priority: 'HIGH' })];
    for (const other of others) {
      const refused = await send('reused', other);
      expect(refused.status).toBe(422);
      expect(ErrorBody.parse(refused.body)).toMatchObject({ code: 20422, status: 422 });
    }
  });

  it('twice at once: one wins, the other waits for it and gets the same answer', async () => {
    const before = await operations();
    await withPushesLocked(gateway.database.ownerUrl, async (unlock) => {
      const both = [send('race'), send('race')];
      await unlock(() => Promise.resolve());
      const [left, right] = await Promise.all(both);
      expect([left!.status, right!.status]).toEqual([202, 202]);
      expect(left!.body).toEqual(right!.body);
    });
    expect(await operations()).toBe(before + 1);
  });

  it('belongs to one account', async () => {
    await send('mine');
    const stranger = await gateway.otherAccount();
    await storeCredential(stranger, 'FCM');
    const theirs = await send('mine', body('other'), stranger);
    expect([theirs.status, theirs.headers.get('idempotent-replayed')]).toEqual([202, null]);
  });

  it('is free again after a refusal: only 202 answers are kept', async () => {
    const refused = await send('mended', body('t', { from: { appName: 'nope' } }));
    expect(refused.status).toBe(400);
    const mended = await send('mended', body('mended'));
    expect([mended.status, mended.headers.get('idempotent-replayed')]).toEqual([202, null]);
  });

  it('replays a schedule that lies in the past by now', async () => {
    const sendAt = new Date(Date.now() + 400).toISOString();
    const first = await send('soon', body('t', { schedule: { sendAt } }));
    expect(first.status).toBe(202);
    // Until the same request without its key is refused.
    for (;;) {
      const fresh = await client.post('/v1/PushNotifications', body('t', { schedule: { sendAt } }));
      if (fresh.status === 400) break;
    }
    const again = await send('soon', body('t', { schedule: { sendAt } }));
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
  });

  it.each([
    ['empty', ''],
    ['over 255 characters', 'x'.repeat(256)],
  ])('%s → 400', async (_, key) => {
    const refused = await send(key);
    expect(refused.status).toBe(400);
    expect(ErrorBody.parse(refused.body).errors).toMatchObject([
      { context: "$['Idempotency-Key']" },
    ]);
  });
});
