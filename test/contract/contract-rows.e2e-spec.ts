import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FAILURES, formatId, newId, parseId } from '@app/domain';
import { Store } from '../../libs/persistence/src/testing.js';
import type { Json } from '../../scripts/types.js';
import { ENDPOINTS } from './documented.js';
import { apnContent, clientOf, fcmContent, startGateway, storeCredential } from './gateway.js';
import type { Answer, Call, Client, Gateway } from './gateway.js';
import { expectAccepted, expectRefused, register } from './resources.js';

/**
 * The contract row by row, in its own order and words: what a caller reads there is tried here through HTTP, and
 * every answer is held against openapi.json on its way. The suites beside this one go deeper into each.
 */

let gateway: Gateway;
/** An account with an App `shop` that has a credential for each provider. */
let client: Client;
let stranger: Client;
let store: Store;
/** One of each kind, by path parameter. */
const ids: Record<string, string> = {};
let fcm: string;
let apn: string;

beforeAll(async () => {
  gateway = await startGateway({ env: { CREDENTIAL_CHECK_TIMEOUT_MS: '100' } });
  client = gateway.client;
  stranger = await gateway.otherAccount();
  store = new Store(gateway.database.appUrl, { poolSize: 3 });
  fcm = await storeCredential(client, 'FCM');
  apn = await storeCredential(client, 'APN');
  const { id, userId } = await register(client);
  const key = await client.post('/v1/ApiKeys', { name: 'k', scopes: ['read'] });
  const operationId = await send({ to: [1, 2, 3].map((n) => token(`t${n}`)) });
  await settle(operationId, [0, 1], true);
  const [pushNotificationId] = await pushIds(operationId, 'FAILED');
  Object.assign(ids, {
    operationId,
    pushNotificationId,
    credentialId: fcm,
    deviceRegistrationId: id,
    userId,
    appName: 'shop',
    apiKeyId: key.body.id,
  });
});

afterAll(async () => {
  await store?.db.close();
  await gateway?.stop();
});

const SEND = '/v1/PushNotifications';
const content = { body: 'B' };
const token = (name = 't', provider = 'FCM', more: object = {}) => ({
  token: name,
  provider,
  ...more,
});
const post = (over: object, by = client, call: Call = {}) =>
  by.post(SEND, { to: [token()], content, ...over }, call);
const list = async (query: Record<string, string>, path = SEND) => {
  const { status, body } = await client.get(path, { query });
  expect([status, body]).toEqual([200, body]);
  return body;
};

async function send(over: object = {}, by = client): Promise<string> {
  const { status, body } = await post(over, by);
  expect([status, body]).toEqual([202, body]);
  return body.operationId;
}

const refused = async (over: object, status = 400) => expectRefused(await post(over), status);

async function pushIds(operationId: string, status?: string): Promise<string[]> {
  const query = { operationId, pageSize: '1000', ...(status === undefined ? {} : { status }) };
  return (await list(query)).pushNotifications.map(({ id }: Json) => id).reverse();
}

/** The only push of a send. */
async function pushOf(over: object): Promise<Json> {
  const [id] = await pushIds(await send(over));
  return (await client.get(id!)).body;
}

/** Stands in for a worker. */
async function settle(operationId: string, places: readonly number[], failing: boolean) {
  await store.dispatchAll('small');
  const all = await store.idsOf(parseId('operation', operationId)!);
  await store.settle(await store.claim(places.map((at) => all[at]!)), failing);
}

type Row = [row: string, check: () => unknown];
const rows = (section: string, table: readonly Row[]) =>
  describe(section, () => {
    it.each(table)('%s', async (_, check) => {
      await check();
    });
  });

/** Every place below, as `path: value`. */
function leaves(value: Json, path = ''): [string, Json][] {
  if (typeof value !== 'object' || value === null) return [[path, value]];
  return Object.entries<Json>(value).flatMap(([key, each]) => leaves(each, `${path}.${key}`));
}

/** Where no other request is in order. */
const queryOf = (operationId: string): Record<string, string> =>
  operationId === 'listDeviceRegistrations' ? { userId: ids.userId! } : {};

/** What each list and each resource answers. */
async function everyAnswer(): Promise<Json[]> {
  const asked = ENDPOINTS.filter(({ method, path }) => method === 'GET' && path.startsWith('/v1/'));
  const answers: Json[] = [];
  for (const { path, operation } of asked) {
    const url = path.replace(/\{(\w+)\}/, (_, name) => ids[name]!);
    const { status, body } = await client.get(url, { query: queryOf(operation.operationId) });
    expect([path, status]).toEqual([path, 200]);
    answers.push(body);
  }
  return answers;
}

