import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  formatId,
  InvalidRequest,
  MAX_PUSHES_PER_OPERATION,
  newId,
  PROVIDERS,
  type Uuid,
} from '@app/domain';
import type { PoolClient } from 'pg';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { expandUsers } from './expansion.js';
import type { NewDevice, NewOperation, NewUserPush } from './ports.js';
import { once, type Tenant } from './testing.js';
import { acceptUsers } from './user-pushes.js';

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore();
  tenant = await store.tenant();
});

afterAll(() => store?.drop());

let tokens = 0;

/** Registers a device; gives its token and user. */
async function register(over: Partial<NewDevice> = {}, { accountId } = tenant) {
  const token = `token-${tokens++}`;
  const id = await store.devices.register(accountId, {
    appName: 'news',
    provider: 'FCM',
    token,
    ...over,
  });
  const { userId } = (await store.devices.find(accountId, id))!;
  return { token, userId };
}

const user = (id: Uuid, variables: Record<string, string> | null = null) => ({ id, variables });

/** Devices by the thousand, for one user or `users` of them, without a request each. */
async function registerMany(users: number, devices: number): Promise<Uuid[]> {
  const ids = Array.from({ length: users }, newId);
  await store.db.query(
    `WITH r AS (
       INSERT INTO device_registrations (id, account_id, app_id, user_id)
       SELECT gen_random_uuid(), $1, (SELECT id FROM apps WHERE account_id = $1 AND name = 'news'), u
       FROM unnest($2::uuid[]) u RETURNING id, app_id
     ) INSERT INTO devices (id, account_id, app_id, registration_id, provider, token, token_hash)
       SELECT gen_random_uuid(), $1, r.app_id, r.id, 'FCM', 't', sha256((r.id::text || n)::bytea)
       FROM r, generate_series(1, $3) n`,
    [tenant.accountId, ids, devices],
  );
  return ids;
}

const operationOf = (users: NewUserPush[]): NewOperation => ({
  settings: {
    content: { body: 'B' },
    priority: 'HIGH',
    sound: null,
    ttlSeconds: 60,
    collapseKey: null,
    badge: null,
    overrides: null,
  },
  scheduledFor: null,
  tags: null,
  recipients: users.length,
  pushes: [],
  users,
  appName: 'news',
  credentials: { FCM: tenant.fcm },
});

const accept = (over: Partial<NewOperation>) => store.accept(tenant, 0, { pushes: [], ...over });

const pushesOf = (operationId: Uuid) =>
  store.db.query(
    `SELECT token, provider::text, user_id, variables, tags, status::text, credential_id
     FROM push_notifications WHERE operation_id = $1 ORDER BY id`,
    [operationId],
  );

const operations = async () =>
  (await store.db.query<{ n: number }>('SELECT count(*)::int AS n FROM operations'))[0]?.n;

describe('a send to users', () => {
  it('makes a push for every device, with the variables and tags of its user', async () => {
    const first = await register();
    const second = await register({ provider: 'APN', userId: first.userId });
    const other = await register();
    const id = await accept({
      recipients: 4,
      tags: { who: '{{ name }}' },
      users: [
        { ...user(other.userId, { name: 'Bob' }), tags: { who: 'bob' } },
        { ...user(first.userId, { name: 'Ann' }), tags: { who: 'ann' } },
        { ...user(newId()), tags: { who: 'x' } },
      ],
      pushes: [{ provider: 'FCM', token: 'plain', variables: null, tags: { who: 'y' } }],
    });
    const common = { status: 'QUEUED', provider: 'FCM', credential_id: tenant.fcm };
    const ann = { user_id: first.userId, variables: { name: 'Ann' }, tags: { who: 'ann' } };
    expect(await pushesOf(id)).toEqual([
      {
        ...common,
        token: other.token,
        user_id: other.userId,
        variables: { name: 'Bob' },
        tags: { who: 'bob' },
      },
      { ...common, ...ann, token: first.token },
      { ...common, ...ann, token: second.token, provider: 'APN', credential_id: tenant.apn },
      { ...common, token: 'plain', user_id: null, variables: null, tags: { who: 'y' } },
    ]);
    expect(await store.operations.find(tenant.accountId, id)).toMatchObject({
      status: 'PROCESSING',
      stats: { total: 5, recipients: 4, unaddressable: 1, queued: 4 },
    });
    const { items } = await store.pushes.list(
      tenant.accountId,
      { userId: first.userId },
      { limit: 10, before: null },
    );
    expect(items.map(({ target }) => target.token)).toEqual([second.token, first.token]);
    expect(await store.dispatchAll('small')).toHaveLength(4);
    expect(await store.discrepancies()).toEqual([]);
  });

  it('counts whoever has no usable device, and names them in the order of the request', async () => {
    const { accountId } = tenant;
    const deleted = await register();
    await store.users.delete(accountId, deleted.userId);
    await store.credentials.create(accountId, {
      appName: 'other',
      credentialType: 'FCM',
      secret: {},
      fingerprint: '',
      expiresAt: null,
    });
    const elsewhere = await register({ appName: 'other' });
    const apple = await register({ provider: 'APN' });
    const theirs = await register({}, await store.tenant());
    const ids = [deleted.userId, newId(), theirs.userId, elsewhere.userId, apple.userId];
    const id = await accept({
      recipients: 6,
      users: [...ids, ids[1]!].map((each) => user(each)),
      // A device is usable when there is a credential for its provider.
      credentials: { FCM: tenant.fcm },
    });
    expect(await store.operations.find(accountId, id)).toMatchObject({
      status: 'COMPLETED',
      stats: { total: 6, recipients: 6, unaddressable: 6, queued: 0 },
    });
    const { items } = await store.errors.list(accountId, id, { limit: 10, before: null });
    expect(items.map(({ to, code }) => [to, code])).toEqual(
      [...ids, ids[1]!].map((each) => [{ userId: formatId('user', each) }, 71012]),
    );
    expect(
      await store.db.query('SELECT FROM operation_parts WHERE operation_id = $1', [id]),
    ).toEqual([]);
  });

  it('sends to the usable devices of a user who has others too', async () => {
    const { token, userId } = await register();
    await register({ provider: 'APN', userId });
    const id = await accept({
      recipients: 1,
      users: [user(userId)],
      credentials: { FCM: tenant.fcm },
    });
    expect(await pushesOf(id)).toMatchObject([{ token }]);
    expect(await store.operations.find(tenant.accountId, id)).toMatchObject({
      stats: { total: 1, unaddressable: 0, queued: 1 },
    });
  });

  it('gives a user who is named twice everything twice, each time with its variables', async () => {
    const { userId, token } = await register();
    const users = [user(userId, { n: '1' }), user(userId, { n: '2' })];
    const id = await accept({ recipients: 2, users });
    expect(await pushesOf(id)).toMatchObject([
      { token, variables: { n: '1' } },
      { token, variables: { n: '2' } },
    ]);
  });

  it('expands at accept: a scheduled one keeps the devices of then', async () => {
    const { userId, token } = await register();
    const scheduledFor = new Date(Date.now() + 3_600_000);
    const id = await accept({ recipients: 1, users: [user(userId)], scheduledFor });
    await register({ userId });
    expect(await pushesOf(id)).toMatchObject([{ token, status: 'SCHEDULED' }]);
    expect(await store.operations.find(tenant.accountId, id)).toMatchObject({
      status: 'SCHEDULED',
      stats: { total: 1, scheduled: 1 },
    });
  });

  it('takes the lane by its pushes: few users with many devices are bulk', async () => {
    const users = (await registerMany(3, 50)).map((id) => user(id));
    const lane = async (id: Uuid) =>
      (
        await store.db.query('SELECT lane::text FROM operation_parts WHERE operation_id = $1', [id])
      )[0];
    expect(await lane(await accept({ recipients: 3, users }))).toEqual({ lane: 'bulk' });
    const two = users.slice(0, 2);
    expect(await lane(await accept({ recipients: 2, users: two }))).toEqual({ lane: 'small' });
  });
});

