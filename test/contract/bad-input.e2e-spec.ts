import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ErrorBody, WORK_LIMITS } from '@app/contract';
import { apnContent, fcmContent, read, startGateway, storeCredential } from './gateway.js';
import type { Answer, Client, Gateway } from './gateway.js';

let gateway: Gateway;
let client: Client;
let fcm: string;
let apn: string;
let otherApp: string;

beforeAll(async () => {
  gateway = await startGateway();
  client = gateway.client;
  fcm = await storeCredential(client, 'FCM');
  apn = await storeCredential(client, 'APN');
  otherApp = await storeCredential(client, 'APN', 'other');
});

afterAll(() => gateway?.stop());

const to = [{ token: 't', provider: 'FCM' }];
const content = { body: 'B' };
const UNKNOWN = 'comms_credential_01h2xcejqtf2nbrexx3vqjhp41';

const contexts = ({ body }: Answer) => ErrorBody.parse(body).errors.map(({ context }) => context);

/** Refused with 400, and nothing was accepted. */
async function refused(body: unknown): Promise<Answer> {
  const before = (await client.get('Operations', { query: { pageSize: '1' } })).body.operations;
  const answer = await client.post('/v1/PushNotifications', body);
  expect(answer.status).toBe(400);
  expect(answer.body).toMatchObject({ code: 70002, status: 400 });
  const after = (await client.get('Operations', { query: { pageSize: '1' } })).body.operations;
  expect(after).toEqual(before);
  return answer;
}

