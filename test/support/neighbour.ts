import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { apiClient, storeCredential } from '../../scripts/client.js';
import type { ApiClient } from '../../scripts/types.js';
import type { TestGateway } from './gateway.js';

export interface Neighbour {
  /** As the database has it. */
  accountId: string;
  client: ApiClient;
}

/** Another account of the gateway, with an FCM credential of its own. */
export async function neighbour(run: TestGateway): Promise<Neighbour> {
  const accountId = randomUUID();
  const token = randomBytes(32).toString('hex');
  await run.query('INSERT INTO accounts (id, auth_token_hash) VALUES ($1, $2)', [
    accountId,
    createHash('sha256').update(token).digest(),
  ]);
  const client = apiClient(run.url, { sid: `AC${accountId.replaceAll('-', '')}`, token });
  const ready = await run.control('GET', '/credentials?name=neighbour');
  await storeCredential(client, { appName: 'n', credentialType: 'FCM', content: ready.fcm });
  return { accountId, client };
}
