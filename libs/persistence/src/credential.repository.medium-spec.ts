import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Conflict, lowestIdAt, newId, Unavailable } from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { ApnsTokenRepository } from './apns-token.repository.js';
import { CredentialRepository } from './credential.repository.js';
import { PartitionRepository } from './partition.repository.js';
import type { CredentialSelector } from './ports.js';
import { SecretBox } from './secret-box.js';
import { Store } from './testing.js';

let store: TestStore;

beforeAll(async () => {
  store = await createTestStore();
});

afterAll(() => store?.drop());

const input = (appName: string, over = {}) => ({
  appName,
  credentialType: 'FCM' as const,
  secret: { privateKey: 'PLAIN-SECRET' },
  fingerprint: 'ab',
  expiresAt: null,
  ...over,
});

async function account() {
  const id = newId();
  await store.accounts.ensure(id, Buffer.alloc(32));
  return id;
}

describe('accounts', () => {
  it('gives an existing account the configured token', async () => {
    const id = await account();
    await store.accounts.ensure(id, Buffer.alloc(32, 7));
    expect(await store.accounts.findTokenHash(id)).toEqual(Buffer.alloc(32, 7));
    expect(await store.accounts.findTokenHash(newId())).toBeNull();
  });
});

describe('credentials', () => {
  it('makes the App with its first credential; the first of each type is the default', async () => {
    const accountId = await account();
    const first = await store.credentials.create(accountId, input('a'));
    const second = await store.credentials.create(accountId, input('a'));
    const apn = await store.credentials.create(accountId, input('a', { credentialType: 'APN' }));
    expect([first.isDefault, second.isDefault, apn.isDefault]).toEqual([true, false, true]);
    const chosen = await store.credentials.select(accountId, { defaultApp: true });
    expect(new Set(chosen.map(({ id }) => id))).toEqual(new Set([first.id, apn.id]));
    expect(await store.credentials.select(accountId, { appName: 'b' })).toEqual([]);
  });

  it('finds what a send may use by ids, by App and by the default App, in one named statement each', async () => {
    const accountId = await account();
    const fcm = await store.credentials.create(accountId, input('a'));
    const spare = await store.credentials.create(accountId, input('a'));
    const other = await store.credentials.create(accountId, input('b'));
    const strange = await store.credentials.create(await account(), input('a'));
    const query = jest.spyOn(store.db.pool, 'query');
    try {
      const found = async (selector: CredentialSelector) =>
        (await store.credentials.select(accountId, selector)).map(({ id }) => id).toSorted();
      const credentialIds = [fcm.id, spare.id, other.id, strange.id, newId()];
      expect(await found({ credentialIds })).toEqual([fcm.id, spare.id, other.id]);
      expect(await found({ credentialIds: [] })).toEqual([]);
      expect(await found({ appName: 'b' })).toEqual([other.id]);
      expect(await found({ defaultApp: true })).toEqual([fcm.id]);
      expect(query.mock.calls.map(([statement]) => statement)).toEqual(
        ['by-id', 'by-id', 'by-app', 'of-default-app'].map((name) =>
          expect.objectContaining({ name: `credentials-${name}` }),
        ),
      );
    } finally {
      query.mockRestore();
    }
    expect(await store.credentials.select(accountId, { appName: 'b' })).toEqual([other]);
    expect(await store.credentials.select(accountId, { appName: 'c' })).toEqual([]);
  });

  it('lets no send use a credential once its deletion or its successor is committed', async () => {
    const accountId = await account();
    const first = await store.credentials.create(accountId, input('a'));
    const chosen = async () =>
      (await store.credentials.select(accountId, { defaultApp: true })).map(({ id }) => id);
    // More often than PostgreSQL looks before it keeps a plan.
    for (let n = 0; n < 8; n++) expect(await chosen()).toEqual([first.id]);
    const second = await store.credentials.create(accountId, input('a', { isDefault: true }));
    expect(await chosen()).toEqual([second.id]);
    await store.credentials.delete(accountId, second.id);
    expect(await chosen()).toEqual([first.id]);
    await store.credentials.delete(accountId, first.id);
    expect(await chosen()).toEqual([]);
  });

  it('moves the default when asked to', async () => {
    const accountId = await account();
    const first = await store.credentials.create(accountId, input('a'));
    await store.credentials.create(accountId, input('a', { isDefault: true }));
    expect((await store.credentials.find(accountId, first.id))?.isDefault).toBe(false);
  });

  it('holds the limits, also when two come at once', async () => {
    const accountId = await account();
    for (let n = 0; n < 9; n++) await store.credentials.create(accountId, input(`app_${n}`));
    const race = await Promise.allSettled([
      store.credentials.create(accountId, input('app_x')),
      store.credentials.create(accountId, input('app_y')),
    ]);
    const refused = race.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(1);
    expect((refused[0] as PromiseRejectedResult).reason).toBeInstanceOf(Conflict);
    for (let n = 1; n < 10; n++) await store.credentials.create(accountId, input('app_0'));
    await expect(store.credentials.create(accountId, input('app_0'))).rejects.toThrow(Conflict);
  });

  it("opens its secret again, never another account's, and stores no plain text", async () => {
    const accountId = await account();
    const { id } = await store.credentials.create(accountId, input('a'));
    expect(await store.credentials.open(accountId, id)).toMatchObject({
      version: 1,
      credentialType: 'FCM',
      secret: { privateKey: 'PLAIN-SECRET' },
    });
    expect(await store.credentials.open(await account(), id)).toBeNull();
    const [row] = await store.db.query<{ row: string }>(
      'SELECT credentials::text AS row FROM credentials WHERE id = $1',
      [id],
    );
    const hex = Buffer.from('PLAIN-SECRET').toString('hex');
    expect(row?.row).not.toContain(hex);
    expect(row?.row).not.toContain('PLAIN-SECRET');
  });

  it('does not open a record that was copied to another credential', async () => {
    const accountId = await account();
    const one = await store.credentials.create(accountId, input('a'));
    const two = await store.credentials.create(accountId, input('a'));
    await store.db.query(
      'UPDATE credentials SET sealed = (SELECT sealed FROM credentials WHERE id = $1) WHERE id = $2',
      [one.id, two.id],
    );
    await expect(store.credentials.open(accountId, two.id)).rejects.toThrow('out of place');
  });

  it('opens with an older key of the ring, and says which key is missing', async () => {
    const accountId = await account();
    const { id } = await store.credentials.create(accountId, input('a'));
    const newer = { id: 'k2', key: Buffer.alloc(32, 2) };
    const ring = new SecretBox([newer, { id: 'k1', key: Buffer.alloc(32, 1) }]);
    const rotated = new CredentialRepository(store.db, ring);
    expect((await rotated.open(accountId, id))?.secret).toEqual({ privateKey: 'PLAIN-SECRET' });
    const without = new CredentialRepository(store.db, new SecretBox([newer]));
    await expect(without.open(accountId, id)).rejects.toThrow('"k1"');
  });
});

