import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ErrorBody } from '@app/contract';
import { formatId, newId } from '@app/domain';
import { clientOf, startGateway, storeCredential } from './gateway.js';
import type { Client, Gateway } from './gateway.js';
import { expectRefused } from './resources.js';

// Without a worker: what it answers is in test/e2e/credentials-are-checked.

describe.each([
  ['on PostgreSQL', {}],
  ['on a Redis that is away', { REDIS_URL: 'redis://127.0.0.1:1' }],
])('POST Credentials/{id}/Check, the queue %s', (_, env) => {
  let gateway: Gateway;
  let client: Client;
  let id: string;

  beforeAll(async () => {
    gateway = await startGateway({ env: { ...env, CREDENTIAL_CHECK_TIMEOUT_MS: '500' } });
    client = gateway.client;
    id = await storeCredential(client, 'FCM');
  });
  afterAll(() => gateway?.stop());

  it('answers 503 with Retry-After when no worker answers in time', async () => {
    const begin = performance.now();
    const { status, body, headers } = await client.post(`Credentials/${id}/Check`, undefined);
    expect([status, body.code]).toEqual([503, 20503]);
    ErrorBody.parse(body);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(performance.now() - begin).toBeLessThan(5_000);
  });

  it('knows no other credential, and needs the scope manage', async () => {
    const check = (by: Client, which: string) => by.post(`Credentials/${which}/Check`, undefined);
    for (const unknown of ['x', formatId('credential', newId())]) {
      expectRefused(await check(client, unknown), 404);
    }
    expectRefused(await check(await gateway.otherAccount(), id), 404);
    const { body } = await client.post('/v1/ApiKeys', { name: 'k', scopes: ['send', 'read'] });
    expectRefused(await check(clientOf(gateway.origin, body.id, body.secret), id), 403);
  });
});
