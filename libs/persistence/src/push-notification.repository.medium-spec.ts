import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type Uuid } from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { MAX_EXAMINED_ROWS } from './examined-pushes.js';
import type { PushNotificationFilter } from './ports.js';
import { settlementOf, type Tenant } from './testing.js';

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore();
  tenant = await store.tenant();
});

afterAll(() => store?.drop());

const list = (filter: PushNotificationFilter, limit = 100, before: Uuid | null = null) =>
  store.pushes.list(tenant.accountId, filter, { limit, before });

async function pages(filter: PushNotificationFilter, limit: number) {
  const seen: Uuid[] = [];
  let requests = 0;
  let before: Uuid | null = null;
  do {
    const page: Awaited<ReturnType<typeof list>> = await list(filter, limit, before);
    seen.push(...page.items.map(({ id }) => id));
    before = page.next;
    requests++;
  } while (before !== null);
  return { seen, requests };
}

describe('list', () => {
  it('finds the pushes of one operation among others, page by page', async () => {
    const first = await store.accept(tenant, 7);
    await store.accept(tenant, 5);
    const { seen, requests } = await pages({ operationId: first }, 3);
    expect([seen.length, new Set(seen).size, requests]).toEqual([7, 7, 3]);
    expect(seen).toEqual([...seen].sort().reverse());
    expect((await list({ operationId: first })).items.every((p) => p.operationId === first)).toBe(
      true,
    );
  });

  it('filters by status and provider', async () => {
    const operationId = await store.accept(tenant, 2, {
      pushes: [
        { provider: 'APN', token: 'a', variables: null },
        { provider: 'FCM', token: 'b', variables: null },
      ],
    });
    const apn = await list({ operationId, provider: 'APN' });
    expect(apn.items.map(({ target }) => target.token)).toEqual(['a']);
    const [claim] = await store.claim([apn.items[0]!.id]);
    await store.deliveries.settle([settlementOf(claim!)]);
    const sent = await list({ operationId, status: 'SENT' });
    expect(sent.items.map(({ id, providerMessageId }) => [id, providerMessageId])).toEqual([
      [claim!.id, 'm'],
    ]);
    expect((await list({ operationId, status: 'QUEUED' })).items).toHaveLength(1);
  });

  it('filters by tags, all of which must be there', async () => {
    const operationId = await store.accept(tenant, 0, {
      recipients: 3,
      tags: { who: '{{ x }}', kind: 'news' },
      pushes: ['ann', 'bob', 'ann'].map((who) => ({
        provider: 'FCM' as const,
        token: who,
        variables: null,
        tags: { who, kind: 'news' },
      })),
    });
    const found = async (tags: [string, string][]) =>
      (await list({ operationId, tags })).items.map(({ tags: own }) => own?.['who']);
    expect(await found([['who', 'ann']])).toEqual(['ann', 'ann']);
    expect(
      await found([
        ['kind', 'news'],
        ['who', 'bob'],
      ]),
    ).toEqual(['bob']);
    expect(
      await found([
        ['who', 'ann'],
        ['who', 'bob'],
      ]),
    ).toEqual([]);
    expect(await found([['who', 'an']])).toEqual([]);
    expect(await found([['__proto__', 'x']])).toEqual([]);
  });

  it('filters by error code and user, page by page, each by an index of its own', async () => {
    const own = await store.tenant();
    const userId = newId();
    const operationId = await store.accept(own, 0, {
      recipients: 6,
      pushes: Array.from({ length: 6 }, (_, at) => ({
        provider: 'FCM' as const,
        token: `${at}`,
        variables: null,
        ...(at % 2 === 0 ? { userId } : {}),
      })),
    });
    const claims = await store.claim(await store.idsOf(operationId));
    await store.settle(claims.slice(0, 4), true);
    const found = async (filter: PushNotificationFilter) => {
      const tokens: string[] = [];
      let before: Uuid | null = null;
      do {
        const page: Awaited<ReturnType<typeof list>> = await store.pushes.list(
          own.accountId,
          filter,
          { limit: 1, before },
        );
        tokens.push(...page.items.map(({ target }) => target.token));
        before = page.next;
      } while (before !== null);
      return tokens;
    };
    expect(await found({ errorCode: 71001 })).toEqual(['3', '2', '1', '0']);
    expect(await found({ errorCode: 71002 })).toEqual([]);
    expect(await found({ userId })).toEqual(['4', '2', '0']);
    expect(await found({ userId, errorCode: 71001 })).toEqual(['2', '0']);
    expect(await found({ userId, status: 'QUEUED' })).toEqual(['4']);
    expect(await found({ userId: newId() })).toEqual([]);
  });

  it("never shows another account's pushes", async () => {
    const operationId = await store.accept(tenant, 1);
    const other = await store.tenant();
    const page = await store.pushes.list(
      other.accountId,
      { operationId },
      { limit: 5, before: null },
    );
    expect(page).toEqual({ items: [], next: null });
    const id = (await list({ operationId })).items[0]!.id;
    expect(await store.pushes.find(other.accountId, id)).toBeNull();
    expect(await store.pushes.find(tenant.accountId, newId())).toBeNull();
  });

  it('looks at 20,000 rows at most: an empty page still leads on, and nothing is missed', async () => {
    const own = await store.tenant();
    const oldest = await store.accept(own, 1, {
      pushes: [{ provider: 'APN', token: 'rare', variables: null }],
    });
    for (let n = 0; n < 3; n++) await store.accept(own, MAX_EXAMINED_ROWS / 2);
    const first = await store.pushes.list(
      own.accountId,
      { provider: 'APN' },
      { limit: 5, before: null },
    );
    expect(first.items).toEqual([]);
    expect(first.next).not.toBeNull();
    const second = await store.pushes.list(
      own.accountId,
      { provider: 'APN' },
      { limit: 5, before: first.next },
    );
    expect(second.items.map(({ operationId }) => operationId)).toEqual([oldest]);
    expect(second.next).toBeNull();
  }, 60_000);

  it.each([
    ['error_code IS NOT NULL', '(account_id, id) WHERE (error_code IS NOT NULL)'],
    [`user_id = '${newId()}'`, '(account_id, user_id, id) WHERE (user_id IS NOT NULL)'],
  ])('reads %s from its own index', async (condition, index) => {
    const own = await store.tenant();
    await store.accept(own, 5_000);
    await store.accept(own, 1);
    await store.db.query('ANALYZE push_notifications').catch(() => undefined);
    const [explained] = await store.db.query<{ 'QUERY PLAN': unknown }>(
      `EXPLAIN (FORMAT JSON) SELECT * FROM push_notifications
       WHERE account_id = $1 AND ${condition} ORDER BY id DESC LIMIT 20000`,
      [own.accountId],
    );
    const plan = JSON.stringify(explained);
    const used = await store.db.query<{ indexdef: string }>(
      `SELECT indexdef FROM pg_indexes WHERE position('"' || indexname || '"' IN $1) > 0`,
      [plan],
    );
    expect(used.length).toBeGreaterThan(0);
    for (const { indexdef } of used) expect(indexdef).toContain(index);
    expect(plan).not.toContain('Seq Scan');
  });

  it('reads an index, never the table, and only the partitions of the dates', async () => {
    const [explained] = await store.db.query<{ 'QUERY PLAN': unknown }>(
      `EXPLAIN (FORMAT JSON) SELECT * FROM push_notifications
       WHERE account_id = $1 AND id >= lowest_id_at(now() - interval '1 hour') AND id < lowest_id_at(now() + interval '1 hour')
       ORDER BY id DESC LIMIT 50`,
      [tenant.accountId],
    );
    const plan = JSON.stringify(explained);
    expect(plan).toContain('account_id_id_idx');
    expect(plan).not.toContain('Seq Scan');
  });
});