rows('1. Basics', [
  [
    'camelCase fields, UPPER_CASE enum values, RFC 3339 UTC timestamps',
    async () => {
      const all = (await everyAnswer()).flatMap((body) => leaves(body));
      const ours = all.filter(([path]) => !/\.(tags|variables|data)\./.test(path));
      for (const [path] of ours) {
        for (const name of path.split('.').slice(1)) expect(name).toMatch(/^([a-z][A-Za-z]*|\d+)$/);
      }
      const ofName = (name: RegExp) => ours.filter(([path, value]) => name.test(path) && value);
      const instants = ofName(/\.(\w+At|scheduledFor)$/);
      expect(instants.length).toBeGreaterThan(10);
      for (const [, value] of instants) expect(value).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      const enums = ofName(/\.(status|priority|provider|credentialType)$/);
      expect(enums.length).toBeGreaterThan(10);
      for (const [, value] of enums) expect(value).toMatch(/^[A-Z][A-Z_]*$/);
    },
  ],
  [
    'Basic auth: account id and auth token, or API key and its secret; else 401 with WWW-Authenticate',
    async () => {
      const { body } = await client.post('/v1/ApiKeys', { name: 'k', scopes: ['read'] });
      const key = clientOf(gateway.origin, body.id, body.secret);
      expect((await key.get('Apps')).status).toBe(200);
      for (const by of [
        clientOf(gateway.origin, client.sid, body.secret),
        clientOf(gateway.origin, body.id, client.token),
      ]) {
        const { status, headers } = await by.get('Apps');
        expect([status, headers.get('www-authenticate')?.split(' ')[0]]).toEqual([401, 'Basic']);
      }
      // Without the scope.
      expectRefused(await post({}, key), 403);
    },
  ],
  [
    'a malformed, over-long or undecodable id is an unknown one: 404 in a path, 400 in a body',
    async () => {
      const bad = ['nope', `${fcm}${'0'.repeat(9)}`, fcm.toUpperCase(), fcm.replace('l_', 'l_8')];
      for (const id of bad) {
        expectRefused(await client.get(`Credentials/${id}`), 404);
        expect(await refused({ from: { fcm: id } })).toEqual(['$.from.fcm']);
      }
    },
  ],
  [
    "another account's id answers 404, exactly like an unknown one",
    async () => {
      const foreign = await stranger.get(`Credentials/${fcm}`);
      const unknown = await stranger.get(`Credentials/${formatId('credential', newId())}`);
      expectRefused(foreign, 404);
      expect(foreign.body).toEqual(unknown.body);
    },
  ],
  [
    'unknown body fields and unknown query parameters → 400 that names them',
    async () => {
      const answer = await post({ colour: 'red' }, client, { query: { dry: '1' } });
      expect(expectRefused(answer, 400)).toEqual(['$.colour', '$.dry']);
    },
  ],
  [
    'a body over 10 MB → 413; a JSON syntax error → 400',
    async () => {
      const large = await client.post(SEND, Buffer.alloc(10 * 1024 * 1024 + 1, 0x20));
      expect([large.status, large.body.code]).toEqual([413, 20413]);
      expect(expectRefused(await client.post(SEND, '{"to":'), 400)).toEqual(['$']);
    },
  ],
  [
    'absolute URLs lead to the resource',
    async () => {
      const { operationLocation } = (await post({})).body;
      const { pathname } = new URL(operationLocation);
      expect((await client.get(pathname)).status).toBe(200);
    },
  ],
  [
    'ids have the patterns that a client may rely on',
    () => {
      const patterns: Record<string, RegExp> = {
        operationId: /^comms_operation_[0-7][a-hjkmnpqrstv-z0-9]{25,34}/,
        pushNotificationId: /^comms_pushnotification_[0-7][a-hjkmnpqrstv-z0-9]{25,34}/,
        userId: /^comms_pushnotificationuser_[0-7][a-hjkmnpqrstv-z0-9]{25,34}/,
        credentialId: /^comms_credential_[a-hjkmnpqrstv-z0-9]{26,34}/,
        deviceRegistrationId: /^comms_device_registration_[a-hjkmnpqrstv-z0-9]{26,34}$/,
        appName: /^[a-z0-9_]+$/,
        apiKeyId: /^SK[0-9a-f]{32}$/,
      };
      expect(Object.keys(patterns).sort()).toEqual(Object.keys(ids).sort());
      for (const [name, pattern] of Object.entries(patterns)) expect(ids[name]).toMatch(pattern);
    },
  ],
]);

const PAGING = ['pageToken', 'pageSize'];
const DATES = ['startDate', 'endDate'];
const ACCEPTED = ['resourceId', 'resourceLocation'];
const INSIDE = '/v1/PushNotifications';

/** Method, path, query parameters, whether it takes a body, status and members of the answer to a good request. */
type EndpointRow = [
  row: string,
  method: string,
  path: string,
  query: string[],
  body: (() => object) | null,
  status: number,
  members: string[],
];

const credential = () => ({ appName: 'more', credentialType: 'APN', content: apnContent() });
const PUSH_QUERY = ['operationId', 'status', 'tags', 'user', 'provider', 'errorCode'];

