import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SendCheck } from '../../apps/api/src/push-notifications/send-check.js';
import { parseId } from '@app/domain';
import pg from 'pg';
import { apnContent, fcmContent, startGateway, storeCredential } from './gateway.js';
import type { Answer, Client, Gateway } from './gateway.js';
import { expectRefused, register } from './resources.js';

/** A refused request hears of everything that is wrong with it, whoever finds out: schema, rules or database. */

let gateway: Gateway;
let client: Client;
let fcm: string;
let apn: string;
const log: string[] = [];

beforeAll(async () => {
  gateway = await startGateway({ log });
  client = gateway.client;
  fcm = await storeCredential(client, 'FCM');
  apn = await storeCredential(client, 'APN');
});

afterAll(() => gateway?.stop());

const to = [{ token: 't', provider: 'FCM' }];
const content = { body: 'B' };
const UNKNOWN = 'comms_credential_01h2xcejqtf2nbrexx3vqjhp41';
const past = { sendAt: '2020-01-01T00:00:00Z' };

const faults = (answer: Answer) => expectRefused(answer, 400);
const messagesAt = ({ body }: Answer, place: string): string[] =>
  body.errors
    .filter(({ context }: { context: string }) => context === place)
    .map(({ message }: { message: string }) => message);

describe.each(['/v1/PushNotifications', 'Preflight'])('POST %s', (path) => {
  const refused = async (body: object, query = {}) =>
    faults(await client.post(path, body, { query }));

  it('tells of a broken field and of everything that is found out later', async () => {
    const recipients = [
      { token: 5, provider: 'FCM' },
      { token: 't', provider: 'FCM', variables: { v: 'not ok' } },
      { userId: 'comms_x' },
      { token: 't', provider: 'FCM', variables: { v: 'ok' } },
      null,
      { token: 't', provider: 'FCM', variables: { v: '' } },
    ];
    const body = {
      to: recipients,
      content: { title: '{{', body: 5, data: { from: '{% x', a: 1, b: '{{' }, nope: 1 },
      tags: { 'a:b': '{{', c: '{{ v }}', d: ' ' },
      from: { fcm: UNKNOWN, apn: fcm },
      schedule: { ...past, zone: 'UTC' },
      overrides: {
        fcm: { topic: 'all', a: '\0', data: { google: 1 } },
        apn: { headers: { ':path': 'é', 'apns-id': 'x' }, aps: 5, payload: { aps: 1 }, x: 1 },
        hms: {},
      },
      badge: -1,
      ttlSeconds: 'x',
    };
    expect((await refused(body, { dry: '1' })).sort()).toEqual(
      [
        '$.to[0].token',
        '$.to[2].userId',
        '$.to[4]',
        // Rendered for those that are well-formed.
        '$.to[1]',
        '$.to[5]',
        '$.content.title',
        '$.content.body',
        // Its key and its template.
        '$.content.data.from',
        '$.content.data.from',
        '$.content.data.a',
        '$.content.data.b',
        '$.content.nope',
        "$.tags['a:b']",
        "$.tags['a:b']",
        '$.tags.d',
        '$.from.fcm',
        '$.from.apn',
        '$.schedule.sendAt',
        '$.schedule.zone',
        '$.overrides.fcm.topic',
        '$.overrides.fcm.a',
        '$.overrides.fcm.data.google',
        '$.overrides.fcm.data.google',
        "$.overrides.apn.headers[':path']",
        "$.overrides.apn.headers[':path']",
        "$.overrides.apn.headers['apns-id']",
        '$.overrides.apn.aps',
        '$.overrides.apn.payload.aps',
        '$.overrides.apn.x',
        '$.overrides.hms',
        '$.badge',
        '$.ttlSeconds',
        '$.dry',
      ].sort(),
    );
  });

  it('tells of rules between fields although one of them is of a wrong type', async () => {
    expect(await refused({ to, content: { title: 5 } })).toEqual([
      '$.content.title',
      '$.content.body',
    ]);
    expect(await refused({ to, content, from: { fcm: 5, appName: 'shop' } })).toEqual([
      '$.from.fcm',
      '$.from',
    ]);
  });

  it('looks for no credential of a from that is broken, and for those of no broken recipient', async () => {
    const apple = [{ token: 't', provider: 'APN' }];
    expect(await refused({ to: apple, content, from: { fcm, x: 1 } })).toEqual(['$.from.x']);
    expect(await refused({ to: apple, content, from: { fcm }, x: 1 })).toEqual(['$.x', '$.from']);
    const broken = [...to, { ...apple[0], token: '' }];
    expect(await refused({ to: broken, content, from: { fcm } })).toEqual(['$.to[1].token']);
  });

  it('counts the pushes of users also where something else is wrong', async () => {
    const { userId } = await register(client);
    for (let n = 1; n < 50; n++) await register(client, { userId });
    const many = Array.from({ length: 2_001 }, () => ({ userId }));
    expect(await refused({ to: many, content, x: 1 })).toEqual(['$.x', '$.to']);
  });

  it('is not kept from it by a broken header', async () => {
    const headers = { 'idempotency-key': 'x'.repeat(256) };
    const answer = await client.post(path, { to, content: { body: '{{' }, x: 1 }, { headers });
    const expected = ['$.x', '$.content.body'];
    expect(faults(answer)).toEqual(
      path === 'Preflight' ? expected : [...expected, "$['Idempotency-Key']"],
    );
  });

  it('is told what is known also where looking further fails', async () => {
    const broken = jest.spyOn(SendCheck.prototype, 'check').mockRejectedValue(new TypeError('no'));
    log.length = 0;
    try {
      expect(await refused({ to, content: { body: '{{' }, x: 1 })).toEqual(['$.x']);
    } finally {
      broken.mockRestore();
    }
    // Who runs it hears of it.
    expect(log.filter((line) => JSON.parse(line).level >= 50)).toEqual([
      expect.stringContaining('Looking for further faults failed'),
    ]);
  });

  it('names a hundred at most, in bounded time, however much else is wrong', async () => {
    const data = Object.fromEntries([...Array(3_000).keys()].map((n) => [`k${n}`, '{{']));
    const bad = Array.from({ length: 10_000 }, (_, n) => ({
      token: n % 200 === 0 ? 5 : 't',
      provider: 'FCM',
      variables: { v: ' ' },
    }));
    const numbers = Array.from({ length: 300_000 }, (_, n) => [`k${n}`, n]);
    const begin = performance.now();
    const answer = await client.post(path, {
      to: bad,
      content: { body: '{{ v }}', data },
      tags: Object.fromEntries([...Array(10).keys()].map((n) => [`t${n}`, '{{ v }}'])),
      overrides: { fcm: { a: Array(500).fill('\0'), data: Object.fromEntries(numbers) } },
    });
    expect(performance.now() - begin).toBeLessThan(5_000);
    expect(faults(answer)).toHaveLength(100);
  });
});