describe('changing credentials', () => {
  const defaults = async (accountId: string, appName: string) =>
    (await store.credentials.select(accountId, { appName })).map(({ id }) => id);

  it('moves the default of a type in an App, also when two ask at once', async () => {
    const accountId = await account();
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) {
      ids.push((await store.credentials.create(accountId, input('a'))).id);
    }
    const [first, second, third] = ids as [string, string, string];
    const apn = await store.credentials.create(accountId, input('a', { credentialType: 'APN' }));
    expect(await store.credentials.setDefault(accountId, second, true)).toBe(true);
    expect(new Set(await defaults(accountId, 'a'))).toEqual(new Set([second, apn.id]));
    expect(await store.credentials.setDefault(accountId, first, false)).toBe(true);
    await expect(store.credentials.setDefault(accountId, second, false)).rejects.toThrow(Conflict);
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        [first, third].map((id) => store.credentials.setDefault(accountId, id, true)),
      );
      expect(await defaults(accountId, 'a')).toHaveLength(2);
    }
    expect(await store.credentials.setDefault(await account(), first, true)).toBe(false);
  });

  it('hands the default to the newest of its type when it is deleted', async () => {
    const accountId = await account();
    const first = await store.credentials.create(accountId, input('a'));
    await store.credentials.create(accountId, input('a'));
    const newest = await store.credentials.create(accountId, input('a'));
    const apn = await store.credentials.create(accountId, input('a', { credentialType: 'APN' }));
    expect(await store.credentials.delete(await account(), first.id)).toBe(false);
    expect(await store.credentials.delete(accountId, first.id)).toBe(true);
    expect(await store.credentials.delete(accountId, first.id)).toBe(false);
    expect(new Set(await defaults(accountId, 'a'))).toEqual(new Set([newest.id, apn.id]));
    expect(await store.credentials.find(accountId, first.id)).toBeNull();
    expect(await store.credentials.open(accountId, first.id)).toBeNull();
    expect(await store.credentials.setDefault(accountId, first.id, true)).toBe(false);
    const [row] = await store.db.query<{ bytes: number }>(
      'SELECT length(sealed) AS bytes FROM credentials WHERE id = $1',
      [first.id],
    );
    expect(row).toEqual({ bytes: 0 });
  });

  it('deletes the App with its last credential, and makes it anew', async () => {
    const accountId = await account();
    const only = await store.credentials.create(accountId, input('a'));
    const other = await store.credentials.create(accountId, input('b'));
    await store.credentials.delete(accountId, only.id);
    expect(await store.apps.find(accountId, 'a')).toBeNull();
    // No App becomes the default by itself: its users would get what was meant for others.
    expect(await store.credentials.select(accountId, { defaultApp: true })).toEqual([]);
    expect((await store.apps.find(accountId, 'b'))?.isDefault).toBe(false);
    await store.credentials.delete(accountId, other.id);
    const again = await store.credentials.create(accountId, input('a'));
    expect(await store.apps.find(accountId, 'a')).toMatchObject({
      isDefault: true,
      defaultCredentials: [{ credentialType: 'FCM', credentialId: again.id }],
    });
  });

  it('an App never loses a credential that is created while its last one is deleted', async () => {
    const accountId = await account();
    for (let round = 0; round < 10; round++) {
      const last = await store.credentials.create(accountId, input('a'));
      const [created] = await Promise.all([
        store.credentials.create(accountId, input('a')),
        store.credentials.delete(accountId, last.id),
      ]);
      expect(await defaults(accountId, 'a')).toEqual([created.id]);
      await store.credentials.delete(accountId, created.id);
    }
  });

  it('makes room for others by deletion, and a place in a full account', async () => {
    const accountId = await account();
    const ids: string[] = [];
    for (let n = 0; n < 10; n++) {
      ids.push((await store.credentials.create(accountId, input('a'))).id);
    }
    await store.credentials.delete(accountId, ids[0]!);
    await store.credentials.create(accountId, input('a'));
    await expect(store.credentials.create(accountId, input('a'))).rejects.toThrow(Conflict);
  });

  it('rotates a secret in place: a new version, everything else stays', async () => {
    const accountId = await account();
    const before = await store.credentials.create(accountId, input('a'));
    const expiresAt = new Date('2030-01-01T00:00:00Z');
    const content = { secret: { privateKey: 'NEW' }, fingerprint: 'cd', expiresAt };
    expect(await store.credentials.rotate(await account(), before.id, content)).toBe(false);
    expect(await store.credentials.rotate(accountId, before.id, content)).toBe(true);
    expect(await store.credentials.open(accountId, before.id)).toEqual({
      id: before.id,
      version: 2,
      credentialType: 'FCM',
      secret: { privateKey: 'NEW' },
    });
    expect(await store.credentials.find(accountId, before.id)).toEqual({
      ...before,
      fingerprint: 'cd',
      expiresAt,
      updatedAt: expect.any(Date),
    });
    await store.credentials.delete(accountId, before.id);
    expect(await store.credentials.rotate(accountId, before.id, content)).toBe(false);
  });
});

