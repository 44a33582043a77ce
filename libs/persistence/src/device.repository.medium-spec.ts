import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Conflict, newId, NotFound, PROVIDERS, type Uuid } from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import type { NewDevice } from './ports.js';
import type { Tenant } from './testing.js';

let store: TestStore;

beforeAll(async () => {
  store = await createTestStore();
});

afterAll(() => store?.drop());

const page = { limit: 50, before: null };

let tokens = 0;
const device = (over: Partial<NewDevice> = {}): NewDevice => ({
  appName: 'news',
  provider: 'FCM',
  token: `token-${tokens++}`,
  ...over,
});

async function ownerOf({ accountId }: Tenant, registrationId: Uuid): Promise<Uuid> {
  const found = await store.devices.find(accountId, registrationId);
  if (found === null) throw new Error('There is no such registration.');
  return found.userId;
}

async function newUser(tenant: Tenant): Promise<Uuid> {
  return ownerOf(tenant, await store.devices.register(tenant.accountId, device()));
}

/** Every registration of a user: id and tokens. */
async function devicesOf({ accountId }: Tenant, userId: Uuid): Promise<string[][]> {
  const { items } = await store.devices.list(accountId, { userId }, page);
  return items.map(({ devices }) => devices.map(({ token }) => token));
}

async function count(sql: string, ...values: unknown[]): Promise<number> {
  const [row] = await store.db.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM ${sql}`,
    values,
  );
  return row!.n;
}

const refusals = (race: PromiseSettledResult<unknown>[]): unknown[] =>
  race.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));

async function secondApp({ accountId }: Tenant, appName: string): Promise<Uuid> {
  const { id } = await store.credentials.create(accountId, {
    appName,
    credentialType: 'FCM',
    secret: {},
    fingerprint: 'ab',
    expiresAt: null,
  });
  return id;
}

describe('registering', () => {
  it('makes a user when none is named, and joins the named one', async () => {
    const tenant = await store.tenant();
    const { accountId } = tenant;
    const first = device();
    const registration = await store.devices.register(accountId, first);
    const userId = await ownerOf(tenant, registration);
    expect(await store.users.find(accountId, userId)).toMatchObject({ deletedAt: null });
    const second = device({ userId, provider: 'APN', token: first.token });
    expect(await store.devices.register(accountId, second)).toBe(registration);
    expect(await store.devices.find(accountId, registration)).toEqual({
      id: registration,
      appName: 'news',
      userId,
      devices: [
        { token: first.token, provider: 'FCM' },
        { token: first.token, provider: 'APN' },
      ],
    });
  });

  it('again, with or without its user, is the same device, registered now', async () => {
    const tenant = await store.tenant();
    const { accountId } = tenant;
    const one = device();
    const registration = await store.devices.register(accountId, one);
    const userId = await ownerOf(tenant, registration);
    const registered = async () =>
      (
        await store.db.query<{ id: Uuid; at: Date }>(
          'SELECT id, registered_at AS at FROM devices WHERE registration_id = $1',
          [registration],
        )
      )[0]!;
    for (const again of [one, { ...one, userId }]) {
      await store.db.query(
        `UPDATE devices SET registered_at = 'epoch' WHERE registration_id = $1`,
        [registration],
      );
      const before = await registered();
      expect(await store.devices.register(accountId, again)).toBe(registration);
      const after = await registered();
      expect(after.id).toBe(before.id);
      expect(after.at.getTime()).toBeGreaterThan(before.at.getTime());
    }
    expect(await count('users WHERE account_id = $1', accountId)).toBe(1);
    expect(await devicesOf(tenant, userId)).toEqual([[one.token]]);
  });

  it('moves a token to the named user; a registration left empty ends', async () => {
    const tenant = await store.tenant();
    const { accountId } = tenant;
    const [moving, staying] = [device(), device()];
    const registration = await store.devices.register(accountId, moving);
    const from = await ownerOf(tenant, registration);
    await store.devices.register(accountId, { ...staying, userId: from });
    const to = await newUser(tenant);
    const target = await store.devices.register(accountId, { ...moving, userId: to });
    expect(await ownerOf(tenant, target)).toBe(to);
    expect(await devicesOf(tenant, from)).toEqual([[staying.token]]);
    await store.devices.register(accountId, { ...staying, userId: to });
    expect(await devicesOf(tenant, from)).toEqual([]);
    expect(await store.devices.find(accountId, registration)).toBeNull();
    expect((await devicesOf(tenant, to))[0]).toHaveLength(3);
    expect(await store.users.find(accountId, from)).not.toBeNull();
  });

  it('the same token in two Apps is two devices', async () => {
    const tenant = await store.tenant();
    await secondApp(tenant, 'other');
    const one = device();
    const userId = await ownerOf(tenant, await store.devices.register(tenant.accountId, one));
    await store.devices.register(tenant.accountId, { ...one, appName: 'other', userId });
    expect(await devicesOf(tenant, userId)).toEqual([[one.token], [one.token]]);
    const filter = { userId, appName: 'other' };
    const { items } = await store.devices.list(tenant.accountId, filter, page);
    expect(items.map(({ appName }) => appName)).toEqual(['other']);
  });

  it('tokens of 4,096 characters are told apart by their last one', async () => {
    const tenant = await store.tenant();
    const long = Array.from({ length: 4_095 }, (_, at) => String.fromCharCode(0x4e00 + at)).join(
      '',
    );
    const userId = await newUser(tenant);
    for (const end of ['a', 'b', 'a']) {
      await store.devices.register(tenant.accountId, device({ token: long + end, userId }));
    }
    expect((await devicesOf(tenant, userId))[0]).toHaveLength(3);
  });

  it('knows no App, no user, no deleted user, and nothing of another account', async () => {
    const [tenant, other] = [await store.tenant(), await store.tenant()];
    const theirs = await newUser(other);
    const deleted = await newUser(tenant);
    await store.users.delete(tenant.accountId, deleted);
    const users = await count('users');
    for (const over of [
      { appName: 'nope' },
      { userId: newId() },
      { userId: theirs },
      { userId: deleted },
    ]) {
      const registered = store.devices.register(tenant.accountId, device(over));
      await expect(registered).rejects.toBeInstanceOf(NotFound);
    }
    expect(await count('users')).toBe(users);
  });

  it('takes 50 devices, and no 51st: not two at once either, not by moving', async () => {
    const tenant = await store.tenant();
    const { accountId } = tenant;
    const first = device();
    const userId = await ownerOf(tenant, await store.devices.register(accountId, first));
    for (let n = 1; n < 49; n++) await store.devices.register(accountId, device({ userId }));
    const race = await Promise.allSettled([
      store.devices.register(accountId, device({ userId })),
      store.devices.register(accountId, device({ userId })),
    ]);
    expect(refusals(race)).toEqual([expect.any(Conflict)]);
    const elsewhere = device();
    const from = await ownerOf(tenant, await store.devices.register(accountId, elsewhere));
    const moved = store.devices.register(accountId, { ...elsewhere, userId });
    await expect(moved).rejects.toBeInstanceOf(Conflict);
    expect(await devicesOf(tenant, from)).toEqual([[elsewhere.token]]);
    // One of the 50 is no 51st.
    await store.devices.register(accountId, { ...first, userId });
    expect((await devicesOf(tenant, userId))[0]).toHaveLength(50);
  });
});

describe('races', () => {
  it('one token registered many times at once without a user makes one user and one device', async () => {
    const tenant = await store.tenant();
    const one = device();
    const ids = await Promise.all(
      Array.from({ length: 8 }, () => store.devices.register(tenant.accountId, one)),
    );
    expect(new Set(ids).size).toBe(1);
    expect(await count('users WHERE account_id = $1', tenant.accountId)).toBe(1);
    expect(await count('devices WHERE account_id = $1', tenant.accountId)).toBe(1);
  });

  it('one token claimed by several users at once ends with one of them; the others are empty', async () => {
    const tenant = await store.tenant();
    const { accountId } = tenant;
    const users = await Promise.all(Array.from({ length: 4 }, () => newUser(tenant)));
    const one = device();
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        users.map((userId) => store.devices.register(accountId, { ...one, userId })),
      );
    }
    const owned = await Promise.all(users.map((userId) => devicesOf(tenant, userId)));
    expect(owned.flat(2).filter((token) => token === one.token)).toHaveLength(1);
  });

  it('two tokens that change places do not deadlock', async () => {
    const tenant = await store.tenant();
    const { accountId } = tenant;
    const [left, right] = [device(), device()];
    const a = await ownerOf(tenant, await store.devices.register(accountId, left));
    const b = await ownerOf(tenant, await store.devices.register(accountId, right));
    for (let round = 0; round < 20; round++) {
      const [x, y] = round % 2 === 0 ? [b, a] : [a, b];
      await Promise.all([
        store.devices.register(accountId, { ...left, userId: x }),
        store.devices.register(accountId, { ...right, userId: y }),
      ]);
    }
    expect(await devicesOf(tenant, a)).toEqual([[left.token]]);
    expect(await devicesOf(tenant, b)).toEqual([[right.token]]);
  });

  it('a user that is deleted meanwhile keeps no device', async () => {
    const tenant = await store.tenant();
    const { accountId } = tenant;
    for (let round = 0; round < 10; round++) {
      const userId = await newUser(tenant);
      const [registered] = await Promise.allSettled([
        store.devices.register(accountId, device({ userId })),
        store.users.delete(accountId, userId),
      ]);
      expect(refusals([registered])).toEqual(
        registered.status === 'rejected' ? [expect.any(NotFound)] : [],
      );
      expect(await devicesOf(tenant, userId)).toEqual([]);
    }
  });

  it('a registration that is deleted meanwhile never stays without a device', async () => {
    const tenant = await store.tenant();
    const { accountId } = tenant;
    for (let round = 0; round < 10; round++) {
      const one = device();
      const registration = await store.devices.register(accountId, one);
      const userId = await ownerOf(tenant, registration);
      await Promise.all([
        store.devices.register(accountId, device({ userId })),
        store.devices.register(accountId, one),
        store.devices.delete(accountId, registration),
      ]);
    }
    expect(
      await count(
        'device_registrations r WHERE NOT EXISTS (SELECT FROM devices WHERE registration_id = r.id)',
      ),
    ).toBe(0);
  });

  it('an App that goes meanwhile takes what is registered with it', async () => {
    const tenant = await store.tenant();
    const { accountId } = tenant;
    for (let round = 0; round < 5; round++) {
      const credential = await secondApp(tenant, 'brief');
      const [registered] = await Promise.allSettled([
        store.devices.register(accountId, device({ appName: 'brief' })),
        store.credentials.delete(accountId, credential),
      ]);
      if (registered.status === 'fulfilled') {
        expect(await store.devices.find(accountId, registered.value)).toBeNull();
      } else {
        expect(registered.reason).toBeInstanceOf(NotFound);
      }
    }
  });
});

describe('deleting', () => {
  it('a registration ends its devices; the user stays and may register again', async () => {
    const tenant = await store.tenant();
    const { accountId } = tenant;
    const one = device();
    const registration = await store.devices.register(accountId, one);
    const userId = await ownerOf(tenant, registration);
    expect(await store.devices.delete((await store.tenant()).accountId, registration)).toBe(false);
    expect(await store.devices.delete(accountId, registration)).toBe(true);
    expect(await store.devices.delete(accountId, registration)).toBe(false);
    expect(await count('devices WHERE registration_id = $1', registration)).toBe(0);
    const again = await store.devices.register(accountId, { ...one, userId });
    expect(again).not.toBe(registration);
  });

  it('a user drops its registrations in every App and stays readable', async () => {
    const tenant = await store.tenant();
    const { accountId } = tenant;
    await secondApp(tenant, 'other');
    const userId = await newUser(tenant);
    await store.devices.register(accountId, device({ userId, appName: 'other' }));
    expect(await store.users.delete((await store.tenant()).accountId, userId)).toBe(false);
    expect(await store.users.delete(accountId, userId)).toBe(true);
    const deleted = await store.users.find(accountId, userId);
    expect(deleted?.deletedAt).toBeInstanceOf(Date);
    expect(await devicesOf(tenant, userId)).toEqual([]);
    // Again: the same answer, and nothing changes.
    expect(await store.users.delete(accountId, userId)).toBe(true);
    expect(await store.users.find(accountId, userId)).toEqual(deleted);
    const listed = await store.users.list(accountId, page);
    expect(listed.items.map(({ id }) => id)).toContain(userId);
  });

  it('the last credential of an App ends its registrations, also for an App made again', async () => {
    const tenant = await store.tenant();
    const { accountId } = tenant;
    const credential = await secondApp(tenant, 'brief');
    const one = device({ appName: 'brief' });
    const registration = await store.devices.register(accountId, one);
    const userId = await ownerOf(tenant, registration);
    await store.credentials.delete(accountId, credential);
    expect(await store.devices.find(accountId, registration)).toBeNull();
    await secondApp(tenant, 'brief');
    expect(await devicesOf(tenant, userId)).toEqual([]);
    const asked = { accountId, appName: 'brief', providers: PROVIDERS, userIds: [userId] };
    expect(await store.devices.count(asked)).toEqual(new Map());
    const fresh = await store.devices.register(accountId, one);
    expect(await ownerOf(tenant, fresh)).not.toBe(userId);
  });

  it('the sweep removes the rows of a deleted App, a few a pass, and nobody else’s', async () => {
    const tenant = await store.tenant();
    const { accountId } = tenant;
    const kept = await store.devices.register(accountId, device());
    const credential = await secondApp(tenant, 'brief');
    for (let n = 0; n < 3; n++)
      await store.devices.register(accountId, device({ appName: 'brief' }));
    await store.credentials.delete(accountId, credential);
    for (;;) {
      const dropped = await store.sweeps.pass((pass) => pass.dropRegistrations(2));
      expect(dropped).toBeLessThanOrEqual(2);
      if ((await count('deleted_apps')) === 0) break;
    }
    expect(await count('devices WHERE account_id = $1', accountId)).toBe(1);
    expect(await store.devices.find(accountId, kept)).not.toBeNull();
  });
});
