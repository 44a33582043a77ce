import { createHash } from 'node:crypto';
import type { ProviderKind, Uuid } from '@app/domain';
import type { PoolClient } from 'pg';
import type { Database } from './database.js';

/** A token as a push was sent to it; it may be registered in the App of the push's credential. */
export interface SentToken {
  accountId: Uuid;
  credentialId: Uuid;
  provider: ProviderKind;
  token: string;
}

/** A token that its provider called dead. */
export interface DeadToken extends SentToken {
  /** Only what was registered before this instant is meant, by the database's clock. */
  registeredBefore: Date;
}

interface DeadDevice {
  id: Uuid;
  app_id: Uuid;
  registration_id: Uuid;
  account_id: Uuid;
  user_id: Uuid;
  before: Date;
}

/**
 * $1 place in the batch, $2 account, $3 credential, $4 provider, $5 hash. A deleted credential says
 * nothing: another App may have its App's name by now.
 */
const REGISTERED = `
FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::provider_kind[], $5::bytea[])
  AS t (place, account_id, credential_id, provider, token_hash)
JOIN credentials c ON c.id = t.credential_id AND c.account_id = t.account_id AND c.deleted_at IS NULL
JOIN apps a ON a.account_id = c.account_id AND a.name = c.app_name
JOIN devices d ON d.account_id = a.account_id AND d.app_id = a.id AND d.provider = t.provider
  AND d.token_hash = t.token_hash`;

const DEAD = `
SELECT d.id, d.app_id, d.registration_id, r.account_id, r.user_id, ($6::timestamptz[])[t.place] AS before
${REGISTERED}
JOIN device_registrations r ON r.id = d.registration_id
WHERE d.registered_at < ($6::timestamptz[])[t.place]`;

const HOLD_APPS = `
SELECT FROM apps WHERE (account_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
ORDER BY account_id, id FOR KEY SHARE`;

const LOCK_OWNERS = `
SELECT FROM users WHERE (account_id, id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
ORDER BY account_id, id FOR NO KEY UPDATE`;

/** One that moved or was registered again while we waited is left alone. */
const DROP_DEVICES = `
DELETE FROM devices d USING unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS t (id, registration_id, before)
WHERE d.id = t.id AND d.registration_id = t.registration_id AND d.registered_at < t.before
RETURNING d.registration_id`;

const DROP_EMPTY = `
DELETE FROM device_registrations r WHERE r.id = ANY($1::uuid[])
  AND NOT EXISTS (SELECT FROM devices d WHERE d.registration_id = r.id)`;

/**
 * What becomes of registered tokens that are dead. Locks in the order of `DeviceRepository`: Apps
 * (shared), users, registrations, devices. It never takes the token's own lock, which those hold who
 * bring a token back: they look again once they hold the user.
 */
export class DeadTokenRepository {
  constructor(private readonly db: Database) {}

  /**
   * When each token was last registered.
   *
   * @param timeoutMs after which the answer is not worth waiting for.
   * @returns in the order of `tokens`; null for one that is not registered.
   */
  async registeredAt(tokens: readonly SentToken[], timeoutMs: number): Promise<(Date | null)[]> {
    const rows = await this.db.query<{ place: number; registered_at: Date }>(
      `SELECT t.place, d.registered_at ${REGISTERED}`,
      columns(tokens),
      timeoutMs,
    );
    const found = new Map(rows.map((row) => [row.place, row.registered_at]));
    return tokens.map((_, at) => found.get(at + 1) ?? null);
  }

  /**
   * Drops devices whose token is dead, and registrations that are left without one. Again: nothing
   * changes.
   *
   * @returns how many devices were dropped.
   */
  async retire(tokens: readonly DeadToken[]): Promise<number> {
    const values = [...columns(tokens), tokens.map((token) => token.registeredBefore)];
    // Most tokens are not registered at all: no transaction for those.
    const devices = await this.db.query<DeadDevice>(DEAD, values);
    if (devices.length === 0) return 0;
    return this.db.transaction((client) => drop(client, devices));
  }
}

async function drop(client: PoolClient, devices: readonly DeadDevice[]): Promise<number> {
  const accounts = devices.map((device) => device.account_id);
  await client.query(HOLD_APPS, [accounts, devices.map((device) => device.app_id)]);
  await client.query(LOCK_OWNERS, [accounts, devices.map((device) => device.user_id)]);
  const { rows } = await client.query<{ registration_id: Uuid }>(DROP_DEVICES, [
    devices.map(({ id }) => id),
    devices.map((device) => device.registration_id),
    devices.map(({ before }) => before),
  ]);
  await client.query(DROP_EMPTY, [rows.map((row) => row.registration_id)]);
  return rows.length;
}

/** Places count from 1, as PostgreSQL's arrays do. */
function columns(tokens: readonly SentToken[]): unknown[] {
  return [
    tokens.map((_, at) => at + 1),
    tokens.map(({ accountId }) => accountId),
    tokens.map(({ credentialId }) => credentialId),
    tokens.map(({ provider }) => provider),
    tokens.map(({ token }) => createHash('sha256').update(token, 'utf8').digest()),
  ];
}