// In this order each finds what it needs: what ends something comes last.
const ROWS: EndpointRow[] = [
  [
    '1 send',
    'POST',
    INSIDE,
    [],
    () => ({ to: [token()], content }),
    202,
    ['operationId', 'operationLocation'],
  ],
  [
    '2 list pushes',
    'GET',
    INSIDE,
    [...PUSH_QUERY, ...DATES, ...PAGING],
    null,
    200,
    ['pushNotifications', 'pagination'],
  ],
  [
    '3 fetch a push, with content',
    'GET',
    `${INSIDE}/{pushNotificationId}`,
    [],
    null,
    200,
    [
      ...[
        'id',
        'operationId',
        'to',
        'from',
        'status',
        'priority',
        'sound',
        'createdAt',
        'updatedAt',
      ],
      ...['content', 'tags', 'scheduledFor', 'attempts', 'providerMessageId', 'error', 'timeline'],
    ],
  ],
  [
    '4 list operations',
    'GET',
    `${INSIDE}/Operations`,
    ['status', ...DATES, ...PAGING],
    null,
    200,
    ['operations', 'pagination'],
  ],
  [
    '5 fetch an operation',
    'GET',
    `${INSIDE}/Operations/{operationId}`,
    [],
    null,
    200,
    [
      ...['id', 'status', 'stats', 'createdAt', 'updatedAt'],
      ...['tags', 'scheduledFor', 'completedAt'],
    ],
  ],
  [
    '6 register a device',
    'POST',
    `${INSIDE}/DeviceRegistrations`,
    [],
    () => ({ appName: 'shop', token: 'row 6', provider: 'FCM' }),
    202,
    ACCEPTED,
  ],
  [
    '7 list registrations, of a user',
    'GET',
    `${INSIDE}/DeviceRegistrations`,
    ['userId', 'appName', ...PAGING],
    null,
    200,
    ['deviceRegistrations', 'pagination'],
  ],
  [
    '8 fetch a registration',
    'GET',
    `${INSIDE}/DeviceRegistrations/{deviceRegistrationId}`,
    [],
    null,
    200,
    ['id', 'appName', 'userId', 'devices', 'related'],
  ],
  ['10 store a credential', 'POST', `${INSIDE}/Credentials`, [], credential, 202, ACCEPTED],
  [
    '11 list credentials',
    'GET',
    `${INSIDE}/Credentials`,
    [...DATES, 'appName', 'credentialType', 'isDefault', ...PAGING],
    null,
    200,
    ['credentials', 'pagination'],
  ],
  [
    '12 fetch a credential, never the secret',
    'GET',
    `${INSIDE}/Credentials/{credentialId}`,
    [],
    null,
    200,
    [
      ...['id', 'credentialType', 'isDefault', 'appName', 'createdAt', 'updatedAt'],
      ...['fingerprint', 'expiresAt', 'status', 'statusReason'],
    ],
  ],
  [
    '13 make a credential the default',
    'PATCH',
    `${INSIDE}/Credentials/{credentialId}`,
    [],
    () => ({ isDefault: true }),
    202,
    ACCEPTED,
  ],
  [
    '15 list Apps',
    'GET',
    `${INSIDE}/Apps`,
    [...DATES, 'isDefault', ...PAGING],
    null,
    200,
    ['apps', 'pagination'],
  ],
  [
    '16 fetch an App',
    'GET',
    `${INSIDE}/Apps/{appName}`,
    [],
    null,
    200,
    ['name', 'isDefault', 'defaultCredentials', 'createdAt', 'updatedAt'],
  ],
  [
    '17 make an App the default',
    'PATCH',
    `${INSIDE}/Apps/{appName}`,
    [],
    () => ({ isDefault: true }),
    202,
    ACCEPTED,
  ],
  ['18 list users', 'GET', `${INSIDE}/Users`, PAGING, null, 200, ['users', 'pagination']],
  [
    '19 fetch a user',
    'GET',
    `${INSIDE}/Users/{userId}`,
    [],
    null,
    200,
    ['id', 'createdAt', 'updatedAt', 'deletedAt'],
  ],
  [
    'X3 errors of an operation',
    'GET',
    `${INSIDE}/Operations/{operationId}/Errors`,
    PAGING,
    null,
    200,
    ['errors', 'pagination'],
  ],
  ['X4 redrive a push', 'POST', `${INSIDE}/{pushNotificationId}/Redrive`, [], null, 202, ACCEPTED],
  [
    'X4 redrive an operation',
    'POST',
    `${INSIDE}/Operations/{operationId}/Redrive`,
    [],
    null,
    202,
    ACCEPTED,
  ],
  [
    'X5 preflight',
    'POST',
    `${INSIDE}/Preflight`,
    [],
    () => ({ to: [token()], content }),
    200,
    ['checked', 'recipients', 'errors'],
  ],
  [
    'X6 make an API key, with the secret once',
    'POST',
    '/v1/ApiKeys',
    [],
    () => ({ name: 'x6', scopes: ['read'] }),
    201,
    ['id', 'name', 'scopes', 'createdAt', 'secret'],
  ],
  ['X6 list API keys', 'GET', '/v1/ApiKeys', PAGING, null, 200, ['apiKeys', 'pagination']],
  [
    'X6 fetch an API key',
    'GET',
    '/v1/ApiKeys/{apiKeyId}',
    [],
    null,
    200,
    ['id', 'name', 'scopes', 'createdAt'],
  ],
  [
    'X7 rotate a secret in place',
    'PUT',
    `${INSIDE}/Credentials/{credentialId}/Content`,
    [],
    fcmContent,
    202,
    ACCEPTED,
  ],
  // Without a worker nobody can say; test/e2e/credentials-are-checked has one.
  [
    'X8 check a credential',
    'POST',
    `${INSIDE}/Credentials/{credentialId}/Check`,
    [],
    null,
    503,
    ['code', 'message', 'status', 'errors'],
  ],
  ['X2 cancel a push', 'DELETE', `${INSIDE}/{pushNotificationId}`, [], null, 202, ACCEPTED],
  [
    'X1 cancel an operation',
    'DELETE',
    `${INSIDE}/Operations/{operationId}`,
    [],
    null,
    202,
    ACCEPTED,
  ],
  [
    '9 delete a registration',
    'DELETE',
    `${INSIDE}/DeviceRegistrations/{deviceRegistrationId}`,
    [],
    null,
    202,
    ACCEPTED,
  ],
  ['20 delete a user', 'DELETE', `${INSIDE}/Users/{userId}`, [], null, 202, ACCEPTED],
  [
    '14 delete a credential',
    'DELETE',
    `${INSIDE}/Credentials/{credentialId}`,
    [],
    null,
    202,
    ACCEPTED,
  ],
  ['X6 revoke an API key', 'DELETE', '/v1/ApiKeys/{apiKeyId}', [], null, 202, ACCEPTED],
  ['health, live', 'GET', '/health/live', [], null, 200, ['status', 'checks']],
  ['health, ready', 'GET', '/health/ready', [], null, 200, ['status', 'checks']],
];