describe('a send that breaks the contract', () => {
  const cases: [string, unknown, string[]][] = [
    ['no body', undefined, ['$']],
    ['malformed JSON', '{"to": [', ['$']],
    ['not an object', [], ['$']],
    ['nothing given', {}, ['$.to', '$.content']],
    ['wrong types', { to: 'x', content: 5, priority: 1 }, ['$.to', '$.content', '$.priority']],
    ['unknown fields', { to, content, bagde: 1, 'x y': 2 }, ['$.bagde', "$['x y']"]],
    ['an empty schedule', { to, content, schedule: {} }, ['$.schedule.sendAt']],
    ['a negative badge', { to, content, badge: -1 }, ['$.badge']],
    ['a fractional badge', { to, content, badge: 0.5 }, ['$.badge']],
    [
      'an image that is not https',
      { to, content: { ...content, imageUrl: 'http://a.example/x.png' } },
      ['$.content.imageUrl'],
    ],
    [
      'an image that is no URL',
      { to, content: { ...content, imageUrl: 'x' } },
      ['$.content.imageUrl'],
    ],
    ['overrides of nobody', { to, content, overrides: { hms: {} } }, ['$.overrides.hms']],
    [
      'overrides of wrong types',
      { to, content, overrides: { fcm: [], apn: { headers: { 'apns-priority': 5 }, aps: 'x' } } },
      ['$.overrides.fcm', "$.overrides.apn.headers['apns-priority']", '$.overrides.apn.aps'],
    ],
    [
      'overrides of the target',
      { to, content, overrides: { fcm: { topic: 'all', android: {}, condition: 'x' } } },
      ['$.overrides.fcm.topic', '$.overrides.fcm.condition'],
    ],
    [
      'overrides of headers that are ours or unknown',
      {
        to,
        content,
        overrides: {
          apn: { headers: { ':path': 'x', 'apns-id': 'x', 'apns-priority': '5', 'x-y': 'z' } },
        },
      },
      [
        "$.overrides.apn.headers[':path']",
        "$.overrides.apn.headers['apns-id']",
        "$.overrides.apn.headers['x-y']",
      ],
    ],
    [
      'a header that is no topic',
      { to, content, overrides: { apn: { headers: { 'apns-topic': 'a b' } } } },
      ["$.overrides.apn.headers['apns-topic']"],
    ],
    [
      'a header with a line break',
      { to, content, overrides: { apn: { headers: { 'apns-collapse-id': 'a\r\nb: c' } } } },
      ["$.overrides.apn.headers['apns-collapse-id']"],
    ],
    [
      'overrides that cannot be stored',
      { to, content, overrides: { fcm: { a: ['\0'], 'b\0': { c: '\ud800' } } } },
      ['$.overrides.fcm.a[0]', "$.overrides.fcm['b\0']", "$.overrides.fcm['b\0'].c"],
    ],
    [
      'overrides that are too deep',
      {
        to,
        content,
        overrides: { fcm: { a: JSON.parse(`${'['.repeat(999)}${']'.repeat(999)}`) } },
      },
      ['$.overrides.fcm'],
    ],
    [
      'overrides of too many values',
      { to, content, overrides: { apn: { aps: { a: Array(5_000).fill(0) } } } },
      ['$.overrides.apn.aps'],
    ],
    [
      'overrides that are too large',
      { to, content, overrides: { apn: { payload: { a: 'x'.repeat(20_000) } } } },
      ['$.overrides.apn.payload'],
    ],
    ['an unknown field of a recipient', { to: [{ ...to[0], a: 1 }], content }, ['$.to[0].a']],
    ['no recipient', { to: [], content }, ['$.to']],
    ['a recipient of neither kind', { to: [{}], content }, ['$.to[0].token', '$.to[0].provider']],
    ['both kinds in one', { to: [{ ...to[0], userId: 'u' }], content }, ['$.to[0].userId']],
    [
      'an unknown provider',
      { to: [{ token: 't', provider: 'HMS' }], content },
      ['$.to[0].provider'],
    ],
    ['an empty token', { to: [{ token: '', provider: 'FCM' }], content }, ['$.to[0].token']],
    [
      'a token over 4,096 characters',
      { to: [{ token: 'x'.repeat(4_097), provider: 'FCM' }], content },
      ['$.to[0].token'],
    ],
    ['a token with a NUL', { to: [{ token: 'a\0', provider: 'FCM' }], content }, ['$.to[0].token']],
    ['half a surrogate pair', { to, content: { body: '\ud800' } }, ['$.content.body']],
    ['an undecodable user', { to: [{ userId: 'comms_x' }], content }, ['$.to[0].userId']],
    [
      'a variable that is no string',
      { to: [{ ...to[0], variables: { 'first name': 1 } }], content },
      ["$.to[0].variables['first name']"],
    ],
    [
      'more than 100 variables',
      {
        to: [
          { ...to[0], variables: Object.fromEntries([...Array(101).keys()].map((k) => [k, ''])) },
        ],
        content,
      },
      ['$.to[0].variables'],
    ],
    [
      'more than 32 KB of variables',
      { to: [{ ...to[0], variables: { a: 'é'.repeat(16_384) } }], content },
      ['$.to[0].variables'],
    ],
    ['no content in content', { to, content: {} }, ['$.content.body']],
    ['a title alone', { to, content: { title: 'T' } }, ['$.content.body']],
    ['empty data alone', { to, content: { data: {} } }, ['$.content.body']],
    ['data that is no string', { to, content: { data: { a: 1 } } }, ['$.content.data.a']],
    ['a reserved data key', { to, content: { data: { from: '' } } }, ['$.content.data.from']],
    ['a reserved data prefix', { to, content: { data: { gcmX: '' } } }, ['$.content.data.gcmX']],
    [
      'a title that does not parse',
      { to, content: { title: '{{', body: 'B' } },
      ['$.content.title'],
    ],
    ['a body that does not parse', { to, content: { body: '{% nope %}' } }, ['$.content.body']],
    ['data that does not parse', { to, content: { data: { k: '{{' } } }, ['$.content.data.k']],
    ['a wrong priority', { to, content, priority: 'high' }, ['$.priority']],
    ['a negative ttl', { to, content, ttlSeconds: -1 }, ['$.ttlSeconds']],
    ['a ttl over 28 days', { to, content, ttlSeconds: 2_419_201 }, ['$.ttlSeconds']],
    ['a fractional ttl', { to, content, ttlSeconds: 1.5 }, ['$.ttlSeconds']],
    [
      'a collapse key over 64 bytes',
      { to, content, collapseKey: 'é'.repeat(33) },
      ['$.collapseKey'],
    ],
    ['a from that names nothing', { to, content, from: {} }, ['$.from']],
    ['a from of both kinds', { to, content, from: { fcm: UNKNOWN, appName: 'shop' } }, ['$.from']],
    ['an undecodable credential', { to, content, from: { fcm: 'nope' } }, ['$.from.fcm']],
    ['an unknown credential', { to, content, from: { fcm: UNKNOWN } }, ['$.from.fcm']],
    ['an unknown App', { to, content, from: { appName: 'nope' } }, ['$.from.appName']],
    ['a malformed App', { to, content, from: { appName: 'No!' } }, ['$.from.appName']],
  ];

  it.each(cases)('%s → 400', async (_, body, expected) => {
    expect(contexts(await refused(body))).toEqual(expected);
  });

  it('10,001 recipients → 400, told before any is looked at', async () => {
    const many = Array.from({ length: 10_001 }, () => ({ nonsense: true }));
    const answer = await refused({ to: many, content });
    expect(contexts(answer)).toEqual(['$.to']);
  });

  it('names 100 faults of 10,000 bad recipients', async () => {
    const bad = Array.from({ length: 10_000 }, () => ({ token: 5, provider: 'x' }));
    const places = contexts(await refused({ to: bad, content }));
    expect(places).toHaveLength(100);
    // As much of the list is checked as the answer can name.
    expect(places.slice(0, 3)).toEqual(['$.to[0].token', '$.to[0].provider', '$.to[1].token']);
  });

  // A tenth of a millisecond each on an idle machine; what would look at all of it takes far longer.
  it.each<[string, (at: number) => unknown, object]>([
    ['of wrong types', () => ({ token: 5, provider: 'x' }), {}],
    ['that are none', () => null, {}],
    ['with unknown fields', (at) => ({ token: 't', provider: 'FCM', [`x${at}`]: 1 }), {}],
    ['of undecodable users', (at) => ({ userId: `comms_${at}` }), {}],
    ['with bad variables', () => ({ ...to[0], variables: { a: 1 } }), {}],
    [
      'whose tags come out wrong',
      () => ({ ...to[0], variables: { a: ' ' } }),
      { tags: { a: '{{ a }}' } },
    ],
  ])('10,000 bad recipients %s are answered in bounded time', async (_, recipient, more) => {
    const bad = Array.from({ length: 10_000 }, (_, at) => recipient(at));
    const begin = performance.now();
    const places = contexts(await refused({ to: bad, content, ...more }));
    expect(performance.now() - begin).toBeLessThan(5_000);
    expect(places).toHaveLength(100);
    expect(places.every((place) => place.startsWith('$.to['))).toBe(true);
  });

  it('10,000 recipients of slow tags cost a request little that is refused for something else', async () => {
    // A millisecond or so each: all of them would take longer than the five seconds that a good send may.
    const slow = '{% for a in (1..2000) %}{% assign b = a | plus: a %}{% endfor %}ok';
    const many = Array.from({ length: 10_000 }, () => to[0]);
    const sent = { to: many, content, tags: { slow } };
    const tooLong = await refused(sent);
    expect(tooLong.body.errors).toEqual([
      expect.objectContaining({ context: '$.tags', message: 'The tags take too long to render.' }),
    ]);
    for (const [more, place] of [
      [{ a: 1 }, '$.a'],
      [{ content: { body: '{{' } }, '$.content.body'],
    ] as const) {
      const begin = performance.now();
      expect(contexts(await refused({ ...sent, ...more }))).toEqual([place]);
      expect(performance.now() - begin).toBeLessThan(2_500);
    }
  });

  it('says where a template breaks', async () => {
    const answer = await refused({ to, content: { body: 'one\ntwo {{ name' } });
    expect(answer.body.errors[0].message).toMatch(/line 2, column 5/);
  });

  it('a credential of the wrong type → 400', async () => {
    const answer = await refused({ to, content, from: { fcm: apn } });
    expect(contexts(answer)).toEqual(['$.from.fcm']);
  });

  it('credentials of two Apps → 400', async () => {
    const answer = await refused({ to, content, from: { fcm, apn: otherApp } });
    expect(contexts(answer)).toEqual(['$.from']);
  });

  it('no credential for a provider that to needs → 400', async () => {
    const both = [...to, { token: 't', provider: 'APN' }];
    expect(contexts(await refused({ to: both, content, from: { fcm } }))).toEqual(['$.from']);
    expect(contexts(await refused({ to, content, from: { appName: 'other' } }))).toEqual([
      '$.from',
    ]);
  });

  it('no default App yet → 400', async () => {
    const stranger = await gateway.otherAccount();
    const answer = await stranger.post('/v1/PushNotifications', { to, content });
    expect(answer.status).toBe(400);
    expect(contexts(answer)).toEqual(['$.from']);
  });

  it('query parameters → 400', async () => {
    const answer = await client.post(
      '/v1/PushNotifications',
      { to, content },
      { query: { dry: '1' } },
    );
    expect(answer.status).toBe(400);
    expect(contexts(answer)).toEqual(['$.dry']);
  });
});

