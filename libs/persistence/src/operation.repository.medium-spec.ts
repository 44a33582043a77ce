import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  InvalidRequest,
  KeyReused,
  newId,
  operationStatus,
  Unavailable,
  type Uuid,
} from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { Database } from './database.js';
import { OperationRepository } from './operation.repository.js';
import { once, type Tenant } from './testing.js';

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore();
  tenant = await store.tenant();
});

afterAll(() => store?.drop());

describe('accept', () => {
  it('commits the operation, a part a provider and all pushes in the order of the request', async () => {
    const id = await store.accept(tenant, 2, {
      pushes: [
        { provider: 'APN', token: 'tök/../"e\\n{,}', variables: { name: '名前' } },
        { provider: 'FCM', token: 'b', variables: null },
      ],
      recipients: 3,
      users: [{ id: newId(), variables: null }],
    });
    const operation = await store.operations.find(tenant.accountId, id);
    expect(operation).toMatchObject({
      status: 'PROCESSING',
      stats: { total: 3, recipients: 3, unaddressable: 1, queued: 2, sent: 0, scheduled: 0 },
    });
    const rows = await store.db.query(
      `SELECT provider, token, variables, status, credential_id,
         extract(epoch FROM expires_at - due_at)::int AS ttl
       FROM push_notifications WHERE operation_id = $1 ORDER BY id`,
      [id],
    );
    const common = { status: 'QUEUED', ttl: 3_600 };
    expect(rows).toEqual([
      {
        ...common,
        provider: 'APN',
        token: 'tök/../"e\\n{,}',
        variables: { name: '名前' },
        credential_id: tenant.apn,
      },
      { ...common, provider: 'FCM', token: 'b', variables: null, credential_id: tenant.fcm },
    ]);
    const parts = await store.db.query(
      'SELECT provider::text, lane::text, pending FROM operation_parts WHERE operation_id = $1 ORDER BY 1',
      [id],
    );
    expect(parts).toEqual([
      { provider: 'APN', lane: 'small', pending: true },
      { provider: 'FCM', lane: 'small', pending: true },
    ]);
  });

  it('holds a scheduled operation back', async () => {
    const scheduledFor = new Date(Date.now() + 3_600_000);
    const id = await store.accept(tenant, 2, { scheduledFor });
    expect(await store.operations.find(tenant.accountId, id)).toMatchObject({
      status: 'SCHEDULED',
      stats: { scheduled: 2, queued: 0 },
    });
    expect((await store.dispatchAll('small')).length).toBeGreaterThan(0);
    const [row] = await store.db.query<{ status: string; ttl: number }>(
      `SELECT status, extract(epoch FROM expires_at - $2)::int AS ttl
       FROM push_notifications WHERE operation_id = $1 LIMIT 1`,
      [id, scheduledFor],
    );
    expect(row).toEqual({ status: 'SCHEDULED', ttl: 3_600 });
  });

  it('completes an operation that reaches nobody', async () => {
    const id = await store.accept(tenant, 0, {
      recipients: 1,
      pushes: [],
      users: [{ id: newId(), variables: null }],
      credentials: {},
    });
    expect(await store.operations.find(tenant.accountId, id)).toMatchObject({
      status: 'COMPLETED',
      stats: { total: 1, unaddressable: 1 },
    });
  });

  it.each([
    ['a NUL', 'nul\0'],
    ['half a surrogate pair', 'half\ud800'],
  ])('writes nothing when one row cannot be stored: %s', async (_, token) => {
    const count = async () =>
      (await store.db.query<{ n: number }>('SELECT count(*)::int AS n FROM operations'))[0]?.n;
    const before = await count();
    const pushes = [
      { provider: 'FCM' as const, token: 'fine', variables: null },
      { provider: 'FCM' as const, token, variables: null },
    ];
    await expect(store.accept(tenant, 2, { pushes })).rejects.toThrow(InvalidRequest);
    expect(await count()).toBe(before);
  });

  it('keeps badge, overrides and the tags of operation and pushes', async () => {
    const overrides = { fcm: { android: { ttl: '5s' } } };
    const id = await store.accept(tenant, 0, {
      recipients: 3,
      tags: { who: '{{ name }}', kind: 'x' },
      settings: {
        content: { body: 'B', imageUrl: 'https://example.com/a.png' },
        priority: 'LOW',
        sound: null,
        ttlSeconds: 60,
        collapseKey: null,
        badge: 0,
        overrides,
      },
      pushes: [
        { provider: 'FCM', token: 'a', variables: null },
        { provider: 'FCM', token: 'b', variables: null, tags: { who: 'ann', kind: 'x' } },
      ],
      users: [{ id: newId(), variables: null }],
    });
    const operation = await store.operations.find(tenant.accountId, id);
    expect(operation).toMatchObject({ tags: { who: '{{ name }}', kind: 'x' }, scheduledFor: null });
    const plain = await store.accept(tenant, 1);
    expect(await store.deliveries.settings([plain, newId(), id])).toMatchObject([
      { badge: null, overrides: null },
      null,
      { badge: 0, overrides },
    ]);
    const tags = await store.db.query(
      'SELECT tags FROM push_notifications WHERE operation_id = $1 ORDER BY id',
      [id],
    );
    expect(tags).toEqual([{ tags: null }, { tags: { who: 'ann', kind: 'x' } }]);
  });

  it('gives every push the tags of the operation when none brings its own', async () => {
    const id = await store.accept(tenant, 2, { tags: { a: 'b' } });
    const { items } = await store.pushes.list(
      tenant.accountId,
      { operationId: id },
      { limit: 5, before: null },
    );
    expect(items.map(({ tags }) => tags)).toEqual([{ a: 'b' }, { a: 'b' }]);
  });

  it('says Unavailable, not an error of its own, when PostgreSQL is away', async () => {
    const url = new URL(store.database.appUrl);
    url.port = '1';
    const away = new Database({ url: url.href, poolSize: 1, applicationName: 'test' });
    await expect(new OperationRepository(away).find(newId(), newId())).rejects.toThrow(Unavailable);
    await expect(away.ping()).rejects.toThrow(Unavailable);
    await away.close();
  });
});