describe('Apps', () => {
  it('move the default mark, also when two ask at once', async () => {
    const accountId = await account();
    for (const name of ['a', 'b', 'c']) await store.credentials.create(accountId, input(name));
    const isDefault = async () => {
      const { items } = await store.apps.list(
        accountId,
        { isDefault: true },
        { limit: 9, before: null },
      );
      return items.map(({ name }) => name);
    };
    expect(await isDefault()).toEqual(['a']);
    expect(await store.apps.setDefault(accountId, 'b', true)).toBe(true);
    expect(await isDefault()).toEqual(['b']);
    await expect(store.apps.setDefault(accountId, 'b', false)).rejects.toThrow(Conflict);
    expect(await store.apps.setDefault(accountId, 'a', false)).toBe(true);
    for (let round = 0; round < 5; round++) {
      await Promise.all(['a', 'c'].map((name) => store.apps.setDefault(accountId, name, true)));
      expect(await isDefault()).toHaveLength(1);
    }
    expect(await store.apps.setDefault(await account(), 'a', true)).toBe(false);
  });
});

describe('API keys', () => {
  it('are found by anybody who authenticates, and by their account only otherwise', async () => {
    const [accountId, other] = [await account(), await account()];
    const secretHash = Buffer.alloc(32, 5);
    const key = await store.apiKeys.create(accountId, { name: 'k', scopes: ['send'], secretHash });
    expect(await store.apiKeys.findApiKey(key.id)).toEqual({
      accountId,
      scopes: ['send'],
      secretHash,
    });
    expect(await store.apiKeys.find(accountId, key.id)).toEqual(key);
    expect(await store.apiKeys.find(other, key.id)).toBeNull();
    expect(await store.apiKeys.delete(other, key.id)).toBe(false);
    expect(await store.apiKeys.delete(accountId, key.id)).toBe(true);
    expect(await store.apiKeys.findApiKey(key.id)).toBeNull();
  });
});

