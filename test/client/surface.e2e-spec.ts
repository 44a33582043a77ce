import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseId } from '@app/domain';
import { FanfareClient, FanfareError } from '../../clients/typescript/src/index.js';
import type { Send, TransportOptions } from '../../clients/typescript/src/index.js';
import { Store } from '../../libs/persistence/src/testing.js';
import { checkDocumented, ENDPOINTS, endpointOf, NEEDS_WORKER } from '../contract/documented.js';
import { apnContent, fcmContent, startGateway } from '../contract/gateway.js';
import type { Gateway } from '../contract/gateway.js';

let gateway: Gateway;
let client: FanfareClient;
/** Stands in for the worker: dispatches, claims and settles. */
let store: Store;
/** `METHOD /path` of the document, for every request that came through; a success where no worker is needed. */
const called = new Set<string>();

beforeAll(async () => {
  gateway = await startGateway({ env: { CREDENTIAL_CHECK_TIMEOUT_MS: '100' } });
  store = new Store(gateway.database.appUrl, { poolSize: 3 });
  client = clientFor({ accountId: gateway.client.sid, authToken: gateway.client.token });
  await client.credentials.create({
    appName: 'shop',
    credentialType: 'FCM',
    content: fcmContent(),
  });
});

afterAll(async () => {
  await store?.db.close();
  await gateway?.stop();
});

type Caller = { accountId: string; authToken: string } | { apiKey: string; apiKeySecret: string };

const clientFor = (caller: Caller, more: Partial<TransportOptions> = {}) =>
  // A slash at the end is no fault.
  new FanfareClient({ ...caller, baseUrl: `${gateway.origin}/`, fetch: watched, ...more });

/** The real fetch, with an eye on what is asked and answered. */
const watched: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  const method = init?.method ?? 'GET';
  const { pathname } = new URL(response.url);
  const { status, headers } = response;
  checkDocumented(method, pathname, { status, headers, body: await response.clone().json() });
  const endpoint = endpointOf(method, pathname);
  const done = response.ok || NEEDS_WORKER.has(endpoint?.operation.operationId);
  if (done && endpoint !== undefined) called.add(`${method} ${endpoint.path}`);
  return response;
};

const push = (count = 1, more: Partial<Send> = {}): Send => ({
  to: Array.from({ length: count }, (_, at) => ({ token: `t-${at}`, provider: 'FCM' })),
  content: { title: 'Hello', body: 'Hello {{name}}' },
  ...more,
});

/** Hands the operation's pushes over, and they fail. */
async function fail(operationId: string): Promise<void> {
  await store.dispatchAll('small');
  const ids = await store.idsOf(parseId('operation', operationId)!);
  await store.settle(await store.claim(ids), true);
}

describe('pushNotifications', () => {
  it('sends, lists and fetches pushes and operations', async () => {
    const { operationId, operationLocation } = await client.pushNotifications.send(
      push(3, { tags: { campaign: 'spring' } }),
    );
    expect(operationLocation).toContain(operationId);
    expect((await client.pushNotifications.fetchOperation(operationId)).stats.total).toBe(3);
    const { operations } = await client.pushNotifications.listOperations({ status: 'PROCESSING' });
    expect(operations.map(({ id }) => id)).toContain(operationId);
    const { pushNotifications } = await client.pushNotifications.list({
      operationId,
      tags: { campaign: 'spring' },
      startDate: new Date(Date.now() - 60_000),
      endDate: '2999-01-01',
    });
    expect(pushNotifications).toHaveLength(3);
    const detail = await client.pushNotifications.fetch(pushNotifications[0]!.id);
    expect(detail.content).toEqual({ title: 'Hello', body: 'Hello ' });
    expect(
      (await client.pushNotifications.list({ operationId, tags: { no: 'one' } })).pushNotifications,
    ).toEqual([]);
  });

  it('looks at a send beforehand', async () => {
    const { checked, recipients } = await client.pushNotifications.preflight(push());
    expect([checked, recipients[0]?.errors]).toEqual([1, []]);
  });

  it('cancels one push, and what is left of its operation', async () => {
    const { operationId } = await client.pushNotifications.send(push(2));
    const { pushNotifications } = await client.pushNotifications.list({ operationId });
    const [first] = pushNotifications;
    expect((await client.pushNotifications.cancel(first!.id)).resourceId).toBe(first!.id);
    await client.pushNotifications.cancelOperation(operationId);
    const { status, stats } = await client.pushNotifications.fetchOperation(operationId);
    expect([status, stats.canceled]).toEqual(['CANCELED', 2]);
    await expect(client.pushNotifications.cancelOperation(operationId)).rejects.toMatchObject({
      status: 409,
      code: 20409,
    });
  });

  it('says what failed, and sends it again', async () => {
    const { operationId } = await client.pushNotifications.send(push(3));
    await fail(operationId);
    const { errors } = await client.pushNotifications.operationErrors(operationId);
    expect(errors).toHaveLength(3);
    await client.pushNotifications.redrive(errors[0]!.pushNotificationId!);
    await client.pushNotifications.redriveOperation(operationId);
    const { stats } = await client.pushNotifications.fetchOperation(operationId);
    expect([stats.queued, stats.failed]).toEqual([3, 0]);
  });
});

