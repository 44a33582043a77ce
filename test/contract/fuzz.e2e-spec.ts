import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatId, parseId } from '@app/domain';
import { Store } from '../../libs/persistence/src/testing.js';
import { checkDocumented, ENDPOINTS, lifeCycleRank, NEEDS_WORKER } from './documented.js';
import { goodRequest, requestsTo } from './fuzz-requests.js';
import type { Callers } from './fuzz-requests.js';
import { apnContent, fcmContent, startGateway, storeCredential } from './gateway.js';
import type { Client, Gateway } from './gateway.js';
import { RawClient } from './raw-request.js';
import { register } from './resources.js';
import type { KnownIds } from './valid-values.js';

/** Replay with `FUZZ_SEED=… npm test -- contract/fuzz`; more of it with `FUZZ_RUNS=1000`. */
const SEED = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const RUNS = Number(process.env.FUZZ_RUNS ?? 40);
/** Of an endpoint; no run is cut short on a machine that is merely busy. */
const LIMIT_MS = 60_000;

let gateway: Gateway;
let raw: RawClient;
let callers: Callers;
/** Ids to look at and to change, by prefix or by path parameter; and others that may be ended. */
let ids: KnownIds;
let spent: KnownIds;

beforeAll(async () => {
  process.stdout.write(`The fuzz of every endpoint has the seed ${SEED}, ${RUNS} requests each.\n`);
  gateway = await startGateway({ env: { CREDENTIAL_CHECK_TIMEOUT_MS: '100' } });
  raw = new RawClient(gateway.origin);
  const { client } = gateway;
  await storeCredential(client, 'APN', 'shop');
  ids = await resources(client, 'shop');
  spent = await resources(client, 'news');
  const { body } = await client.post('/v1/ApiKeys', { name: 'reader', scopes: ['read'] });
  const reader = authorization(body.id, body.secret);
  callers = {
    owner: authorization(client.sid, client.token),
    others: [reader, authorization(client.sid, 'x'), 'Basic', 'Basic %%%', 'Bearer x', ''],
  };
});

afterAll(async () => {
  raw?.close();
  await gateway?.stop();
});

const authorization = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;

/** Some of each kind. */
async function resources(client: Client, appName: string): Promise<KnownIds> {
  const credentialId = await storeCredential(client, 'FCM', appName);
  const { id, userId } = await register(client, { appName });
  const apiKey = (await client.post('/v1/ApiKeys', { name: 'k', scopes: ['send'] })).body.id;
  const operations: string[] = [];
  for (const schedule of [undefined, { sendAt: new Date(Date.now() + 86_400_000) }]) {
    const { body } = await client.post('/v1/PushNotifications', {
      to: [{ token: 'a', provider: 'FCM' }, { token: 'b', provider: 'FCM' }, { userId }],
      content: { body: 'Hello {{ name }}' },
      tags: { a: 'b' },
      from: { appName },
      ...(schedule === undefined ? {} : { schedule }),
    });
    operations.push(body.operationId);
  }
  const pushes = await failSome(operations[0]!);
  return {
    comms_operation_: operations,
    comms_pushnotification_: pushes,
    comms_pushnotificationuser_: [userId],
    comms_credential_: [credentialId],
    '{operationId}': operations,
    '{pushNotificationId}': pushes,
    '{userId}': [userId],
    '{credentialId}': [credentialId],
    '{deviceRegistrationId}': [id],
    '{appName}': [appName],
    '{apiKeyId}': [apiKey],
  };
}

/**
 * The first fails, the second waits; and a third fails that nobody asks for: there is something to redrive in
 * the operation, whatever became of the first.
 */
async function failSome(operationId: string): Promise<string[]> {
  const store = new Store(gateway.database.appUrl, { poolSize: 2 });
  await store.dispatchAll('small');
  const pushes = await store.idsOf(parseId('operation', operationId)!);
  await store.settle(await store.claim([pushes[0]!, pushes[2]!]), true);
  await store.db.close();
  return pushes.slice(0, 2).map((id) => formatId('pushNotification', id));
}

const send = {
  to: [{ token: 't', provider: 'FCM', variables: { name: 'Ada' } }],
  content: { title: 'Hello {{ name }}', body: 'B', data: { k: 'v' } },
  tags: { campaign: '{{ name }}' },
  overrides: { fcm: { android: { ttl: '5s' } }, apn: { headers: { 'apns-priority': '5' } } },
};
const credential = (content: object) => ({ appName: 'shop', credentialType: 'APN', content });
const GOOD_BODIES: Record<string, unknown[]> = {
  sendPushNotifications: [send],
  preflight: [send],
  createCredential: [
    credential(apnContent()),
    { ...credential(fcmContent()), credentialType: 'FCM' },
  ],
  rotateCredential: [fcmContent(), apnContent()],
  registerDevice: [{ appName: 'shop', provider: 'FCM', token: 'fuzz' }],
  createApiKey: [{ name: 'k', scopes: ['read'] }],
  updateApp: [{ isDefault: true }],
  updateCredential: [{ isDefault: true }],
};

const IN_ORDER = [...ENDPOINTS].sort((a, b) => lifeCycleRank(a) - lifeCycleRank(b));

/** Where no other request is in order. */
const queryOf = (operationId: string) =>
  operationId === 'listDeviceRegistrations' ? `?userId=${ids['{userId}']![0]}` : '';

describe('no request gets a 5xx or an answer outside openapi.json', () => {
  it.each(IN_ORDER.map((endpoint) => [`${endpoint.method} ${endpoint.path}`, endpoint] as const))(
    '%s',
    async (_, endpoint) => {
      const { method, path, operation } = endpoint;
      const goodBodies = GOOD_BODIES[operation.operationId] ?? [];
      const known = method === 'DELETE' ? spent : ids;
      const parameter = known[/\{\w+\}/.exec(path)?.[0] ?? ''];
      // The first of pushes and operations failed, the last waits.
      const id = parameter?.at(method === 'DELETE' ? -1 : 0);
      const query = queryOf(operation.operationId);
      const good = goodRequest(endpoint, callers, id, goodBodies[0], query);
      const needsWorker = NEEDS_WORKER.has(operation.operationId);
      const { status } = await raw.send(good);
      expect(needsWorker ? status === 503 : status < 300).toBe(true);
      await fc.assert(
        fc.asyncProperty(requestsTo(endpoint, callers, known, goodBodies), async (request) => {
          const answer = await raw.send(request);
          if (!needsWorker || answer.status !== 503) expect(answer.status).toBeLessThan(500);
          checkDocumented(request.method, routedPath(request.path), answer);
        }),
        { seed: SEED, numRuns: RUNS, interruptAfterTimeLimit: LIMIT_MS },
      );
    },
    2 * LIMIT_MS,
  );

  it('and the gateway is as well as before', async () => {
    expect((await gateway.client.get('/health/ready')).body.status).toBe('ok');
    const { status, body } = await gateway.client.post('/v1/PushNotifications', {
      ...send,
      from: { appName: 'shop' },
    });
    expect([status, body.operationId]).toEqual([202, expect.any(String)]);
  });
});

/** The path that the router sees. */
function routedPath(path: string): string {
  const [raw = ''] = path.split('?');
  try {
    return decodeURI(raw);
  } catch {
    return raw;
  }
}