rows('3. Send', [
  [
    '`to`: 1–10,000 recipients, FCM and APN mixed, tokens and users, each with variables',
    async () => {
      const to = [
        token('a', 'FCM', { variables: { name: 'Ada' } }),
        token('a', 'APN'),
        { userId: ids.userId, variables: { name: 'Bob' } },
      ];
      const pushes = (await list({ operationId: await send({ to }) })).pushNotifications;
      const seen = pushes.map(({ to: { provider, variables } }: Json) => [
        provider,
        variables?.name,
      ]);
      expect(seen.sort()).toEqual([
        ['APN', undefined],
        ['FCM', 'Ada'],
        ['FCM', 'Bob'],
      ]);
      expect(await refused({ to: [] })).toEqual(['$.to']);
    },
  ],
  [
    'a token is opaque: its form is never checked',
    async () => {
      for (const odd of [' ', '../..', 'é'.repeat(4_096), '{{', '%00']) {
        const push = await pushOf({ to: [token(odd)] });
        expect(push.to).toEqual({ token: odd, provider: 'FCM' });
      }
    },
  ],
  [
    '`content`: a body may be left out when data is given',
    async () => {
      expect((await pushOf({ content: { data: { a: 'b' } } })).content).toEqual({
        data: { a: 'b' },
      });
      expect(await refused({ content: { data: {} } })).toEqual(['$.content.body']);
    },
  ],
  [
    'a data-only push takes nothing that it cannot show',
    async () => {
      const data = { a: 'b' };
      const imageUrl = 'https://a.example/x.png';
      const unseen = { content: { data, imageUrl }, sound: 'ding', badge: 0 };
      const expected = ['$.content.imageUrl', '$.sound', '$.badge'];
      expect(await refused(unseen)).toEqual(expected);
      const { body } = await client.post(`${INSIDE}/Preflight`, { to: [token()], ...unseen });
      expect(body.errors.map(({ context }: Json) => context)).toEqual(expected);
      const push = await pushOf({ content: { data }, sound: null });
      expect(push).toMatchObject({ content: { data }, sound: null });
      const seen = { content: { title: 'T', data, imageUrl }, sound: 'ding', badge: 0 };
      expect((await pushOf(seen)).content).toEqual(seen.content);
    },
  ],
  [
    '`imageUrl` is https; keys of `data` may not be from, message_type, nor start with google, gcm or aps',
    async () => {
      const keys = ['from', 'message_type', 'google.a', 'gcm', 'aps', 'aps2'];
      const data = Object.fromEntries([...keys, 'from2', 'xaps'].map((key) => [key, 'v']));
      expect(
        await refused({ content: { ...content, imageUrl: 'http://a.example', data } }),
      ).toEqual([
        ...keys.map((key) =>
          key.includes('.') ? `$.content.data['${key}']` : `$.content.data.${key}`,
        ),
        '$.content.imageUrl',
      ]);
      await send({ content: { data: { from2: 'v', xaps: 'v' } } });
    },
  ],
  [
    '`from`: credentials by id, or an App; left out: the default App; nothing is mixed',
    async () => {
      const other = await storeCredential(client, 'FCM', 'other');
      const sandbox = await storeCredential(client, 'APN_SANDBOX', 'other');
      const both = { to: [token(), token('t', 'APN')] };
      const from = async (over: object) =>
        (await list({ operationId: await send({ ...both, ...over }) })).pushNotifications.map(
          (push: Json) => push.from,
        );
      expect(await from({})).toEqual([{ apn }, { fcm }]);
      const ofOther = [{ apn: sandbox }, { fcm: other }];
      expect(await from({ from: { appName: 'other' } })).toEqual(ofOther);
      expect(await from({ from: { fcm: other, apn: sandbox } })).toEqual(ofOther);
      expect(await refused({ ...both, from: { fcm } })).toEqual(['$.from']);
      expect(await refused({ ...both, from: { fcm, apn: sandbox } })).toEqual(['$.from']);
      expect(await refused({ from: { fcm: apn } })).toEqual(['$.from.fcm']);
      expect(await refused({ from: { apn: fcm } })).toEqual(['$.from.apn']);
      expect(await refused({ from: { appName: 'nope' } })).toEqual(['$.from.appName']);
      expect(await refused({ from: { fcm, appName: 'shop' } })).toEqual(['$.from']);
      expect(await refused({ from: {} })).toEqual(['$.from']);
    },
  ],
  [
    'a credential that does not exist → 400, deleted or of another account alike',
    async () => {
      const deleted = await storeCredential(client, 'FCM');
      await client.delete(`Credentials/${deleted}`);
      const theirs = await storeCredential(stranger, 'APN');
      expect(await refused({ from: { fcm: deleted, apn: theirs } })).toEqual([
        '$.from.fcm',
        '$.from.apn',
      ]);
    },
  ],
  [
    '`priority`: HIGH or LOW, default HIGH; `sound`: a name or null',
    async () => {
      expect(await pushOf({})).toMatchObject({ priority: 'HIGH', sound: null });
      expect(await pushOf({ priority: 'LOW', sound: 's' })).toMatchObject({
        priority: 'LOW',
        sound: 's',
      });
      expect(await refused({ priority: 'NORMAL', sound: 1 })).toEqual(['$.priority', '$.sound']);
    },
  ],
  [
    '`schedule`: one entry, as an array or a string; without a zone UTC; not in the past',
    async () => {
      const soon = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 60_000)
        .toISOString()
        .slice(0, 19);
      for (const sendAt of [soon, [soon], `${soon}Z`, `${soon}+00:00`]) {
        expect(await pushOf({ schedule: { sendAt } })).toMatchObject({
          status: 'SCHEDULED',
          scheduledFor: `${soon}Z`,
        });
      }
      for (const sendAt of [[soon, soon], '2020-01-01T00:00:00Z', '2999-01-01T00:00:00Z']) {
        expect(await refused({ schedule: { sendAt } })).toEqual(['$.schedule.sendAt']);
      }
    },
  ],
  [
    "`tags`: rendered at accept with each recipient's variables; a bad result → 400 at $.to[i]",
    async () => {
      const to = ['de', 'no good'].map((v) => token('t', 'FCM', { variables: { v } }));
      const tags = { lang: '{{ v }}', plain: 'A-z.0_9~' };
      expect(await refused({ to, tags })).toEqual(['$.to[1]']);
      expect((await pushOf({ to: to.slice(0, 1), tags })).tags).toEqual({ ...tags, lang: 'de' });
    },
  ],
  [
    '`ttlSeconds`, `collapseKey`, `badge`: within their bounds',
    async () => {
      await send({ ttlSeconds: 0, collapseKey: 'k', badge: 0 });
      const wrong = { ttlSeconds: -1, collapseKey: '', badge: 1.5 };
      expect(await refused(wrong)).toEqual(['$.ttlSeconds', '$.collapseKey', '$.badge']);
    },
  ],
  [
    '`overrides` may not set the target, authorization, apns-id, or a header that is unknown',
    async () => {
      const headers = Object.fromEntries(
        [':path', 'authorization', 'apns-id', 'x-mine'].map((name) => [name, 'x']),
      );
      const targets = { token: 'x', topic: 'x', condition: 'x' };
      expect((await refused({ overrides: { fcm: targets, apn: { headers } } })).sort()).toEqual(
        [
          ...Object.keys(targets).map((name) => `$.overrides.fcm.${name}`),
          "$.overrides.apn.headers[':path']",
          '$.overrides.apn.headers.authorization',
          "$.overrides.apn.headers['apns-id']",
          "$.overrides.apn.headers['x-mine']",
        ].sort(),
      );
      await send({ overrides: { fcm: { android: { ttl: '1s' } }, apn: { aps: { badge: 3 } } } });
    },
  ],
  [
    '`apns-topic` may be the bundle id of the credential, alone or with the suffix of a type',
    async () => {
      const { topic } = apnContent();
      const withTopic = (value: string, over: object = {}) => ({
        to: [token('t', 'APN')],
        overrides: { apn: { headers: { 'apns-topic': value } } },
        ...over,
      });
      const suffixes = ['', '.voip', '.complication', '.push-type.liveactivity', '.voip-ptt'];
      for (const suffix of suffixes) await send(withTopic(topic + suffix));
      const place = ["$.overrides.apn.headers['apns-topic']"];
      for (const foreign of ['com.example.other', `${topic}.nope`, `${topic}x`, 'a b']) {
        expect(await refused(withTopic(foreign))).toEqual(place);
        const checked = await client.post(`${INSIDE}/Preflight`, {
          content,
          ...withTopic(foreign),
        });
        const { status, body } = checked;
        expect([status, body.errors.map(({ context }: Json) => context)]).toEqual([200, place]);
      }
      // Whose topic it is hangs on the credential in force, not on the account's others.
      const from = { apn: await topicCredential('com.example.other') };
      await send(withTopic('com.example.other', { from }));
      expect(await refused(withTopic(topic, { from }))).toEqual(place);
      expect(await refused(withTopic('com.example.other', { x: 1 }))).toEqual(['$.x', ...place]);
    },
  ],
  [
    'reserved keys come in by no override either',
    async () => {
      const data = { from: 'x', 'gcm.a': 'x', mine: 'x', number: 5 };
      const places = (path: string) => [`${path}.from`, `${path}['gcm.a']`, `${path}.number`];
      expect(
        await refused({ overrides: { fcm: { data, android: { data }, webpush: { data: 'x' } } } }),
      ).toEqual([
        ...places('$.overrides.fcm.data'),
        ...places('$.overrides.fcm.android.data'),
        '$.overrides.fcm.webpush.data',
      ]);
      // Of APNs `aps` alone has a meaning of its own: it is merged as `overrides.apn.aps` is.
      const payload = { from: 'x', aps: { badge: 3 } };
      await send({ overrides: { apn: { payload } } });
      const place = ['$.overrides.apn.payload.aps'];
      expect(await refused({ overrides: { apn: { payload: { aps: 'x' } } } })).toEqual(place);
    },
  ],
  [
    '`Idempotency-Key`: same body → the first answer again; another → 422; it guards both Redrives',
    async () => {
      const headers = { 'idempotency-key': `row ${newId()}` };
      const [first, again, other] = [
        await post({}, client, { headers }),
        await post({}, client, { headers }),
        await post({ badge: 1 }, client, { headers }),
      ];
      expect([first.status, again.status, other.status]).toEqual([202, 202, 422]);
      expect(again.body).toEqual(first.body);
      expect(again.headers.get('idempotent-replayed')).toBe('true');
      const id = await send({});
      await settle(id, [0], true);
      const redrive = { headers: { 'idempotency-key': `row ${newId()}` } };
      for (const replayed of [null, 'true']) {
        const answer = await client.post(`Operations/${id}/Redrive`, undefined, redrive);
        expectAccepted(answer);
        expect(answer.headers.get('idempotent-replayed')).toBe(replayed);
      }
    },
  ],
  [
    '202 only after all is committed: it can be read at once',
    async () => {
      const id = await send({ to: Array.from({ length: 500 }, (_, n) => token(`t${n}`)) });
      expect(await pushIds(id)).toHaveLength(500);
    },
  ],
  [
    'a template that does not parse → 400 with its position; a missing variable is an empty string',
    async () => {
      const answer = await post({ content: { title: 'a\n{{ b', body: '{{ c | nope }}' } });
      expect(expectRefused(answer, 400)).toEqual(['$.content.title', '$.content.body']);
      expect(answer.body.errors[0].message).toContain('line 2, column 1');
      const push = await pushOf({ content: { body: "<{{ a }}{{ b | default: 'there' }}>" } });
      expect(push.content.body).toBe('<there>');
    },
  ],
  [
    'duplicate recipients are sent once each as given',
    async () => expect(await pushIds(await send({ to: [token(), token()] }))).toHaveLength(2),
  ],
]);