describe('a request that breaks the contract in several places', () => {
  it('hears of body, query and header at once', async () => {
    const query = { dry: '1' };
    const headers = { 'idempotency-key': 'x'.repeat(256) };
    const sent = await client.post('/v1/PushNotifications', { to, a: 1 }, { query, headers });
    expect(sent.status).toBe(400);
    expect(contexts(sent)).toEqual(['$.content', '$.a', '$.dry', "$['Idempotency-Key']"]);
    const patched = await client.patch('Apps/shop', { isDefault: 'x' }, { query });
    expect(contexts(patched)).toEqual(['$.isDefault', '$.dry']);
    const deleted = await client.delete(`Credentials/${fcm}`, { query, body: { b: 1 } });
    expect(contexts(deleted)).toEqual(['$.b', '$.dry']);
  });

  it.each(['/v1/PushNotifications', 'Preflight'])(
    '%s: beside wrong types also of rules',
    async (path) => {
      const answer = await client.post(path, {
        to: 'x',
        content: { body: '{{' },
        tags: { a: '{% b' },
        schedule: { sendAt: '2020-01-01T00:00:00Z' },
        overrides: { fcm: { topic: 'all' } },
      });
      expect(answer.status).toBe(400);
      expect(contexts(answer)).toEqual([
        '$.to',
        '$.content.body',
        '$.tags.a',
        '$.schedule.sendAt',
        '$.overrides.fcm.topic',
      ]);
      // Field by field, where a part breaks the schema itself.
      const broken = { content: { title: '{{', body: 5 }, badge: -1 };
      expect(contexts(await client.post(path, { to, ...broken }))).toEqual([
        '$.content.body',
        '$.badge',
        '$.content.title',
      ]);
    },
  );

  // Written by hand: JSON.stringify itself ends in a RangeError.
  const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`;
  it.each([
    ['data', `{"content":{"body":"B","data":${deep}}}`, ['$.to', '$.content.data']],
    [
      'an entry of data',
      `{"content":{"body":"B","data":{"a":${deep}}}}`,
      ['$.to', '$.content.data.a'],
    ],
    ['a title', `{"to":[],"content":{"body":"B","title":${deep}}}`, ['$.to', '$.content.title']],
    ['a recipient', `{"to":[${deep}],"content":{"body":"B"}}`, ['$.to[0]']],
    [
      'a variable',
      `{"to":[{"token":"t","provider":"FCM","variables":{"a":${deep}}}],"content":{"body":"B"}}`,
      ['$.to[0].variables.a'],
    ],
    ['tags', `{"to":[],"content":{"body":"B"},"tags":{"a":${deep}}}`, ['$.to', '$.tags.a']],
    [
      'schedule',
      `{"to":[],"content":{"body":"B"},"schedule":{"sendAt":${deep}}}`,
      ['$.to', '$.schedule.sendAt[0]'],
    ],
    [
      'overrides',
      `{"to":[],"content":{"body":"B"},"overrides":{"apn":{"headers":{"a":${deep}},"payload":{"a":${deep}}},"fcm":{"data":{"a":${deep}}}}}`,
      [
        '$.to',
        '$.overrides.fcm',
        '$.overrides.apn.headers.a',
        '$.overrides.apn.payload',
        '$.overrides.fcm.data.a',
      ],
    ],
  ])('with a nesting of 10,000 in %s is told as any other fault', async (_, body, expected) => {
    for (const path of ['/v1/PushNotifications', 'Preflight']) {
      const answer = await client.post(path, body, { headers: { 'idempotency-key': 'deep' } });
      expect([answer.status, contexts(answer)]).toEqual([400, expected]);
    }
  });

  it('hears of each fault once, of at most a hundred', async () => {
    const bad = Array.from({ length: 100 }, () => ({ token: 5, provider: 'FCM' }));
    const answer = await client.post('Preflight', { to: bad }, { query: { a: '', b: '' } });
    expect(contexts(answer)).toHaveLength(100);
    expect(new Set(contexts(answer)).size).toBe(100);
  });
});

describe('a body that cannot be read', () => {
  it('never quotes what was sent', async () => {
    const answer = await refused('{"to": [{"token": "secret-token" "provider"');
    expect(JSON.stringify(answer.body)).not.toContain('secret');
    expect(answer.body.message).toBe('The body is not valid JSON.');
  });

  it('could pollute a prototype → 400', async () => {
    const body = '{"to": [], "content": {"data": {"__proto__": {"x": 1}}}}';
    expect(contexts(await refused(body))).toEqual(['$']);
  });

  it('over 10 MB → 413, with its length and without', async () => {
    const body = Buffer.alloc(11 * 1024 * 1024, 0x20);
    const known = await client.post('/v1/PushNotifications', body);
    expect(known.status).toBe(413);
    expect(ErrorBody.parse(known.body)).toMatchObject({ code: 20413, status: 413, errors: [] });
    expect(await postChunked(body)).toMatch(/^HTTP\/1.1 413 /);
  });

  it('of another media type → 415', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml']) {
      const answer = await client.post('/v1/PushNotifications', 'to=x', {
        headers: { 'content-type': type },
      });
      expect(answer.status).toBe(415);
      expect(ErrorBody.parse(answer.body).code).toBe(20415);
    }
  });
});

/** The head of the answer; fetch has no way to send a body of unknown length in one piece. */
function postChunked(body: Buffer): Promise<string> {
  const { port } = new URL(gateway.origin);
  const authorization = Buffer.from(`${client.sid}:${client.token}`).toString('base64');
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), '127.0.0.1', () => {
      socket.write(
        'POST /v1/PushNotifications HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n' +
          `authorization: Basic ${authorization}\r\ntransfer-encoding: chunked\r\n\r\n` +
          `${body.length.toString(16)}\r\n`,
      );
      socket.write(body);
    });
    socket.once('data', (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

describe('a credential', () => {
  const create = (body: object) => client.post('Credentials', { appName: 'shop', ...body });
  const pem = (text: string) => Buffer.from(text).toString('base64');

  it.each<[string, () => object, string[]]>([
    [
      'FCM: not base64',
      () => ({ credentialType: 'FCM', content: { privateKey: '!' } }),
      ['$.content.privateKey'],
    ],
    [
      'FCM: not JSON',
      () => ({ credentialType: 'FCM', content: { privateKey: pem('x') } }),
      ['$.content.privateKey'],
    ],
    [
      'FCM: another type’s content',
      () => ({ credentialType: 'FCM', content: apnContent() }),
      [
        '$.content.privateKey',
        '$.content.signingKey',
        '$.content.keyId',
        '$.content.teamId',
        '$.content.topic',
      ],
    ],
    [
      'APN: not a key',
      () => ({ credentialType: 'APN', content: { ...apnContent(), signingKey: pem('x') } }),
      ['$.content.signingKey'],
    ],
    [
      'APN: no topic',
      () => ({ credentialType: 'APN', content: { ...apnContent(), topic: undefined } }),
      ['$.content.topic'],
    ],
    [
      'APN: bad ids',
      () => ({
        credentialType: 'APN_SANDBOX',
        content: { ...apnContent(), keyId: 'x', teamId: 'y' },
      }),
      ['$.content.keyId', '$.content.teamId'],
    ],
    [
      'APN: not a certificate',
      () => ({ credentialType: 'APN', content: { certificate: pem('x'), privateKey: pem('y') } }),
      ['$.content.certificate', '$.content.privateKey'],
    ],
    [
      'unknown type',
      () => ({ credentialType: 'HMS', content: fcmContent() }),
      ['$.credentialType'],
    ],
    ['no content', () => ({ credentialType: 'FCM' }), ['$.content']],
    [
      'bad App name',
      () => ({ credentialType: 'FCM', content: fcmContent(), appName: 'A b' }),
      ['$.appName'],
    ],
    ['unknown field', () => ({ credentialType: 'FCM', content: fcmContent(), x: 1 }), ['$.x']],
  ])('%s → 400', async (_, body, expected) => {
    const answer = await create(body());
    expect(answer.status).toBe(400);
    expect(contexts(answer)).toEqual(expected);
  });

  it('is never repeated in the answer', async () => {
    const secret = pem('-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----');
    const answer = await create({ credentialType: 'FCM', content: { privateKey: secret } });
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body)).not.toContain(secret);
  });
});

describe('a caller', () => {
  const header = (text: string) => ({
    authorization: `Basic ${Buffer.from(text).toString('base64')}`,
  });

  it.each([
    ['no header', () => ({ authorization: '' })],
    ['another scheme', () => ({ authorization: 'Bearer x' })],
    ['not base64', () => ({ authorization: 'Basic %%%' })],
    ['no colon', () => header(client.sid)],
    ['an unknown account', () => header(`AC${'0'.repeat(32)}:${client.token}`)],
    ['a malformed account', () => header(`nope:${client.token}`)],
    ['a wrong token', () => header(`${client.sid}:${client.token}x`)],
    ['no token', () => header(`${client.sid}:`)],
  ])('with %s → 401', async (_, headers) => {
    const answer = await client.get('Operations', { headers: headers() });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic /);
    expect(ErrorBody.parse(answer.body)).toMatchObject({ code: 20003, status: 401 });
  });

  it('is told 401 before the body is read', async () => {
    const answer = await client.post('/v1/PushNotifications', '{malformed', {
      headers: header(`${client.sid}:wrong`),
    });
    expect(answer.status).toBe(401);
  });

  it('gets its own sane X-Request-Id back, else a new one, on failures too', async () => {
    const ask = async (id: string) =>
      (await client.get('nope', { headers: { 'x-request-id': id } })).headers.get('x-request-id');
    expect(await ask('job-7/a:b')).toBe('job-7/a:b');
    expect(await ask('no spaces please')).toMatch(/^[0-9a-f-]{36}$/);
    expect(await ask('x'.repeat(200))).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('a path', () => {
  it.each([
    '/v1/PushNotifications/nope',
    '/v1/PushNotifications/%00',
    '/v1/PushNotifications/%zz',
    `/v1/PushNotifications/comms_pushnotification_${'0'.repeat(5_000)}`,
    '/v1/PushNotifications/comms_pushnotification_01H2XCEJQTF2NBREXX3VQJHP41',
    '/v1/PushNotifications/comms_operation_01h2xcejqtf2nbrexx3vqjhp41',
    '/v1/PushNotifications/Operations/nope',
    '/v1/PushNotifications/Operations/comms_operation_81h2xcejqtf2nbrexx3vqjhp41',
    '/v1/PushNotifications/Credentials/nope',
    '/v1/PushNotifications/Apps/nope',
    '/v1/PushNotifications/Apps/No!',
    `/v1/PushNotifications/Apps/${'a'.repeat(5_000)}`,
    '/v1/PushNotifications/Users/nope',
    '/v1/PushNotifications/DeviceRegistrations/nope',
    '/v1/ApiKeys/nope',
    '/v1/Nothing',
    '/',
  ])('%s → 404', async (path) => {
    // fetch would mend some of them.
    const answer = await rawGet(path);
    expect(answer.status).toBe(404);
    expect(ErrorBody.parse(answer.body)).toMatchObject({ code: 20404, status: 404, errors: [] });
    expect(answer.headers.get('x-request-id')).toBeTruthy();
  });

  it('of an unknown method → 404', async () => {
    const answer = await read(
      await fetch(`${gateway.origin}/v1/PushNotifications`, { method: 'PATCH' }),
      'PATCH',
    );
    expect(answer.status).toBe(404);
    expect(ErrorBody.parse(answer.body).code).toBe(20404);
  });

  it('with query parameters that nobody knows → 400', async () => {
    for (const path of [`Credentials/${fcm}`, 'Operations', '/v1/PushNotifications']) {
      const answer = await client.get(path, { query: { foo: '1' } });
      expect(answer.status).toBe(400);
      expect(contexts(answer)).toEqual(['$.foo']);
    }
  });
});

async function rawGet(path: string): Promise<Answer> {
  const { port } = new URL(gateway.origin);
  const authorization = Buffer.from(`${client.sid}:${client.token}`).toString('base64');
  return rawRequest(
    Number(port),
    `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Basic ${authorization}\r\nconnection: close\r\n\r\n`,
  );
}

/** Sends bytes as they are and reads the answer to its end. */
function rawRequest(port: number, request: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = net.connect(port, '127.0.0.1', () => socket.write(request));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('end', () => {
      const [head = '', body = ''] = Buffer.concat(chunks).toString().split('\r\n\r\n');
      const [line = '', ...headers] = head.split('\r\n');
      resolve({
        status: Number(line.split(' ')[1]),
        headers: new Headers(headers.map((header) => header.split(': ') as [string, string])),
        body: JSON.parse(body),
      });
    });
  });
}

describe('what is not HTTP', () => {
  it('is answered in the contract’s form', async () => {
    const port = Number(new URL(gateway.origin).port);
    const garbage = await rawRequest(port, 'NONSENSE\r\n\r\n');
    expect(garbage.status).toBe(400);
    expect(ErrorBody.parse(garbage.body)).toMatchObject({ code: 70002, status: 400 });
    const long = (characters: number) =>
      rawRequest(
        port,
        `GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-long: ${'x'.repeat(characters)}\r\n\r\n`,
      );
    expect((await long(WORK_LIMITS.headerBytes - 100)).status).toBe(404);
    const overflow = await long(WORK_LIMITS.headerBytes);
    expect(overflow.status).toBe(431);
    expect(ErrorBody.parse(overflow.body)).toMatchObject({ code: 20431, status: 431 });
  });
});