describe('a send that keeps the schema', () => {
  it('hears of templates, tags, schedule, overrides and credentials at once', async () => {
    const answer = await client.post('/v1/PushNotifications', {
      to: [{ token: 't', provider: 'APN', variables: { v: ' ' } }],
      content: { title: '{{', body: '{% x' },
      tags: { a: '{{ v }}', b: '{{', c: '{{ nothing }}' },
      from: { fcm },
      schedule: past,
      overrides: { fcm: { token: 'x' } },
    });
    expect(faults(answer)).toEqual([
      '$.content.title',
      '$.content.body',
      '$.tags.b',
      '$.schedule.sendAt',
      '$.overrides.fcm.token',
      '$.from',
      '$.to[0]',
      '$.to[0]',
    ]);
    expect(messagesAt(answer, '$.to[0]')).toEqual([
      expect.stringContaining('The tag a '),
      expect.stringContaining('The tag c '),
    ]);
  });
});

describe('a topic of a credential whose secret does not open', () => {
  const send = (topic: string, more = {}) =>
    client.post('/v1/PushNotifications', {
      to: [{ token: 't', provider: 'APN' }],
      content,
      from: { apn: closed },
      overrides: { apn: { headers: { 'apns-topic': topic } } },
      ...more,
    });
  let closed: string;

  beforeAll(async () => {
    closed = await storeCredential(client, 'APN', 'closed');
    const db = new pg.Client({ connectionString: gateway.database.ownerUrl });
    await db.connect();
    // As a key that has left the ring has it: `test` becomes `gone`.
    const { rowCount } = await db.query(
      "UPDATE credentials SET sealed = overlay(sealed PLACING 'gone'::bytea FROM 3) WHERE id = $1",
      [parseId('credential', closed)],
    );
    expect(rowCount).toBe(1);
    await db.end();
  });

  it('is for the worker to judge, where it may be one at all', async () => {
    expect((await send('com.example.other')).status).toBe(202);
    const place = "$.overrides.apn.headers['apns-topic']";
    expect(faults(await send('a b'))).toEqual([place]);
    expect(faults(await send('com.example.other', { x: 1 }))).toEqual(['$.x']);
    expect(faults(await send('a b', { x: 1 }))).toEqual(['$.x', place]);
  });
});

