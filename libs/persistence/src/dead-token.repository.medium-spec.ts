import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Uuid } from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import type { DeadToken } from './dead-token.repository.js';
import type { NewDevice } from './ports.js';
import type { Tenant } from './testing.js';

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore({ poolSize: 12 });
});

afterAll(() => store?.drop());

beforeEach(async () => {
  tenant = await store.tenant();
});

const SOON = new Date(Date.now() + 3_600_000);
const dead = (token: string, over: Partial<DeadToken> = {}): DeadToken => ({
  accountId: tenant.accountId,
  credentialId: tenant.fcm,
  provider: 'FCM',
  token,
  registeredBefore: SOON,
  ...over,
});
const register = (token: string, over: Partial<NewDevice> = {}): Promise<Uuid> =>
  store.devices.register(tenant.accountId, { appName: 'news', provider: 'FCM', token, ...over });
const registration = (id: Uuid) => store.devices.find(tenant.accountId, id);
const tokensOf = async (id: Uuid) =>
  (await registration(id))?.devices.map(({ provider, token }) => `${provider} ${token}`) ?? null;
const ownerOf = async (id: Uuid): Promise<Uuid> => (await registration(id))!.userId;
const registeredAt = async (token: string): Promise<Date> => {
  const [at] = await store.deadTokens.registeredAt([dead(token)], 5_000);
  if (at === null || at === undefined) throw new Error(`${token} is not registered.`);
  return at;
};

describe('a dead token', () => {
  it('is dropped from its registration, and what is like it stays', async () => {
    const id = await register('t');
    const userId = await ownerOf(id);
    await register('alive', { userId });
    await register('t', { userId, provider: 'APN' });
    await store.credentials.create(tenant.accountId, {
      appName: 'other',
      credentialType: 'FCM',
      secret: {},
      fingerprint: 'ab',
      expiresAt: null,
    });
    const elsewhere = await register('t', { appName: 'other' });
    const mine = tenant;
    tenant = await store.tenant();
    const stranger = await register('t');
    const theirs = tenant;
    tenant = mine;

    expect(await store.deadTokens.retire([dead('t'), dead('never registered')])).toBe(1);
    expect(await tokensOf(id)).toEqual(['FCM alive', 'APN t']);
    expect(await tokensOf(elsewhere)).toEqual(['FCM t']);
    tenant = theirs;
    expect(await tokensOf(stranger)).toEqual(['FCM t']);
    tenant = mine;
    expect(await store.deadTokens.retire([dead('t')])).toBe(0);
    // Whose account it is says the push, not the credential alone.
    const forged = dead('alive', { accountId: theirs.accountId });
    expect(await store.deadTokens.retire([forged])).toBe(0);
  });

  it('ends a registration that it was the last device of; the user stays', async () => {
    const id = await register('last');
    const userId = await ownerOf(id);
    expect(await store.deadTokens.retire([dead('last')])).toBe(1);
    expect(await registration(id)).toBeNull();
    expect(await store.users.find(tenant.accountId, userId)).toMatchObject({ deletedAt: null });
    const again = await register('last', { userId });
    expect(await tokensOf(again)).toEqual(['FCM last']);
  });

  it('stays when it was registered at that instant or later', async () => {
    const id = await register('young');
    const at = await registeredAt('young');
    const retire = (registeredBefore: Date) =>
      store.deadTokens.retire([dead('young', { registeredBefore })]);
    expect(await retire(new Date(at.getTime() - 1))).toBe(0);
    expect(await retire(at)).toBe(0);
    expect(await tokensOf(id)).toEqual(['FCM young']);
    expect(await retire(new Date(at.getTime() + 1))).toBe(1);
  });

  it('stays when the credential that said so was deleted', async () => {
    const id = await register('kept');
    await store.credentials.delete(tenant.accountId, tenant.fcm);
    expect(await store.deadTokens.retire([dead('kept')])).toBe(0);
    expect(await tokensOf(id)).toEqual(['FCM kept']);
  });

  it('of an APNs credential is looked for among the tokens of APNs', async () => {
    const id = await register('a', { provider: 'APN' });
    const token = dead('a', { credentialId: tenant.apn, provider: 'APN' });
    expect(await store.deadTokens.registeredAt([dead('a'), token], 5_000)).toEqual([
      null,
      expect.any(Date),
    ]);
    expect(await store.deadTokens.retire([token])).toBe(1);
    expect(await registration(id)).toBeNull();
  });
});

