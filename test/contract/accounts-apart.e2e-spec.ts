import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { formatApiKeyId, formatId, newId, parseId } from '@app/domain';
import { Store } from '../../libs/persistence/src/testing.js';
import type { Json } from '../../scripts/types.js';
import { ENDPOINTS, lifeCycleRank, NEEDS_WORKER } from './documented.js';
import type { Endpoint } from './documented.js';
import { fcmContent, startGateway, storeCredential } from './gateway.js';
import type { Answer, Client, Gateway } from './gateway.js';
import { expectRefused, register } from './resources.js';

let gateway: Gateway;
let mine: Client;
let theirs: Client;

/** One id for each path parameter of the document, all of my account. */
const ids: Record<string, string> = { appName: 'shop' };

const content = { body: 'B' };
const device = { appName: 'shop', provider: 'FCM', token: 'x' };
/** Bodies of the endpoints that take one, good in every account: only the id decides. */
const BODIES: Record<string, () => object> = {
  updateCredential: () => ({ isDefault: true }),
  rotateCredential: () => fcmContent(),
  updateApp: () => ({ isDefault: true }),
};

beforeAll(async () => {
  gateway = await startGateway({ env: { CREDENTIAL_CHECK_TIMEOUT_MS: '100' } });
  mine = gateway.client;
  theirs = await gateway.otherAccount();
  ids.credentialId = await storeCredential(mine, 'FCM', 'shop');
  const { id, userId } = await register(mine);
  Object.assign(ids, { deviceRegistrationId: id, userId });
  ids.apiKeyId = (await mine.post('/v1/ApiKeys', { name: 'k', scopes: ['read'] })).body.id;
  await storeCredential(theirs, 'FCM', 'theirs');
  await sendAndFail();
});

afterAll(() => gateway?.stop());

/** An operation with failed pushes, so that each command finds something to do. */
async function sendAndFail(): Promise<void> {
  const to = [0, 1, 2].map((at) => ({ token: `t-${at}`, provider: 'FCM' }));
  ids.operationId = (await mine.post('/v1/PushNotifications', { to, content })).body.operationId;
  const store = new Store(gateway.database.appUrl, { poolSize: 2 });
  await store.dispatchAll('small');
  const uuids = await store.idsOf(parseId('operation', ids.operationId!)!);
  await store.settle(await store.claim(uuids), true);
  ids.pushNotificationId = formatId('pushNotification', uuids[0]!);
  await store.db.close();
}

/** An id of the same form that nobody has. */
const UNKNOWN: Record<string, () => string> = {
  appName: () => 'nobodys',
  credentialId: () => formatId('credential', newId()),
  apnCredentialId: () => formatId('credential', newId()),
  deviceRegistrationId: () => formatId('deviceRegistration', newId()),
  userId: () => formatId('user', newId()),
  apiKeyId: () => formatApiKeyId(newId()),
  operationId: () => formatId('operation', newId()),
  pushNotificationId: () => formatId('pushNotification', newId()),
};

const parameterOf = ({ path }: Endpoint) => /\{(\w+)\}/.exec(path)?.[1];

/** Every endpoint with an id, whatever endpoints there will be; what ends something goes last. */
const WITH_ID = ENDPOINTS.filter((endpoint) => parameterOf(endpoint) !== undefined).sort(
  (a, b) => lifeCycleRank(a) - lifeCycleRank(b),
);

function ask({ method, path, operation }: Endpoint, by: Client, id: string): Promise<Answer> {
  const url = path.replace(/\{\w+\}/, id);
  const body: unknown = BODIES[operation.operationId]?.();
  if (operation.requestBody !== undefined && body === undefined) {
    throw new Error(`Give ${operation.operationId} a body in BODIES.`);
  }
  const call = body === undefined ? {} : { body };
  switch (method) {
    case 'POST':
      return by.post(url, body);
    case 'PUT':
      return by.put(url, body);
    case 'PATCH':
      return by.patch(url, body);
    case 'DELETE':
      return by.delete(url, call);
    default:
      return by.get(url);
  }
}

/** All that could tell one answer from another. */
function shape({ status, headers, body }: Answer): Json {
  const names = [...headers.keys()].filter((name) => name !== 'date' && name !== 'x-request-id');
  return { status, body, headers: names.map((name) => [name, headers.get(name)]) };
}

describe('an id of mine that another account asks for', () => {
  it('has one of each kind', () => {
    const parameters = [...new Set(WITH_ID.map((endpoint) => parameterOf(endpoint)))].sort();
    expect(parameters).toEqual(Object.keys(ids).sort());
    expect(Object.keys(UNKNOWN)).toEqual(expect.arrayContaining(parameters));
  });

  // The account itself goes last: so the ids were good, and nothing that the other did has changed them.
  it.each(WITH_ID.map((endpoint) => [`${endpoint.method} ${endpoint.path}`, endpoint] as const))(
    '%s → 404 like an unknown one, and its own account may',
    async (_, endpoint) => {
      const parameter = parameterOf(endpoint)!;
      const foreign = await ask(endpoint, theirs, ids[parameter]!);
      expect(foreign.status).toBe(404);
      expect(shape(foreign)).toEqual(shape(await ask(endpoint, theirs, UNKNOWN[parameter]!())));
      const done = NEEDS_WORKER.has(endpoint.operation.operationId) ? [503] : [200, 202];
      expect(done).toContain((await ask(endpoint, mine, ids[parameter]!)).status);
    },
  );
});