describe('the role of the service', () => {
  it('reads and writes rows only', async () => {
    for (const ddl of [
      'CREATE TABLE mine (id int)',
      'DROP TABLE push_notifications',
      'ALTER TABLE operations ADD COLUMN x int',
      'TRUNCATE accounts',
    ]) {
      await expect(store.db.query(ddl)).rejects.toThrow(/permission denied|must be owner/);
    }
  });

  it('may have partitions made and retired by functions', async () => {
    const partitions = new PartitionRepository(store.db);
    expect(await partitions.ensure(9)).toBe(2);
    expect(await partitions.ensure(9)).toBe(0);
    expect(await partitions.retire(1)).toEqual({ partitions: [], unfinished: false });
    await expect(partitions.retire(0)).rejects.toThrow('at least 1');
  });

  it('drops a partition in which everything ended long ago, never one with unfinished pushes', async () => {
    const owner = new Store(store.database.ownerUrl);
    const made: string[] = [];
    for (const [daysAgo, status] of [
      [12, 'SENT'],
      [11, 'QUEUED'],
      [10, 'FAILED'],
    ] as const) {
      const day = new Date(Math.floor(Date.now() / 86_400_000 - daysAgo) * 86_400_000);
      const name = `push_notifications_${day.toISOString().slice(0, 10).replaceAll('-', '')}`;
      made.push(name);
      const next = new Date(day.getTime() + 86_400_000);
      await owner.db.query(
        `CREATE TABLE ${name} PARTITION OF push_notifications
         FOR VALUES FROM ('${lowestIdAt(day)}') TO ('${lowestIdAt(next)}')`,
      );
      await owner.db.query(
        `INSERT INTO push_notifications (id, account_id, operation_id, provider, credential_id, token,
           status, due_at, expires_at, settled_at)
         VALUES ($1, $1, $1, 'FCM', $1, 't', $2, now(), now(),
           CASE WHEN $2::push_status <> 'QUEUED' THEN $3::timestamptz END)`,
        [lowestIdAt(new Date(day.getTime() + 1_000)), status, next],
      );
    }
    await owner.db.close();
    const partitions = new PartitionRepository(store.db);
    expect((await partitions.retire(5)).partitions).toEqual([made[0], made[2]]);
    expect((await partitions.retire(5)).partitions).toEqual([]);
    const left = await store.db.query<{ name: string }>(
      'SELECT relname AS name FROM pg_class WHERE relname = ANY($1)',
      [made],
    );
    expect(left).toEqual([{ name: made[1] }]);
  });
});

