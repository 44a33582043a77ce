import { createHash } from 'node:crypto';
import { apiClient, storeCredential } from '../../scripts/client.js';
import { randomAccount } from '../../scripts/gateway.js';
import type { ApiClient } from '../../scripts/types.js';
import type { TestGateway } from './gateway.js';

export interface Neighbour {
  /** As the database takes it. */
  accountId: string;
  client: ApiClient;
}

/** Another account of the gateway, with an FCM credential of its own. */
export async function neighbour(run: TestGateway): Promise<Neighbour> {
  const account = randomAccount();
  const accountId = account.sid.slice(2);
  await run.query('INSERT INTO accounts (id, auth_token_hash) VALUES ($1, $2)', [
    accountId,
    createHash('sha256').update(account.token).digest(),
  ]);
  const client = apiClient(run.url, account);
  const ready = await run.control('GET', '/credentials?name=neighbour');
  await storeCredential(client, { appName: 'n', credentialType: 'FCM', content: ready.fcm });
  return { accountId, client };
}