/** An APN credential of another bundle id. */
async function topicCredential(topic: string): Promise<string> {
  return expectAccepted(
    await client.post('Credentials', {
      appName: 'other',
      credentialType: 'APN',
      content: { ...apnContent(), topic },
    }),
  );
}

const operation = async (id: string) => (await client.get(`Operations/${id}`)).body;

rows('4. Resources', [
  [
    'push: SCHEDULED, QUEUED, SENT, FAILED, CANCELED; error when FAILED',
    async () => {
      const id = await send({ to: [1, 2, 3].map((n) => token(`t${n}`)) });
      const [sent, failed, canceled] = await pushIds(id);
      const read = async (one?: string) => (await client.get(one!)).body;
      expect((await read(sent)).status).toBe('QUEUED');
      await settle(id, [0], false);
      await settle(id, [1], true);
      expectAccepted(await client.delete(canceled!));
      expect(await read(sent)).toMatchObject({ status: 'SENT', error: null, attempts: 1 });
      expect((await read(sent)).providerMessageId).toEqual(expect.any(String));
      const { code } = FAILURES.UNREGISTERED;
      expect(await read(failed)).toMatchObject({ status: 'FAILED', error: { code } });
      expect(await read(canceled)).toMatchObject({ status: 'CANCELED', error: null });
      const sendAt = new Date(Date.now() + 60_000).toISOString();
      expect((await pushOf({ schedule: { sendAt } })).status).toBe('SCHEDULED');
    },
  ],
  [
    'operation: the sum of states is the total at every step; a user without a device is unaddressable',
    async () => {
      const unknown = formatId('user', newId());
      const id = await send({ to: [token('a'), token('b'), token('c'), { userId: unknown }] });
      const expectStats = async (status: string, over: object) => {
        const one = await operation(id);
        const { scheduled, queued, sent, failed, canceled, unaddressable, total } = one.stats;
        expect(scheduled + queued + sent + failed + canceled + unaddressable).toBe(total);
        expect(one).toMatchObject({ status, stats: { total: 4, recipients: 4, ...over } });
        expect(one.completedAt === null).toBe(status === 'PROCESSING');
      };
      await expectStats('PROCESSING', { queued: 3, unaddressable: 1 });
      await settle(id, [0], false);
      await settle(id, [1], true);
      await expectStats('PROCESSING', { queued: 1, sent: 1, failed: 1 });
      expectAccepted(await client.delete(`Operations/${id}`));
      await expectStats('COMPLETED', { queued: 0, canceled: 1 });
      expectRefused(await client.delete(`Operations/${id}`), 409);
      expectAccepted(await client.post(`Operations/${id}/Redrive`, undefined));
      await expectStats('PROCESSING', { queued: 1, failed: 0 });
      const { errors } = await list({}, `Operations/${id}/Errors`);
      expect(errors).toMatchObject([{ pushNotificationId: null, to: { userId: unknown } }]);
    },
  ],
  [
    'operation: CANCELED when all that was addressable was canceled; with only in-flight left → 409',
    async () => {
      const sendAt = new Date(Date.now() + 60_000).toISOString();
      const id = await send({ schedule: { sendAt } });
      expect((await operation(id)).status).toBe('SCHEDULED');
      expectAccepted(await client.delete(`Operations/${id}`));
      expect((await operation(id)).status).toBe('CANCELED');
      const flying = await send({});
      await store.dispatchAll('small');
      await store.claim(await store.idsOf(parseId('operation', flying)!));
      expectRefused(await client.delete(`Operations/${flying}`), 409);
    },
  ],
  [
    'registration: one a user and App; the same token again makes no new device and may move',
    async () => {
      const first = await register(client);
      const again = await register(client, { token: first.token });
      expect(again).toEqual(first);
      const second = await register(client, { userId: first.userId });
      expect(second.id).toBe(first.id);
      const moved = await register(client, { token: first.token, userId: ids.userId });
      expect(moved.userId).toBe(ids.userId);
      const { devices } = (await client.get(`DeviceRegistrations/${first.id}`)).body;
      expect(devices).toEqual([{ token: second.token, provider: 'FCM' }]);
    },
  ],
  [
    'registration: an unknown App or user → 404',
    async () => {
      const body = { appName: 'shop', token: 'x', provider: 'FCM' };
      for (const over of [{ appName: 'nope' }, { userId: formatId('user', newId()) }]) {
        expectRefused(await client.post('DeviceRegistrations', { ...body, ...over }), 404);
      }
    },
  ],
  [
    'registration: deleting it ends pushes to that user in that App',
    async () => {
      const { id, userId } = await register(client);
      expectAccepted(await client.delete(`DeviceRegistrations/${id}`));
      const { stats } = await operation(await send({ to: [{ userId }] }));
      expect(stats).toMatchObject({ total: 1, unaddressable: 1 });
    },
  ],
  [
    'user: delete sets deletedAt and drops the registrations',
    async () => {
      const { id, userId } = await register(client);
      expectAccepted(await client.delete(`Users/${userId}`));
      expect((await client.get(`Users/${userId}`)).body.deletedAt).toEqual(expect.any(String));
      expectRefused(await client.get(`DeviceRegistrations/${id}`), 404);
    },
  ],
  [
    'App: made by its first credential, the first is the default, PATCH moves the mark, false → 409',
    async () => {
      const by = await gateway.otherAccount();
      const first = await storeCredential(by, 'FCM', 'one');
      await storeCredential(by, 'APN', 'two');
      expect((await by.get('Apps/one')).body).toMatchObject({
        isDefault: true,
        defaultCredentials: [{ credentialType: 'FCM', credentialId: first }],
      });
      expectAccepted(await by.patch('Apps/two', { isDefault: true }));
      expect((await by.get('Apps/one')).body.isDefault).toBe(false);
      expectRefused(await by.patch('Apps/two', { isDefault: false }), 409);
      expectAccepted(await by.delete(`Credentials/${first}`));
      expectRefused(await by.get('Apps/one'), 404);
    },
  ],
  [
    'credential: the first of its type is the default; content is checked, and never comes back',
    async () => {
      const by = await gateway.otherAccount();
      const bodies = { FCM: fcmContent(), APN: apnContent(), APN_SANDBOX: apnContent() };
      for (const [credentialType, secret] of Object.entries(bodies)) {
        const create = { appName: 'one', credentialType, content: secret };
        const id = expectAccepted(await by.post('Credentials', create));
        const { body } = await by.get(`Credentials/${id}`);
        expect(body).toMatchObject({ credentialType, isDefault: true, status: 'OK' });
        const [field, value] = Object.entries(secret)[0]!;
        expect(JSON.stringify(body)).not.toContain(value);
        const broken = { ...create, content: { ...secret, [field]: 'eA==' } };
        expect(expectRefused(await by.post('Credentials', broken), 400)).toEqual([
          `$.content.${field}`,
        ]);
      }
    },
  ],
]);