describe('a credential', () => {
  const create = async (body: object) => faults(await client.post('Credentials', body));

  it('hears of its content beside everything else', async () => {
    expect(
      await create({
        credentialType: 'FCM',
        appName: 'No!',
        content: { privateKey: '!', x: 1 },
        y: 1,
      }),
    ).toEqual(['$.content.x', '$.appName', '$.y', '$.content.privateKey']);
    const { signingKey, teamId } = apnContent();
    expect(
      await create({
        credentialType: 'APN',
        appName: 'shop',
        content: { signingKey: 'x', keyId: 'y', teamId, topic: 5 },
      }),
    ).toEqual(['$.content.topic', '$.content.signingKey', '$.content.keyId']);
    expect(
      await create({ credentialType: 'APN', content: { signingKey, keyId: '', teamId } }),
    ).toEqual(['$.content.topic', '$.appName', '$.content.keyId']);
  });

  it('of no type hears of the rest', async () => {
    const rest = { appName: 'No!', isDefault: 1, x: 1 };
    const expected = ['$.credentialType', '$.content', '$.appName', '$.isDefault', '$.x'];
    expect(await create({ credentialType: 'HMS', ...rest })).toEqual(expected);
    expect(await create(rest)).toEqual(expected);
  });

  it('that is rotated hears of the content that its type takes', async () => {
    const rotate = async (id: string, body: object, query = {}) =>
      faults(await client.put(`Credentials/${id}/Content`, body, { query }));
    const broken = { ...apnContent(), keyId: 'x', more: 1 };
    expect(await rotate(apn, broken, { q: '1' })).toEqual(['$.more', '$.q', '$.keyId']);
    expect(await rotate(fcm, { privateKey: '!', more: 1 })).toEqual(['$.more', '$.privateKey']);
    expect(await rotate(UNKNOWN, { privateKey: '!', more: 1 })).toEqual(['$.more']);
    // Good content in a request that is not.
    expect(await rotate(fcm, fcmContent(), { q: '1' })).toEqual(['$.q']);
  });
});

describe('a list', () => {
  it.each([
    '/v1/PushNotifications',
    'Operations',
    'Credentials',
    'Apps',
    'Users',
    '/v1/ApiKeys',
    'DeviceRegistrations',
    'Operations/comms_operation_01h2xcejqtf2nbrexx3vqjhp41/Errors',
  ])('%s hears of its token beside its other parameters', async (path) => {
    const query = { pageToken: 'forged', pageSize: '0', x: '1' };
    expect(faults(await client.get(path, { query })).sort()).toEqual([
      '$.pageSize',
      '$.pageToken',
      '$.x',
    ]);
  });

  it('hears of filters that its token does not carry beside those that are none', async () => {
    const { body } = await client.get('Apps', { query: { isDefault: 'true' } });
    const query = { pageToken: body.pagination.self, isDefault: 'false', startDate: 'x' };
    expect(faults(await client.get('Apps', { query }))).toEqual(['$.startDate', '$.isDefault']);
    // Its own filter again is fine.
    const same = { ...query, isDefault: 'true' };
    expect(faults(await client.get('Apps', { query: same }))).toEqual(['$.startDate']);
  });

  it('hears of dates out of order beside another fault', async () => {
    const query = { startDate: '2026-02-02', endDate: '2026-02-01', pageSize: 'x', status: 'x' };
    for (const path of ['/v1/PushNotifications', 'Operations']) {
      expect(faults(await client.get(path, { query })).sort()).toEqual([
        '$.endDate',
        '$.pageSize',
        '$.status',
      ]);
    }
    expect(faults(await client.get('DeviceRegistrations', { query: { pageSize: '0' } }))).toEqual([
      '$.pageSize',
      '$.userId',
    ]);
  });
});