describe('accept under a key', () => {
  const newOperation = (token: string) => ({
    settings: {
      content: { body: 'B' },
      priority: 'HIGH' as const,
      sound: null,
      ttlSeconds: 60,
      collapseKey: null,
      badge: null,
      overrides: null,
    },
    scheduledFor: null,
    tags: null,
    recipients: 1,
    pushes: [{ provider: 'FCM' as const, token, variables: null }],
    users: [],
    appName: 'news',
    credentials: { FCM: tenant.fcm },
  });
  const accept = (key: string, request = 'request', accountId = tenant.accountId) =>
    store.operations.accept(accountId, newOperation(key), once(key, request));
  const written = async (token: string) =>
    (
      await store.db.query<{ n: number }>(
        'SELECT count(*)::int AS n FROM push_notifications WHERE token = $1',
        [token],
      )
    )[0]?.n;

  it('writes an equal request once, and answers it alike', async () => {
    const first = await accept('again');
    expect(first.replayed).toBe(false);
    expect(await accept('again')).toEqual({ id: first.id, replayed: true });
    expect(await written('again')).toBe(1);
    expect(await store.operations.findDone(tenant.accountId, once('again'))).toEqual({
      id: first.id,
      replayed: true,
    });
  });

  it('refuses another request, and knows nothing of other accounts', async () => {
    await accept('other');
    await expect(accept('other', 'another')).rejects.toThrow(KeyReused);
    await expect(
      store.operations.findDone(tenant.accountId, once('other', 'another')),
    ).rejects.toThrow(KeyReused);
    const stranger = await store.tenant();
    expect((await accept('other', 'another', stranger.accountId)).replayed).toBe(false);
    expect(await written('other')).toBe(2);
  });

  it('of ten at once one is written and all get its id', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, () => accept('race')));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(all.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await written('race')).toBe(1);
  });

  it('leaves the key free when the first of two at once is rolled back', async () => {
    const client = await store.db.pool.connect();
    await client.query('BEGIN');
    await client.query(
      `INSERT INTO idempotency_keys (account_id, key, fingerprint, resource_id) VALUES ($1, 'free', '', $1)`,
      [tenant.accountId],
    );
    const second = accept('free');
    await store.untilWaiting(1);
    await client.query('ROLLBACK');
    client.release();
    expect((await second).replayed).toBe(false);
    expect(await written('free')).toBe(1);
  });

  it('writes no key with a request that fails', async () => {
    await expect(
      store.operations.accept(tenant.accountId, newOperation('nul\0'), once('bad')),
    ).rejects.toThrow(InvalidRequest);
    expect(await store.operations.findDone(tenant.accountId, once('bad'))).toBeNull();
  });

  it('forgets keys after 24 hours', async () => {
    const first = await accept('old');
    await accept('young');
    const age = (key: string, hours: number) =>
      store.db.query(
        `UPDATE idempotency_keys SET created_at = now() - make_interval(mins => $2) WHERE key = $1`,
        [key, hours * 60],
      );
    await age('old', 24.1);
    await age('young', 23.9);
    await store.sweeps.pass((pass) => pass.forgetKeys(10));
    const again = await accept('old');
    expect([again.replayed, again.id === first.id]).toEqual([false, false]);
    expect((await accept('young')).replayed).toBe(true);
  });
});