rows('5. Lists', [
  [
    'newest first; pageSize 1–1,000, default 50; next is null on the last page',
    async () => {
      const id = await send({ to: Array.from({ length: 60 }, (_, n) => token(`t${n}`)) });
      const first = await list({ operationId: id });
      expect(first.pushNotifications).toHaveLength(50);
      expect(first.pushNotifications[0].to.token).toBe('t59');
      const second = await list({ pageToken: first.pagination.next });
      expect(second.pushNotifications).toHaveLength(10);
      expect(second.pagination.next).toBeNull();
      expect(await list({ pageToken: first.pagination.self })).toMatchObject({
        pushNotifications: first.pushNotifications,
      });
      for (const pageSize of ['0', '1001', 'x', '']) {
        expect(expectRefused(await client.get(SEND, { query: { pageSize } }), 400)).toEqual([
          '$.pageSize',
        ]);
      }
    },
  ],
  [
    'a token carries its filters; with other ones, or forged → 400',
    async () => {
      const { pagination } = await list({ provider: 'FCM', pageSize: '1' });
      const { pushNotifications } = await list({ pageToken: pagination.next });
      expect(pushNotifications[0].to.provider).toBe('FCM');
      const refusedWith = async (query: Record<string, string>) =>
        expectRefused(await client.get(SEND, { query }), 400);
      expect(await refusedWith({ pageToken: pagination.next, provider: 'APN' })).toEqual([
        '$.provider',
      ]);
      expect(await refusedWith({ pageToken: `${pagination.next}x` })).toEqual(['$.pageToken']);
    },
  ],
  [
    'startDate and endDate are inclusive, equal is fine, the wrong way round → 400',
    async () => {
      const { id, createdAt } = await pushOf({});
      const day = createdAt.slice(0, 10);
      for (const at of [createdAt, day]) {
        const { pushNotifications } = await list({ startDate: at, endDate: at, pageSize: '1000' });
        expect(pushNotifications.map((push: Json) => push.id)).toContain(id);
      }
      const query = { startDate: '2026-02-02', endDate: '2026-02-01' };
      expect(expectRefused(await client.get(SEND, { query }), 400)).toEqual(['$.endDate']);
    },
  ],
  [
    'tags=key:value;key:value; raw and percent-encoded, all must match, the last ; may be missing',
    async () => {
      const id = await send({ tags: { row: 'tags', n: '1' } });
      await send({ tags: { row: 'tags', n: '2' } });
      for (const tags of ['row:tags;n:1;', 'row:tags;n:1', 'row%3Atags%3Bn%3A1%3B']) {
        const { body } = await client.get(`${SEND}?tags=${tags}`);
        expect(body.pushNotifications.map((push: Json) => push.operationId)).toEqual([id]);
      }
    },
  ],
  [
    'with rare filters a page may be short, even empty, and still has next',
    async () => {
      const by = await gateway.otherAccount();
      await storeCredential(by, 'FCM', 'one');
      await storeCredential(by, 'APN', 'one');
      await send({ to: [token('rare', 'APN')] }, by);
      for (let n = 0; n < 2; n++) await send({ to: Array(10_000).fill(token()) }, by);
      await send({ to: [token('newest', 'APN')] }, by);
      const pages: string[][] = [];
      let query: Record<string, string> = { provider: 'APN', pageSize: '2' };
      for (;;) {
        const { status, body } = await by.get(SEND, { query });
        expect([status, body]).toEqual([200, body]);
        pages.push(body.pushNotifications.map((push: Json) => push.to.token));
        if (body.pagination.next === null) break;
        query = { pageToken: body.pagination.next };
      }
      // Of the newest 20,000 one fits, then the rest is looked at.
      expect(pages).toEqual([['newest'], ['rare']]);
      const first = await by.get(SEND, { query: { status: 'FAILED' } });
      expect(first.body).toMatchObject({
        pushNotifications: [],
        pagination: { next: expect.any(String) },
      });
      const last = await by.get(SEND, { query: { pageToken: first.body.pagination.next } });
      expect(last.body).toMatchObject({ pushNotifications: [], pagination: { next: null } });
    },
  ],
  [
    'the filter errorCode finds dead tokens',
    async () => {
      const id = await send({});
      await settle(id, [0], true);
      const code = String(FAILURES.UNREGISTERED.code);
      const { pushNotifications } = await list({ errorCode: code, operationId: id });
      expect(pushNotifications).toMatchObject([
        { status: 'FAILED', error: { code: Number(code) } },
      ]);
    },
  ],
]);