describe('the other resources', () => {
  it('devices and users live and end', async () => {
    const device = { appName: 'shop', provider: 'FCM', token: 'd' } as const;
    const { resourceId: id } = await client.deviceRegistrations.register(device);
    const { userId, devices } = await client.deviceRegistrations.fetch(id);
    expect(devices).toEqual([{ token: 'd', provider: 'FCM' }]);
    const { deviceRegistrations } = await client.deviceRegistrations.list({ userId });
    expect(deviceRegistrations.map((each) => each.id)).toEqual([id]);
    expect((await client.users.list()).users.map((each) => each.id)).toContain(userId);
    await client.deviceRegistrations.delete(id);
    await client.users.delete(userId);
    expect((await client.users.fetch(userId)).deletedAt).not.toBeNull();
  });

  it('credentials are made, rotated, moved and deleted, and Apps with them', async () => {
    const { resourceId: id } = await client.credentials.create({
      appName: 'news',
      credentialType: 'APN',
      content: apnContent(),
    });
    const { fingerprint } = await client.credentials.fetch(id);
    await client.credentials.rotate(id, apnContent());
    expect((await client.credentials.fetch(id)).fingerprint).not.toBe(fingerprint);
    const account = { accountId: gateway.client.sid, authToken: gateway.client.token };
    // Without a worker nobody can say.
    await expect(clientFor(account, { maxRetries: 0 }).credentials.check(id)).rejects.toMatchObject(
      { status: 503 },
    );
    await client.credentials.update(id, { isDefault: true });
    const { credentials } = await client.credentials.list({ appName: 'news', isDefault: true });
    expect(credentials.map((each) => each.id)).toEqual([id]);
    await client.apps.update('news', { isDefault: true });
    expect((await client.apps.list({ isDefault: true })).apps.map(({ name }) => name)).toEqual([
      'news',
    ]);
    expect((await client.apps.fetch('news')).defaultCredentials).toHaveLength(1);
    await client.apps.update('shop', { isDefault: true });
    await client.credentials.delete(id);
    await expect(client.apps.fetch('news')).rejects.toMatchObject({ status: 404 });
  });

  it('an API key is a caller of its own, until it is revoked', async () => {
    const { id, secret } = await client.apiKeys.create({ name: 'reader', scopes: ['read'] });
    const reader = clientFor({ apiKey: id, apiKeySecret: secret });
    expect((await reader.apps.list()).apps).toHaveLength(1);
    await expect(reader.pushNotifications.send(push())).rejects.toMatchObject({
      status: 403,
      code: 20403,
    });
    expect((await client.apiKeys.list()).apiKeys.map((each) => each.id)).toContain(id);
    expect((await client.apiKeys.fetch(id)).name).toBe('reader');
    await client.apiKeys.revoke(id);
    await expect(client.apiKeys.fetch(id)).rejects.toMatchObject({ status: 404 });
  });
});

describe('a list', () => {
  it('is every item of every page when iterated, and page after page when asked to', async () => {
    const { operationId } = await client.pushNotifications.send(push(7));
    const query = { operationId, pageSize: 3 };
    const tokens: string[] = [];
    for await (const { to } of client.pushNotifications.list(query)) tokens.push(to.token);
    expect(tokens.sort()).toEqual(['t-0', 't-1', 't-2', 't-3', 't-4', 't-5', 't-6']);
    const sizes: number[] = [];
    for await (const { pushNotifications } of client.pushNotifications.list(query).pages()) {
      sizes.push(pushNotifications.length);
    }
    expect(sizes).toEqual([3, 3, 1]);
  });

  it('asks for no page that nobody reads', async () => {
    let asked = 0;
    const counting = new FanfareClient({
      accountId: gateway.client.sid,
      authToken: gateway.client.token,
      baseUrl: gateway.origin,
      fetch: (...call) => {
        asked++;
        return fetch(...call);
      },
    });
    const operations = counting.pushNotifications.listOperations({ pageSize: 1 });
    expect(asked).toBe(0);
    for await (const { id } of operations) {
      expect(id).toMatch(/^comms_operation_/);
      break;
    }
    expect(asked).toBe(1);
  });
});

describe('a failure', () => {
  it('has status, code, every fault and the request id', async () => {
    const bad = { to: [{ token: 5 }], content: {}, badge: -1 } as unknown as Send;
    const error = await client.pushNotifications.send(bad).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FanfareError);
    const { status, code, errors, requestId, message } = error as FanfareError;
    expect([status, code]).toEqual([400, 70002]);
    expect(errors.map(({ context }) => context)).toEqual(
      expect.arrayContaining(['$.to[0].token', '$.content.body', '$.badge']),
    );
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(message).not.toBe('');
  });

  it('of a wrong secret is 401, of a hostile id 404', async () => {
    const stranger = clientFor({ accountId: gateway.client.sid, authToken: 'nö' });
    await expect(stranger.users.list()).rejects.toMatchObject({ status: 401, code: 20003 });
    for (const id of ['../../ApiKeys', 'a?b=c', 'a#b', 'ä\n']) {
      await expect(client.users.fetch(id)).rejects.toMatchObject({ status: 404 });
    }
  });
});

// Runs last: what is above has called them all.
it('every endpoint of the contract has its method', () => {
  const contract = ENDPOINTS.filter(({ operation }) => 'x-scope' in operation);
  expect([...called].sort()).toEqual(
    contract.map(({ method, path }) => `${method} ${path}`).sort(),
  );
});
