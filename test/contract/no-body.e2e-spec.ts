import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { formatId, parseId } from '@app/domain';
import { Store } from '../../libs/persistence/src/testing.js';
import { ENDPOINTS, NEEDS_WORKER, checkDocumented, lifeCycleRank } from './documented.js';
import type { Endpoint } from './documented.js';
import { startGateway, storeCredential } from './gateway.js';
import type { Answer, Gateway } from './gateway.js';
import { RawClient } from './raw-request.js';
import { expectRefused, register } from './resources.js';

let gateway: Gateway;
let raw: RawClient;
/** By path parameter. */
let ids: Record<string, string>;

beforeAll(async () => {
  // No worker runs: a check of a credential is answered 503 once it has waited.
  gateway = await startGateway({ env: { CREDENTIAL_CHECK_TIMEOUT_MS: '100' } });
  raw = new RawClient(gateway.origin);
  const { client } = gateway;
  const credentialId = await storeCredential(client, 'FCM');
  const { id: deviceRegistrationId, userId } = await register(client);
  const apiKey = await client.post('/v1/ApiKeys', { name: 'k', scopes: ['send'] });
  ids = {
    credentialId,
    deviceRegistrationId,
    userId,
    appName: 'shop',
    apiKeyId: apiKey.body.id,
    ...(await sent()),
  };
});

afterAll(async () => {
  raw?.close();
  await gateway?.stop();
});

/** An operation of three pushes, of which two failed: enough for a redrive and a cancel of each kind. */
async function sent(): Promise<{ operationId: string; pushNotificationId: string }> {
  const { body } = await gateway.client.post('/v1/PushNotifications', {
    to: ['a', 'b', 'c'].map((token) => ({ token, provider: 'FCM' })),
    content: { body: 'B' },
  });
  const store = new Store(gateway.database.appUrl, { poolSize: 2 });
  await store.dispatchAll('small');
  const [first, second] = await store.idsOf(parseId('operation', body.operationId)!);
  await store.settle(await store.claim([first!, second!]), true);
  await store.db.close();
  return {
    operationId: body.operationId,
    pushNotificationId: formatId('pushNotification', first!),
  };
}

const WITHOUT_BODY = ENDPOINTS.filter(({ operation }) => operation.requestBody === undefined).sort(
  (a, b) => lifeCycleRank(a) - lifeCycleRank(b),
);
const named = (endpoints: readonly Endpoint[]) =>
  endpoints.map((endpoint) => [`${endpoint.method} ${endpoint.path}`, endpoint] as const);

/** As JSON, whether there is a body or not. */
async function ask(
  { method, path, operation }: Endpoint,
  body: string | undefined,
  known = ids,
): Promise<Answer> {
  const { sid, token } = gateway.client;
  const query = operation.operationId === 'listDeviceRegistrations' ? `?userId=${ids.userId}` : '';
  const withId = path.replace(/\{(\w+)\}/, (_, name: string) => known[name] ?? 'nope');
  const answer = await raw.send({
    method,
    path: withId + query,
    headers: {
      authorization: `Basic ${Buffer.from(`${sid}:${token}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    body,
  });
  checkDocumented(method, withId, answer);
  return answer;
}

describe('an endpoint that takes no body', () => {
  // HTTP gives the body of a GET no meaning; it is not even read.
  it.each(named(WITHOUT_BODY.filter(({ method }) => method !== 'GET')))(
    '%s names the fields of one, and minds no empty object',
    async (_, endpoint) => {
      const refused = async (body: string) => expectRefused(await ask(endpoint, body), 400);
      expect(await refused('{"force":true,"x y":1}')).toEqual(['$.force', "$['x y']"]);
      for (const body of ['[]', 'null', '1']) expect(await refused(body)).toEqual(['$']);
      expectRefused(await ask(endpoint, '{}', {}), 404);
    },
  );

  // Clients that name their media type with every request are common. It is done: nothing above did it.
  it.each(named(WITHOUT_BODY))('%s takes a Content-Type without a body', async (_, endpoint) => {
    const { status, body } = await ask(endpoint, undefined);
    const expected = NEEDS_WORKER.has(endpoint.operation.operationId) ? [503] : [200, 202];
    expect([expected.includes(status), body]).toEqual([true, body]);
  });
});