rows('6. Errors', [
  [
    'code, message, status and one item for each fault, up to 100, each with a JSONPath',
    async () => {
      const to = Array.from({ length: 101 }, () => ({ token: 5, provider: 'FCM' }));
      const { status, body } = await post({ to });
      expect(status).toBe(400);
      expect(body).toMatchObject({ code: 70002, status: 400, message: body.errors[0].message });
      expect(body.errors).toHaveLength(100);
      expect(body.errors[99]).toMatchObject({ code: 70002, context: '$.to[99].token' });
    },
  ],
  [
    'codes follow the status: 401, 403, 404, 409, 413, 415, 422',
    async () => {
      const { body: key } = await client.post('/v1/ApiKeys', { name: 'k', scopes: ['read'] });
      const headers = { 'idempotency-key': `row ${newId()}` };
      await post({}, client, { headers });
      const answers: [number, Answer][] = [
        [20003, await post({}, clientOf(gateway.origin, client.sid, 'x'))],
        [20403, await post({}, clientOf(gateway.origin, key.id, key.secret))],
        [20404, await client.get('nope')],
        [20409, await client.patch('Apps/shop', { isDefault: false })],
        [20413, await client.post(SEND, Buffer.alloc(11 * 1024 * 1024))],
        [20415, await client.post(SEND, 'x', { headers: { 'content-type': 'text/plain' } })],
        [20422, await post({ badge: 1 }, client, { headers })],
      ];
      for (const [code, { body }] of answers) expect(body).toMatchObject({ code, errors: [] });
    },
  ],
  [
    "every answer has X-Request-Id; the caller's own is kept when it has a sane form",
    async () => {
      for (const path of ['Apps', 'nope']) {
        const headers = { 'x-request-id': 'row-6' };
        expect((await client.get(path, { headers })).headers.get('x-request-id')).toBe('row-6');
        expect((await client.get(path)).headers.get('x-request-id')).toBeTruthy();
      }
    },
  ],
  [
    'codes of failed pushes are those of docs/errors.md',
    async () => {
      const id = await send({ to: [{ userId: formatId('user', newId()) }] });
      const { errors } = await list({}, `Operations/${id}/Errors`);
      expect(errors[0].code).toBe(FAILURES.UNADDRESSABLE.code);
    },
  ],
]);