describe('find', () => {
  it("does not know another account's operation", async () => {
    const id = await store.accept(tenant, 1);
    expect(await store.operations.find(newId(), id)).toBeNull();
    expect(await store.operations.find(tenant.accountId, newId())).toBeNull();
  });
});

describe('list', () => {
  it('pages newest first, by keyset, without skip or repeat while operations are added', async () => {
    const own = await store.tenant();
    const ids: Uuid[] = [];
    for (let n = 0; n < 5; n++) ids.push(await store.accept(own, 1));
    const seen: Uuid[] = [];
    let before: Uuid | null = null;
    do {
      const page: Awaited<ReturnType<typeof store.operations.list>> = await store.operations.list(
        own.accountId,
        {},
        { limit: 2, before },
      );
      seen.push(...page.items.map(({ id }) => id));
      await store.accept(own, 1);
      before = page.next;
    } while (before !== null);
    expect(seen).toEqual(ids.reverse());
  });

  it('filters by status and inclusive dates', async () => {
    const own = await store.tenant();
    const id = await store.accept(own, 1);
    const createdAt = (await store.operations.find(own.accountId, id))!.createdAt;
    const list = async (filter: Parameters<typeof store.operations.list>[1]) =>
      (await store.operations.list(own.accountId, filter, { limit: 10, before: null })).items
        .length;
    const justBefore = new Date(createdAt.getTime() - 1);
    const justAfter = new Date(createdAt.getTime() + 1);
    expect(await list({ status: 'PROCESSING' })).toBe(1);
    expect(await list({ status: 'COMPLETED' })).toBe(0);
    expect(await list({ startDate: createdAt, endDate: createdAt })).toBe(1);
    expect(await list({ endDate: justBefore })).toBe(0);
    expect(await list({ startDate: justAfter })).toBe(0);
  });
});

describe('operations.status', () => {
  it('is derived in SQL exactly as operationStatus derives it', async () => {
    const values = [0, 1, 2];
    const cases: Record<
      'scheduled' | 'queued' | 'sent' | 'failed' | 'canceled' | 'unaddressable',
      number
    >[] = [];
    for (const scheduled of values)
      for (const queued of values)
        for (const sent of values)
          for (const failed of values)
            for (const canceled of values)
              for (const unaddressable of values)
                cases.push({ scheduled, queued, sent, failed, canceled, unaddressable });
    const total = (c: (typeof cases)[number]) =>
      c.scheduled + c.queued + c.sent + c.failed + c.canceled + c.unaddressable;
    const rows = await store.db.transaction(async (client) => {
      await client.query(
        `INSERT INTO operations (id, account_id, content, priority, ttl_seconds, recipients,
           unaddressable_users, total, scheduled, queued, sent, failed, canceled, unaddressable, last_push_id)
         SELECT gen_random_uuid(), $1, jsonb_build_object('n', n), 'HIGH', 0, 0, '{}', t, a, b, c, d, e, f, gen_random_uuid()
         FROM unnest($2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[])
           WITH ORDINALITY AS x (t, a, b, c, d, e, f, n)`,
        [
          newId(),
          cases.map(total),
          ...(['scheduled', 'queued', 'sent', 'failed', 'canceled', 'unaddressable'] as const).map(
            (key) => cases.map((c) => c[key]),
          ),
        ],
      );
      const { rows } = await client.query<{ status: string }>(
        `SELECT status FROM operations WHERE content ? 'n' ORDER BY (content->>'n')::int`,
      );
      await client.query(`DELETE FROM operations WHERE content ? 'n'`);
      return rows;
    });
    expect(rows.map(({ status }) => status)).toEqual(
      cases.map((c) => operationStatus({ ...c, total: total(c) })),
    );
  });
});
