import { createHash } from 'node:crypto';
import {
  Conflict,
  MAX_DEVICES_PER_REGISTRATION,
  newId,
  NotFound,
  type DeviceRegistration,
  type Uuid,
} from '@app/domain';
import type { PoolClient } from 'pg';
import { orUnavailable, type Database } from './database.js';
import { countDevices, type DeviceCounts, type Expansion } from './expansion.js';
import { pageOf } from './paging.js';
import type { DeviceFilter, NewDevice, Page, PageRequest } from './ports.js';

/** Where a token is registered in an App. */
interface Place {
  deviceId: Uuid;
  registrationId: Uuid;
  userId: Uuid;
}

interface RegistrationRow {
  id: Uuid;
  app_name: string;
  user_id: Uuid;
  devices: DeviceRegistration['devices'] | null;
}

/** By way of the App: registrations of a deleted one are rows that the sweep has yet to remove. */
const SELECT = `
SELECT r.id, a.name AS app_name, r.user_id, (
    SELECT json_agg(json_build_object('token', d.token, 'provider', d.provider) ORDER BY d.id)
    FROM devices d WHERE d.registration_id = r.id) AS devices
FROM device_registrations r JOIN apps a ON a.account_id = r.account_id AND a.id = r.app_id
WHERE r.account_id = $1`;

/** What an app does at each start: the same token for the same user. One statement, no lock. */
const REFRESH = `
UPDATE devices d SET registered_at = now()
FROM apps a, device_registrations r
WHERE a.account_id = $1 AND a.name = $2 AND d.account_id = a.account_id AND d.app_id = a.id
  AND d.provider = $3 AND d.token_hash = $4 AND r.id = d.registration_id
  AND ($5::uuid IS NULL OR r.user_id = $5)
RETURNING r.id`;

/**
 * The lock order of registrations: the App's row (shared), the token (an advisory lock), the rows of
 * the users by id, their registrations, the devices. Nobody takes one of them in another order.
 */
export class DeviceRepository {
  constructor(private readonly db: Database) {}

  /**
   * Registers a token. The same token and provider in the same App again make no new device: it moves
   * to the named user, or stays where it is when none is named; a registration that is left without a
   * device ends. Without a user a new token makes a new one.
   *
   * @returns the id of the registration that now holds the token.
   * @throws NotFound for an unknown App, or an unknown or deleted user; Conflict for a 51st device.
   */
  async register(accountId: Uuid, device: NewDevice): Promise<Uuid> {
    const { appName, provider, token, userId = null } = device;
    const tokenHash = createHash('sha256').update(token, 'utf8').digest();
    const [known] = await this.db.query<{ id: Uuid }>(REFRESH, [
      accountId,
      appName,
      provider,
      tokenHash,
      userId,
    ]);
    if (known !== undefined) return known.id;

    return this.db.transaction(async (client) => {
      const appId = await holdApp(client, accountId, appName);
      const key = [accountId, appId, provider, tokenHash] as const;
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `fanfare:device:${appId}:${provider}:${tokenHash.toString('hex')}`,
      ]);
      const before = await placeOf(client, key);
      if (before !== null && userId === null && (await refresh(client, before))) {
        return before.registrationId;
      }
      const owner = userId ?? (await newUser(client, accountId));
      await lockUsers(client, accountId, owner, before?.userId);
      // While we waited for the old user it may have been deleted, and the device with it.
      const current = before === null ? null : await placeOf(client, key);
      const registrationId = await registrationOf(client, accountId, appId, owner);
      if (current?.registrationId !== registrationId) await refuse51st(client, registrationId);
      await client.query(
        `INSERT INTO devices (account_id, app_id, provider, token_hash, id, registration_id, token)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (account_id, app_id, provider, token_hash)
         DO UPDATE SET registration_id = excluded.registration_id, registered_at = now()`,
        [...key, newId(), registrationId, token],
      );
      if (current !== null && current.registrationId !== registrationId) {
        await client.query(
          `DELETE FROM device_registrations r WHERE r.account_id = $1 AND r.id = $2
             AND NOT EXISTS (SELECT FROM devices d WHERE d.registration_id = r.id)`,
          [accountId, current.registrationId],
        );
      }
      return registrationId;
    });
  }

  async find(accountId: Uuid, id: Uuid): Promise<DeviceRegistration | null> {
    const [row] = await this.db.query<RegistrationRow>(`${SELECT} AND r.id = $2`, [accountId, id]);
    return row === undefined ? null : toRegistration(row);
  }

  /** Newest first; empty for an unknown user or App. */
  async list(
    accountId: Uuid,
    filter: DeviceFilter,
    page: PageRequest,
  ): Promise<Page<DeviceRegistration>> {
    const rows = await this.db.query<RegistrationRow>(
      `${SELECT} AND r.user_id = $2 AND ($3::text IS NULL OR a.name = $3)
         AND ($4::uuid IS NULL OR r.id < $4)
       ORDER BY r.id DESC LIMIT $5`,
      [accountId, filter.userId, filter.appName ?? null, page.before, page.limit + 1],
    );
    return pageOf(rows, page.limit, toRegistration);
  }

  /**
   * Ends pushes to that user in that App; the user stays.
   *
   * @returns false when there is no such registration.
   */
  async delete(accountId: Uuid, id: Uuid): Promise<boolean> {
    return this.db.transaction(async (client) => {
      const { rows } = await client.query<RegistrationRow>(`${SELECT} AND r.id = $2`, [
        accountId,
        id,
      ]);
      const [found] = rows;
      if (found === undefined) return false;
      await client.query(LOCK_USERS, [accountId, [found.user_id]]);
      const { rowCount } = await client.query(
        'DELETE FROM device_registrations WHERE account_id = $1 AND id = $2',
        [accountId, id],
      );
      return rowCount === 1;
    });
  }

  /** How many pushes a send to these users would make: by user, and only of those that have a device. */
  async count(expansion: Expansion): Promise<Map<Uuid, DeviceCounts>> {
    return orUnavailable(() => countDevices(this.db.pool, expansion));
  }
}