describe('find', () => {
  const historyOf = async (id: Uuid) => (await store.pushes.find(tenant.accountId, id))!.history;

  it('knows what happened to a push: nothing, handed over, tried, settled, redriven', async () => {
    const operationId = await store.accept(tenant, 3);
    const [first, second, third] = (await store.idsOf(operationId)) as [Uuid, Uuid, Uuid];
    const nothing = { dispatchedAt: null, attempts: [], redrivenAt: null, settledAt: null };
    expect(await historyOf(first)).toEqual(nothing);

    // One of three: the part's cursor tells which.
    const [part] = await store.db.query<{ at: Date }>(
      `UPDATE operation_parts SET dispatched_through = $2, dispatched_at = now() WHERE operation_id = $1
       RETURNING dispatched_at AS at`,
      [operationId, first],
    );
    expect(await historyOf(first)).toEqual({ ...nothing, dispatchedAt: part!.at });
    expect(await historyOf(second)).toEqual(nothing);
    await store.db.query(
      'UPDATE operation_parts SET dispatched_through = NULL WHERE operation_id = $1',
      [operationId],
    );

    await store.dispatchAll('small');
    const claims = await store.claim([first]);
    const dispatchedAt = new Date('2026-04-20T14:21:59.500Z');
    await store.deliveries.settle([settlementOf(claims[0]!, { to: 'QUEUED' })]);
    // The first hand-over is kept, whatever job comes later.
    const again = await store.claim([first]);
    const later = new Date('2026-04-20T15:00:00Z');
    await store.deliveries.settle([
      settlementOf(again[0]!, { to: 'FAILED', errorCode: 71001, dispatchedAt: later }),
    ]);
    const failed = await historyOf(first);
    expect(failed).toMatchObject({ dispatchedAt, redrivenAt: null, settledAt: expect.any(Date) });
    expect(failed.attempts).toHaveLength(2);

    await store.redrives.redrive(tenant.accountId, { pushId: first });
    expect(await historyOf(first)).toEqual({
      dispatchedAt,
      attempts: failed.attempts,
      redrivenAt: expect.any(Date),
      settledAt: null,
    });
    await store.cancels.cancel(tenant.accountId, { pushId: third });
    expect(await historyOf(third)).toMatchObject({ attempts: [], settledAt: expect.any(Date) });
    await store.cancels.cancel(tenant.accountId, { operationId });
  });
});
