import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiKey, ApiKeyCreated, ApiKeyList, ErrorBody } from '@app/contract';
import { formatApiKeyId, newId } from '@app/domain';
import pg from 'pg';
import { clientOf, startGateway, storeCredential } from './gateway.js';
import type { Client, Gateway } from './gateway.js';
import { everyPage, expectAccepted, expectRefused } from './resources.js';

const SCOPES = ['send', 'read', 'manage'] as const;

let gateway: Gateway;
let client: Client;

beforeAll(async () => {
  gateway = await startGateway();
  client = gateway.client;
  await storeCredential(client, 'FCM');
});

afterAll(() => gateway?.stop());

async function makeKey(scopes: readonly string[], by = client): Promise<Client> {
  const { status, headers, body } = await by.post('/v1/ApiKeys', { name: 'backend', scopes });
  expect([status, body]).toEqual([201, body]);
  const { id, secret } = ApiKeyCreated.parse(body);
  expect(headers.get('location')).toMatch(new RegExp(`/v1/ApiKeys/${id}$`));
  return clientOf(gateway.origin, id, secret);
}

const send = (by: Client) =>
  by.post('/v1/PushNotifications', {
    to: [{ token: 't', provider: 'FCM' }],
    content: { body: 'B' },
  });

describe('an API key', () => {
  it('shows its secret once and keeps only its hash', async () => {
    const key = await makeKey(['send', 'read']);
    const { status, body } = await client.get(`/v1/ApiKeys/${key.sid}`);
    expect(status).toBe(200);
    expect(ApiKey.parse(body)).toMatchObject({
      id: key.sid,
      name: 'backend',
      scopes: ['send', 'read'],
    });
    const list = await client.get('/v1/ApiKeys');
    expect(ApiKeyList.parse(list.body).apiKeys).toContainEqual(body);
    expect(JSON.stringify([body, list.body])).not.toContain(key.token);
    const db = new pg.Client({ connectionString: gateway.database.ownerUrl });
    await db.connect();
    const { rows } = await db.query('SELECT api_keys::text AS row FROM api_keys');
    await db.end();
    const hex = Buffer.from(key.token).toString('hex');
    expect(rows.filter(({ row }) => row.includes(key.token) || row.includes(hex))).toEqual([]);
  });

  it('works for its own account, with its own secret', async () => {
    const key = await makeKey(SCOPES);
    expect((await send(key)).status).toBe(202);
    const { operations } = (await key.get('Operations')).body;
    expect(operations).toHaveLength(1);
    expect((await client.get('Operations')).body.operations).toEqual(operations);
    for (const wrong of [
      clientOf(gateway.origin, key.sid, `${key.token}x`),
      clientOf(gateway.origin, key.sid, client.token),
      clientOf(gateway.origin, client.sid, key.token),
      clientOf(gateway.origin, formatApiKeyId(newId()), key.token),
    ]) {
      const answer = await wrong.get('Apps');
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Basic /);
      expect(ErrorBody.parse(answer.body).code).toBe(20003);
    }
  });

  it('is refused within seconds after it was revoked', async () => {
    const key = await makeKey(['read']);
    expect((await key.get('Apps')).status).toBe(200);
    expect(expectAccepted(await client.delete(`/v1/ApiKeys/${key.sid}`))).toBe(key.sid);
    expectRefused(await client.get(`/v1/ApiKeys/${key.sid}`), 404);
    expectRefused(await client.delete(`/v1/ApiKeys/${key.sid}`), 404);
    const revokedAt = performance.now();
    while ((await key.get('Apps')).status !== 401) {
      expect(performance.now() - revokedAt).toBeLessThan(10_000);
    }
  });

  it('hands out no scope that it lacks itself', async () => {
    const key = await makeKey(['manage']);
    expectRefused(await key.post('/v1/ApiKeys', { name: 'more', scopes: ['manage', 'send'] }), 403);
    await makeKey(['manage'], key);
  });

  it('is listed newest first, in pages', async () => {
    const stranger = await gateway.otherAccount();
    const made: string[] = [];
    for (let n = 0; n < 5; n++) made.unshift((await makeKey(['read'], stranger)).sid);
    const listed = await everyPage(stranger, '/v1/ApiKeys', 'apiKeys');
    expect(listed.map(({ id }) => id)).toEqual(made);
  });

  it.each<[unknown, string[]]>([
    [{}, ['$.name', '$.scopes']],
    [{ name: '', scopes: ['read'] }, ['$.name']],
    [{ name: 'x'.repeat(129), scopes: ['read'] }, ['$.name']],
    [{ name: 'a\0', scopes: ['read'] }, ['$.name']],
    [{ name: 'a', scopes: [] }, ['$.scopes']],
    [{ name: 'a', scopes: ['read', 'read'] }, ['$.scopes']],
    [{ name: 'a', scopes: ['admin'] }, ['$.scopes[0]']],
    [{ name: 'a', scopes: ['read'], secret: 'x' }, ['$.secret']],
  ])('of %j → 400', async (body, contexts) => {
    expect(expectRefused(await client.post('/v1/ApiKeys', body), 400)).toEqual(contexts);
  });
});

interface Endpoint {
  method: string;
  path: string;
  scope: (typeof SCOPES)[number] | undefined;
}

/** Every endpoint of the committed document, with the scope it declares. */
const endpoints: Endpoint[] = Object.entries(
  JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8')).paths as Record<
    string,
    Record<string, { 'x-scope'?: Endpoint['scope'] }>
  >,
).flatMap(([path, methods]) =>
  Object.entries(methods)
    .filter(() => path.startsWith('/v1/'))
    .map(([method, operation]) => ({ method, path, scope: operation['x-scope'] })),
);

/** The scope of each kind of request: what is not named here is `manage`. */
function expectedScope({ method, path }: Endpoint): string {
  if (path.startsWith('/v1/ApiKeys')) return 'manage';
  if (method === 'get') return 'read';
  const sending = /^\/v1\/PushNotifications(\/\{pushNotificationId\}|\/Operations|\/Preflight|$)/;
  return sending.test(path) ? 'send' : 'manage';
}

describe('scopes', () => {
  it.each(endpoints)('$method $path needs $scope alone', async (endpoint) => {
    const { method, path, scope } = endpoint;
    expect(scope).toBe(expectedScope(endpoint));
    const call = method as 'get' | 'post' | 'patch' | 'put' | 'delete';
    const url = path.replace(/\{\w+\}/g, 'none');
    const ask = async (by: Client) =>
      call === 'get' || call === 'delete' ? by[call](url) : by[call](url, { nonsense: 1 });
    const others = SCOPES.filter((one) => one !== scope);
    expectRefused(await ask(await keyOf(others)), 403);
    const allowed = await ask(await keyOf([scope!]));
    expect([200, 400, 404]).toContain(allowed.status);
  });

  const keys = new Map<string, Promise<Client>>();
  function keyOf(scopes: readonly string[]): Promise<Client> {
    const name = scopes.join();
    const key = keys.get(name) ?? makeKey(scopes);
    keys.set(name, key);
    return key;
  }

  it('are checked before the body is read', async () => {
    expectRefused(await (await makeKey(['read'])).post('/v1/PushNotifications', '{malformed'), 403);
  });
});