/** The App stays until the transaction ends; its default mark may move. */
async function holdApp(client: PoolClient, accountId: Uuid, name: string): Promise<Uuid> {
  const { rows } = await client.query<{ id: Uuid }>(
    'SELECT id FROM apps WHERE account_id = $1 AND name = $2 FOR KEY SHARE',
    [accountId, name],
  );
  if (rows[0] === undefined) throw new NotFound('There is no such App.', '$.appName');
  return rows[0].id;
}

async function placeOf(client: PoolClient, key: readonly unknown[]): Promise<Place | null> {
  const { rows } = await client.query<Place>(
    `SELECT d.id AS "deviceId", r.id AS "registrationId", r.user_id AS "userId"
     FROM devices d JOIN device_registrations r ON r.id = d.registration_id
     WHERE d.account_id = $1 AND d.app_id = $2 AND d.provider = $3 AND d.token_hash = $4`,
    [...key],
  );
  return rows[0] ?? null;
}

/** @returns false when the device was deleted meanwhile. */
async function refresh(client: PoolClient, { deviceId }: Place): Promise<boolean> {
  const { rowCount } = await client.query(
    'UPDATE devices SET registered_at = now() WHERE id = $1',
    [deviceId],
  );
  return rowCount === 1;
}

async function newUser(client: PoolClient, accountId: Uuid): Promise<Uuid> {
  const id = newId();
  await client.query('INSERT INTO users (id, account_id) VALUES ($1, $2)', [id, accountId]);
  return id;
}

const LOCK_USERS = `
SELECT id, deleted_at FROM users WHERE account_id = $1 AND id = ANY($2::uuid[])
ORDER BY id FOR NO KEY UPDATE`;

/** Whoever counts, adds or drops devices of a user holds the user's row. */
async function lockUsers(
  client: PoolClient,
  accountId: Uuid,
  owner: Uuid,
  previous: Uuid | undefined,
): Promise<void> {
  const { rows } = await client.query<{ id: Uuid; deleted_at: Date | null }>(LOCK_USERS, [
    accountId,
    previous === undefined ? [owner] : [owner, previous],
  ]);
  const found = rows.find(({ id }) => id === owner);
  if (found?.deleted_at !== null) throw new NotFound('There is no such user.', '$.userId');
}

async function registrationOf(
  client: PoolClient,
  accountId: Uuid,
  appId: Uuid,
  userId: Uuid,
): Promise<Uuid> {
  const { rows } = await client.query<{ id: Uuid }>(
    `WITH found AS (
       SELECT id FROM device_registrations WHERE account_id = $2 AND app_id = $3 AND user_id = $4
     ), made AS (
       INSERT INTO device_registrations (id, account_id, app_id, user_id)
       SELECT $1::uuid, $2::uuid, $3::uuid, $4::uuid WHERE NOT EXISTS (SELECT FROM found)
       RETURNING id
     )
     SELECT id FROM found UNION ALL SELECT id FROM made`,
    [newId(), accountId, appId, userId],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('A registration was neither found nor made.');
  return row.id;
}

async function refuse51st(client: PoolClient, registrationId: Uuid): Promise<void> {
  const { rows } = await client.query<{ devices: number }>(
    'SELECT count(*)::int AS devices FROM devices WHERE registration_id = $1',
    [registrationId],
  );
  if ((rows[0]?.devices ?? 0) >= MAX_DEVICES_PER_REGISTRATION) {
    throw new Conflict(
      `The user has ${MAX_DEVICES_PER_REGISTRATION} devices in this App, which is the limit.`,
    );
  }
}

function toRegistration(row: RegistrationRow): DeviceRegistration {
  return { id: row.id, appName: row.app_name, userId: row.user_id, devices: row.devices ?? [] };
}