describe('a day without a partition', () => {
  it('is not now, and no fault of the request', async () => {
    const insert = store.db.query(
      `INSERT INTO push_notifications (id, account_id, operation_id, provider, credential_id, token,
         status, due_at, expires_at)
       VALUES ('00000000-0000-7000-8000-000000000000', $1, $1, 'FCM', $1, 't', 'QUEUED', now(), now())`,
      [newId()],
    );
    await expect(insert).rejects.toThrow(Unavailable);
  });
});

describe('APNs tokens', () => {
  const key = { teamId: 'TEAM', keyId: 'KEY', fingerprint: 'f1' };
  const box = new SecretBox([{ id: 'k1', key: Buffer.alloc(32, 1) }]);

  it('are signed once for all replicas', async () => {
    let minted = 0;
    const mint = () => Promise.resolve({ token: `jwt-${++minted}`, signedAt: new Date() });
    const replicas = [1, 2, 3, 4].map(() => new ApnsTokenRepository(store.db, box));
    const tokens = await Promise.all(replicas.map((r) => r.current(key, () => true, mint)));
    expect(new Set(tokens.map(({ token }) => token))).toEqual(new Set(['jwt-1']));
    const renewed = await replicas[0]!.current(key, ({ token }) => token !== 'jwt-1', mint);
    expect(renewed.token).toBe('jwt-2');
    expect((await replicas[1]!.current(key, () => true, mint)).token).toBe('jwt-2');
    const other = await replicas[1]!.current({ ...key, fingerprint: 'f2' }, () => true, mint);
    expect(other.token).toBe('jwt-3');
    const stored = await store.db.query<{ row: string }>(
      'SELECT apns_tokens::text AS row FROM apns_tokens',
    );
    expect(JSON.stringify(stored)).not.toContain(Buffer.from('jwt-').toString('hex'));
  });

  it('are signed anew when the stored one no longer opens', async () => {
    const lost = { ...key, keyId: 'RING' };
    const mint = (token: string) => () => Promise.resolve({ token, signedAt: new Date() });
    await new ApnsTokenRepository(store.db, box).current(lost, () => true, mint('old'));
    const ring = new SecretBox([{ id: 'k9', key: Buffer.alloc(32, 9) }]);
    const again = new ApnsTokenRepository(store.db, ring);
    expect((await again.current(lost, () => true, mint('new'))).token).toBe('new');
    expect((await again.current(lost, () => true, mint('newer'))).token).toBe('new');
  });

  it('leave no trace of a signing that failed', async () => {
    const tokens = new ApnsTokenRepository(store.db, box);
    const failing = { ...key, keyId: 'BAD' };
    await expect(
      tokens.current(
        failing,
        () => true,
        () => Promise.reject(new Error('bad key')),
      ),
    ).rejects.toThrow('bad key');
    const minted = await tokens.current(
      failing,
      () => true,
      () => Promise.resolve({ token: 'good', signedAt: new Date() }),
    );
    expect(minted.token).toBe('good');
  });
});