describe('an id of mine in a body or a query of another account', () => {
  /** Of `kind`, mine or nobody's: what is asked with it. */
  const PLACES: [string, parameter: string, ask: (id: string) => Promise<Answer>][] = [
    ['the App of a registration', 'appName', (appName) => registering({ appName })],
    ['the user of a registration', 'userId', (userId) => registering({ userId })],
    ['a credential of a send', 'credentialId', (fcm) => sending({ from: { fcm } })],
    ['an APN credential of a send', 'apnCredentialId', (apn) => sending({ from: { apn } })],
    ['one whose bundle id is overridden', 'apnCredentialId', (apn) => withTopic({ apn })],
    ['a credential of a send that is broken', 'credentialId', (fcm) => broken({ fcm })],
    ['a user of a preflight', 'userId', (userId) => checking({ to: [{ userId }] })],
    ['a credential of a preflight', 'credentialId', (fcm) => checking({ from: { fcm } })],
    ['the App of a send', 'appName', (appName) => sending({ from: { appName } })],
    ['the registrations of a user', 'userId', (userId) => list('DeviceRegistrations', { userId })],
    ['the credentials of an App', 'appName', (appName) => list('Credentials', { appName })],
    ['the pushes of an operation', 'operationId', (operationId) => pushes({ operationId })],
    ['the pushes to a user', 'userId', (user) => pushes({ user })],
  ];

  beforeAll(async () => {
    // Those above have been deleted.
    ids.credentialId = await storeCredential(mine, 'FCM', 'shop');
    ids.apnCredentialId = await storeCredential(mine, 'APN', 'shop');
    const { id, userId } = await register(mine);
    Object.assign(ids, { deviceRegistrationId: id, userId });
    const { body } = await mine.post('/v1/PushNotifications', { to: [{ userId }], content });
    ids.operationId = body.operationId;
  });

  const registering = (over: object) =>
    theirs.post('DeviceRegistrations', { ...device, appName: 'theirs', ...over });
  const sending = (over: object) =>
    theirs.post('/v1/PushNotifications', {
      to: [{ token: 't', provider: 'FCM' }],
      content,
      ...over,
    });
  const checking = (over: object) =>
    theirs.post('Preflight', { to: [{ token: 't', provider: 'FCM' }], content, ...over });
  const broken = (from: object) => sending({ from, unheardOf: 1 });
  /** Of whom it is none, hears that the credential is; of whom it is one, that the topic is not its own. */
  const withTopic = (from: object) =>
    sending({ from, overrides: { apn: { headers: { 'apns-topic': 'com.example.other' } } } });
  const list = (path: string, query: Record<string, string>) => theirs.get(path, { query });
  const pushes = (query: Record<string, string>) => list('/v1/PushNotifications', query);

  /** Page tokens differ, for they carry the id, and a preflight repeats whom it was asked about. */
  const withoutId = (answer: Answer, id: string) => {
    const { pagination, ...body } = JSON.parse(JSON.stringify(answer.body).replaceAll(id, 'id'));
    return shape({ ...answer, body: { ...body, next: pagination?.next } });
  };

  it.each(PLACES)('%s is nobody’s', async (_, parameter, askWith) => {
    const foreign = await askWith(ids[parameter]!);
    expect([200, 400, 404]).toContain(foreign.status);
    expect(foreign.headers.has('location')).toBe(false);
    const nobodys = UNKNOWN[parameter]!();
    const unknown = await askWith(nobodys);
    expect({ ...withoutId(foreign, ids[parameter]!), headers: [] }).toEqual({
      ...withoutId(unknown, nobodys),
      headers: [],
    });
  });

  it('a user of mine gets nothing from a send of theirs', async () => {
    const before = (await mine.get('/v1/PushNotifications')).body.pushNotifications.length;
    const to = [{ userId: ids.userId }];
    const { status, body } = await theirs.post('/v1/PushNotifications', { to, content });
    expect(status).toBe(202);
    const { stats } = (await theirs.get(`Operations/${body.operationId}`)).body;
    expect(stats).toMatchObject({ total: 1, unaddressable: 1, queued: 0 });
    expect((await mine.get('/v1/PushNotifications')).body.pushNotifications).toHaveLength(before);
  });
});

describe('another account', () => {
  it('sees nothing of mine in its lists', async () => {
    const own = await Promise.all(
      ['Users', '/v1/ApiKeys', 'DeviceRegistrations'].map((path) =>
        theirs.get(path, path === 'DeviceRegistrations' ? { query: { userId: ids.userId! } } : {}),
      ),
    );
    for (const { body } of own) {
      const [items, ...others] = Object.keys(body).filter((member) => member !== 'pagination');
      expect([body[items!], others]).toEqual([[], []]);
    }
    expect((await theirs.get('Apps')).body.apps.map(({ name }: { name: string }) => name)).toEqual([
      'theirs',
    ]);
    const { operations } = (await theirs.get('Operations')).body;
    expect(operations.map(({ id }: { id: string }) => id)).not.toContain(ids.operationId);
  });

  it('gets no page of a list by its token', async () => {
    const lists = ['Users', 'Apps', 'Credentials', '/v1/ApiKeys', 'Operations'];
    for (const path of [...lists, '/v1/PushNotifications']) {
      const { body } = await mine.get(path);
      const query = { pageToken: body.pagination.self };
      expect(expectRefused(await theirs.get(path, { query }), 400)).toEqual(['$.pageToken']);
    }
  });
});