describe('an attempt and a new registration', () => {
  const claim = async (token: string) => {
    const operationId = await store.accept(tenant, 1, {
      pushes: [{ provider: 'FCM', token, variables: null }],
    });
    const [push] = await store.claim(await store.idsOf(operationId));
    return push!;
  };

  it('before it: the token goes; after its claim: the token stays', async () => {
    const id = await register('race');
    const first = await claim('race');
    // The app registers while the attempt is on the wire.
    expect(await register('race')).toBe(id);
    const late = dead('race', { registeredBefore: first.claimedAt });
    expect(await store.deadTokens.retire([late])).toBe(0);
    expect(await tokensOf(id)).toEqual(['FCM race']);

    const at = await registeredAt('race');
    let second = await claim('race');
    // Two instants of one millisecond are doubt, and doubt retires nothing.
    while (second.claimedAt <= at) second = await claim('race');
    const early = dead('race', { registeredBefore: second.claimedAt });
    expect(await store.deadTokens.retire([early])).toBe(1);
  });

  /** Retires while somebody else has the user; `meanwhile` answers what is to be waited for. */
  async function retireBehind(
    id: Uuid,
    meanwhile: () => Promise<{ registering: Promise<Uuid> }>,
  ): Promise<Uuid> {
    const before = dead('waits', { registeredBefore: await oneMillisecondAfter('waits') });
    const holder = await store.db.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM users WHERE id = $1 FOR UPDATE', [await ownerOf(id)]);
      const retiring = store.deadTokens.retire([before]);
      await store.untilWaiting(1);
      const { registering } = await meanwhile();
      await holder.query('COMMIT');
      expect(await retiring).toBe(0);
      return await registering;
    } finally {
      holder.release();
    }
  }

  it('that comes while retiring waits for the user: the token stays', async () => {
    const id = await register('waits');
    const place = await retireBehind(id, async () => {
      // Takes no lock that anybody has: it is over before the retirement goes on.
      const again = await register('waits');
      return { registering: Promise.resolve(again) };
    });
    expect(place).toBe(id);
    expect(await tokensOf(id)).toEqual(['FCM waits']);
  });

  it('for another user that began earlier and commits while retiring waits: it stays there', async () => {
    const id = await register('waits');
    const userId = await newUser();
    const target = (await registration(await register('other', { userId })))!.id;
    await retireBehind(id, async () => {
      // As a registration that began before the attempt and comes through only now.
      await store.db.query(`UPDATE devices SET registration_id = $1 WHERE registration_id = $2`, [
        target,
        id,
      ]);
      return { registering: Promise.resolve(target) };
    });
    expect(await tokensOf(target)).toContain('FCM waits');
  });

  it('at once, many of both: no deadlock, no empty registration, nobody’s token lost', async () => {
    const names = Array.from({ length: 12 }, (_, at) => `many-${at}`);
    const users = await Promise.all(names.slice(0, 4).map(() => newUser()));
    const retiredBefore = new Date();
    for (let round = 0; round < 6; round++) {
      await Promise.all([
        ...names.map((token, at) => register(token, { userId: users[(at + round) % 4]! })),
        store.deadTokens.retire(names.map((token) => dead(token))),
        store.deadTokens.retire(names.toReversed().map((token) => dead(token))),
      ]);
    }
    // The last word is a registration, and a dead token of before it does not touch it.
    const places = await Promise.all(names.map((token) => register(token)));
    const old = names.map((token) => dead(token, { registeredBefore: retiredBefore }));
    expect(await store.deadTokens.retire(old)).toBe(0);
    for (const [at, place] of places.entries()) {
      expect(await tokensOf(place)).toContain(`FCM ${names[at]}`);
    }
    const empty = await store.db.query(
      `SELECT FROM device_registrations r WHERE account_id = $1
         AND NOT EXISTS (SELECT FROM devices d WHERE d.registration_id = r.id)`,
      [tenant.accountId],
    );
    expect(empty).toEqual([]);
  });
});

let users = 0;
const newUser = async (): Promise<Uuid> => ownerOf(await register(`user-${users++}`));

const oneMillisecondAfter = async (token: string): Promise<Date> => {
  const at = await registeredAt(token);
  // A registration that comes next is dated later than this.
  for (;;) {
    const [row] = await store.db.query<{ over: boolean }>(
      `SELECT date_trunc('milliseconds', clock_timestamp()) > $1 AS over`,
      [new Date(at.getTime() + 1)],
    );
    if (row?.over === true) return new Date(at.getTime() + 1);
  }
};