describe('the limit after expansion', () => {
  it('takes exactly 100,000 pushes, and refuses one more with their number', async () => {
    const users = (await registerMany(2_000, 50)).map((id) => user(id));
    const id = await accept({ recipients: 2_000, users });
    expect(await store.operations.find(tenant.accountId, id)).toMatchObject({
      stats: {
        total: MAX_PUSHES_PER_OPERATION,
        unaddressable: 0,
        queued: MAX_PUSHES_PER_OPERATION,
      },
    });
    const before = await operations();
    const pushes = [{ provider: 'FCM' as const, token: 't', variables: null }];
    const refused = accept({ recipients: 2_001, users, pushes });
    await expect(refused).rejects.toThrow(InvalidRequest);
    await expect(refused).rejects.toThrow('100001 pushes');
    expect(await operations()).toBe(before);
  });

  it('refuses before any token is read, and remembers no key of it', async () => {
    const [some] = await registerMany(1, 50);
    const operation = operationOf(Array.from({ length: 2_001 }, () => user(some!)));
    const statements: string[] = [];
    const client = {
      query: (text: string, values: unknown[]) => {
        statements.push(text);
        return store.db.pool.query(text, values);
      },
    } as Pick<PoolClient, 'query'>;
    await expect(acceptUsers(client, newId(), tenant.accountId, operation)).rejects.toThrow(
      '100050 pushes',
    );
    expect(statements).toEqual([expect.stringContaining('count(*)')]);

    const key = once('too many');
    await expect(store.operations.accept(tenant.accountId, operation, key)).rejects.toThrow(
      InvalidRequest,
    );
    expect(await store.operations.findDone(tenant.accountId, key)).toBeNull();
  });
});

describe('expanding', () => {
  it('reads a few devices at a time, from one snapshot', async () => {
    const one = await register();
    const two = await register();
    const asked = {
      accountId: tenant.accountId,
      appName: 'news',
      providers: PROVIDERS,
      userIds: [one.userId, two.userId],
    };
    await store.db.transaction(async (client) => {
      const chunks: string[][] = [];
      for await (const devices of expandUsers(client, asked, 1)) {
        chunks.push(devices.map(({ place, token }) => `${place} ${token}`));
        // The device moves to the second user between two chunks: it is not taken twice.
        await store.devices.register(tenant.accountId, {
          appName: 'news',
          provider: 'FCM',
          token: one.token,
          userId: two.userId,
        });
      }
      expect(chunks).toEqual([[`0 ${one.token}`], [`1 ${two.token}`]]);
    });
  });
});

describe('a send to users under a key', () => {
  const accepted = (key: string, userId: Uuid) =>
    store.operations.accept(tenant.accountId, operationOf([user(userId)]), once(key));

  it('is written once, also when ten come at once', async () => {
    const { userId, token } = await register();
    const all = await Promise.all(Array.from({ length: 10 }, () => accepted('users', userId)));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1);
    const [row] = await store.db.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM push_notifications WHERE token = $1',
      [token],
    );
    expect(row?.n).toBe(1);
    // Also when its devices have gone since.
    await store.users.delete(tenant.accountId, userId);
    expect(await accepted('users', userId)).toEqual({ id: all[0]!.id, replayed: true });
  });
});