rows('7. Liquid', [
  [
    'in title, body, values of data and of tags; filters and if, unless, case, for',
    async () => {
      const push = await pushOf({
        to: [token('t', 'FCM', { variables: { a: 'x', n: '2' } })],
        content: {
          title: '{% if a %}{{ a | upcase }}{% endif %}{% unless a %}-{% endunless %}',
          body: "{% case a %}{% when 'x' %}is{% endcase %}{% for i in (1..3) %}{{ i }}{% endfor %}",
          data: { '{{ a }}': '{{ n | plus: 1 }}' },
        },
        tags: { t: "{{ a | append: '-y' }}" },
      });
      expect(push).toMatchObject({
        content: { title: 'X', body: 'is123', data: { '{{ a }}': '3' } },
        tags: { t: 'x-y' },
      });
    },
  ],
  [
    'an unknown tag or filter, sample, and file access → 400 with line and column',
    async () => {
      const sources = ['{% nope %}', '{{ a | nope }}', '{{ a | sample }}', '{% include "a" %}'];
      sources.push('{% render "a" %}', '{% layout "a" %}', '{% block a %}{% endblock %}');
      const data = Object.fromEntries(sources.map((source, at) => [`k${at}`, source]));
      const { body } = await post({ content: { data } });
      expect(body.errors.map(({ context }: Json) => context)).toEqual(
        sources.map((_, at) => `$.content.data.k${at}`),
      );
      for (const { message } of body.errors) expect(message).toMatch(/line 1, column \d/);
    },
  ],
  [
    'a limit hit while rendering fails that push alone: the send is accepted, the content is none',
    async () => {
      const doubled =
        '{% assign a = "xxxxxxxx" %}' + '{% capture a %}{{a}}{{a}}{% endcapture %}'.repeat(20);
      const push = await pushOf({ content: { body: `${doubled}{{ a }}` } });
      expect(push.content).toBeUndefined();
      const { body } = await client.post(`${INSIDE}/Preflight`, {
        to: [token()],
        content: { body: `${doubled}{{ a }}` },
      });
      expect(body.recipients[0].errors).toMatchObject([{ code: FAILURES.LIQUID_RENDER.code }]);
    },
  ],
]);

describe('2. Endpoints', () => {
  const keyOf = (method: string, path: string) => `${method} ${path}`;

  it('are all in the table, and the table has no other', () => {
    const documented = ENDPOINTS.map(({ method, path }) => keyOf(method, path));
    expect(ROWS.map(([, method, path]) => keyOf(method, path)).sort()).toEqual(documented.sort());
  });

  it.each(ROWS)('%s: %s %s', async (_, method, path, query, body, status, members) => {
    const { operation: documented } = ENDPOINTS.find(
      (one) => one.method === method && one.path === path,
    )!;
    const parameters = (documented.parameters ?? []).filter(
      ({ in: where }: Json) => where === 'query',
    );
    expect(parameters.map(({ name }: Json) => name).sort()).toEqual([...query].sort());
    expect(documented.requestBody !== undefined).toBe(body !== null);

    const url = path.replace(/\{(\w+)\}/, (_whole, name) => ids[name]!);
    const call: Call = { query: queryOf(documented.operationId) };
    const given = body?.();
    const answer = await ask(method, url, given, call);
    expect([answer.status, answer.body]).toEqual([status, answer.body]);
    expect(Object.keys(answer.body).sort()).toEqual([...members].sort());
  });

  function ask(method: string, url: string, body: unknown, call: Call): Promise<Answer> {
    switch (method) {
      case 'GET':
        return client.get(url, call);
      case 'POST':
        return client.post(url, body, call);
      case 'PUT':
        return client.put(url, body, call);
      case 'PATCH':
        return client.patch(url, body, call);
      case 'DELETE':
        return client.delete(url, call);
      default:
        throw new Error(`No method ${method}.`);
    }
  }

  it('/openapi.json and /docs are served', async () => {
    expect((await client.get('/openapi.json')).body.openapi).toBe('3.1.0');
    expect((await client.get('/docs')).status).toBe(200);
  });

  it('/metrics has its own port', async () => {
    expect((await fetch(`${gateway.metricsOrigin}/metrics`)).status).toBe(200);
    expectRefused(await client.get('/metrics'), 404);
  });
});
