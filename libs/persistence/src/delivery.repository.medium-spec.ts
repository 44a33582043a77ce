import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type OperationStats, type Uuid } from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import type { Database } from './database.js';
import { DeliveryRepository, isBadRow, type PushSettlement } from './delivery.repository.js';
import { settlementOf, Store, type Tenant } from './testing.js';

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore();
  tenant = await store.tenant();
});

afterAll(() => store?.drop());

const stats = async (operationId: Uuid): Promise<OperationStats> => {
  const operation = await store.operations.find(tenant.accountId, operationId);
  if (operation === null) throw new Error('no such operation');
  return operation.stats;
};

async function queued(count: number): Promise<{ operationId: Uuid; ids: Uuid[] }> {
  const operationId = await store.accept(tenant, count);
  const rows = await store.db.query<{ id: Uuid }>(
    'SELECT id FROM push_notifications WHERE operation_id = $1 ORDER BY id',
    [operationId],
  );
  return { operationId, ids: rows.map(({ id }) => id) };
}

describe('claim', () => {
  it('gives one claim to one of many that ask at once', async () => {
    const { ids } = await queued(20);
    const claims = await Promise.all([1, 2, 3, 4].map(() => store.claim(ids)));
    expect(claims.flat()).toHaveLength(20);
    expect(new Set(claims.flat().map(({ id }) => id))).toEqual(new Set(ids));
  });

  it('answers in the order asked, and says why the others were not taken', async () => {
    const { ids } = await queued(2);
    const [first, second] = ids as [Uuid, Uuid];
    await store.claim([second], 5_000);
    const unknown = newId();
    const results = await store.deliveries.claim([unknown, second, first], 60_000);
    expect(results.map(({ state }) => state)).toEqual(['over', 'wait', 'claimed']);
    const wait = results[1];
    expect(wait?.state === 'wait' && wait.waitMs > 3_000 && wait.waitMs <= 5_000).toBe(true);
  });

  it('gives a push that is asked for twice in one batch to one of the two', async () => {
    const { ids } = await queued(1);
    const results = await store.deliveries.claim([ids[0]!, ids[0]!], 60_000);
    expect(results.map(({ state }) => state)).toEqual(['claimed', 'wait']);
  });

  it('keeps the leases that it took when it cannot say why it took no others', async () => {
    const { ids } = await queued(2);
    await store.claim([ids[1]!]);
    let queries = 0;
    const failing = new DeliveryRepository({
      query: (text: string, values: unknown[]) =>
        ++queries === 1 ? store.db.query(text, values) : Promise.reject(new Error('away')),
    } as unknown as Database);
    const results = await failing.claim(ids, 60_000);
    expect(results.map(({ state }) => state)).toEqual(['claimed', 'wait']);
  });

  it('does not take what is not due', async () => {
    const { ids } = await queued(1);
    const [claim] = await store.claim(ids);
    await store.deliveries.settle([settlementOf(claim!, { to: 'QUEUED', dueInMs: 30_000 })]);
    const [result] = await store.deliveries.claim(ids, 60_000);
    expect(result?.state).toBe('wait');
    expect(result?.state === 'wait' ? result.waitMs : 0).toBeGreaterThan(28_000);
  });

  it('marks the lease of a worker that vanished as lost, never one that was given back', async () => {
    const { ids } = await queued(2);
    const claims = await store.claim(ids, 0);
    const returned = claims[1]!;
    await store.deliveries.settle([
      settlementOf(returned, { to: 'QUEUED', attempts: [], countedAttempts: 0 }),
    ]);
    const again = await store.claim(ids);
    const lost = again.map(({ id, lease, leaseLost }) => ({ id, lease, leaseLost }));
    expect(lost).toContainEqual({ id: claims[0]!.id, lease: 2, leaseLost: true });
    expect(lost).toContainEqual({ id: returned.id, lease: 2, leaseLost: false });
  });

  it('is a HOT update: no index entry is written for a lease', async () => {
    const { ids } = await queued(500);
    // Statistics belong to a connection until it flushes them: one for claims and counts alike.
    const one = new Store(store.database.appUrl, { poolSize: 1 });
    const updates = async () => {
      await one.db.query('SELECT pg_stat_force_next_flush()');
      const [row] = await one.db.query<{ all: number; hot: number }>(
        `SELECT sum(n_tup_upd)::int AS all, sum(n_tup_hot_upd)::int AS hot
         FROM pg_stat_user_tables WHERE relname LIKE 'push_notifications_2%'`,
      );
      return row ?? { all: 0, hot: 0 };
    };
    try {
      const before = await updates();
      for (let at = 0; at < ids.length; at += 100) await one.claim(ids.slice(at, at + 100));
      const after = await updates();
      expect(after.all - before.all).toBe(500);
      // Rows of earlier tests share the first page: a few may not find room there.
      expect(after.hot - before.hot).toBeGreaterThanOrEqual(490);
    } finally {
      await one.db.close();
    }
  });

  it.each([
    ['RST_PROTOCOL_ERROR', true],
    ['RST_INTERNAL_ERROR', true],
    ['RST_CANCEL', false],
    ['deadline', false],
  ])(
    'remembers of an attempt that ended in %s whether it blamed the push: %s',
    async (reason, is) => {
      const { ids } = await queued(2);
      const claims = await store.claim(ids);
      expect(claims.map(({ wasBlamed }) => wasBlamed)).toEqual([false, false]);
      const at = '2026-04-20T14:22:00.000Z';
      const attempt = (outcome: string, why: string) => [
        { at, outcome, reason: why, latencyMs: 3, counted: true },
      ];
      const [tried, throttled] = claims;
      await store.deliveries.settle([
        settlementOf(tried!, {
          to: 'QUEUED',
          attempts: attempt('unknown', reason),
          unknownAttempts: 1,
        }),
        settlementOf(throttled!, { to: 'QUEUED', attempts: attempt('retry', 'UNAVAILABLE') }),
      ]);
      const again = new Map((await store.claim(ids)).map((push) => [push.id, push.wasBlamed]));
      expect(again).toEqual(
        new Map([
          [tried!.id, is],
          [throttled!.id, false],
        ]),
      );
    },
  );

  it('forgives a push with its redrive that it was blamed before', async () => {
    const { operationId, ids } = await queued(1);
    const lose = async (reason: string, over: Partial<PushSettlement> = {}) => {
      const [claim] = await store.claim(ids);
      const at = claim!.claimedAt.toISOString();
      const attempts = [{ at, outcome: 'unknown', reason, latencyMs: 3, counted: true }];
      await store.deliveries.settle([
        settlementOf(claim!, { to: 'QUEUED', attempts, unknownAttempts: 1, ...over }),
      ]);
      return claim!.wasBlamed;
    };
    const failed = { to: 'FAILED', errorCode: 71010, errorMessage: 'lost' } as const;
    expect(await lose('RST_PROTOCOL_ERROR')).toBe(false);
    expect(await lose('RST_PROTOCOL_ERROR', failed)).toBe(true);
    await store.redrives.redrive(tenant.accountId, { operationId });
    expect(await lose('deadline')).toBe(false);
    // Its attempts are looked through from here.
    expect(await lose('RST_PROTOCOL_ERROR')).toBe(false);
    expect(await lose('deadline')).toBe(true);
  });
});

describe('settle', () => {
  it('moves pushes and counters in one transaction', async () => {
    const { operationId, ids } = await queued(3);
    await store.dispatchAll('small');
    const [a, b, c] = await store.claim(ids);
    const before = await store.outstanding(tenant.fcm);
    const settled = await store.deliveries.settle([
      settlementOf(a!),
      settlementOf(b!, { to: 'FAILED', errorCode: 71001, errorMessage: 'gone' }),
      settlementOf(c!, { to: 'QUEUED', dueInMs: 60_000 }),
    ]);
    expect(settled.changed.size).toBe(3);
    expect(await stats(operationId)).toMatchObject({ total: 3, queued: 1, sent: 1, failed: 1 });
    expect(await store.outstanding(tenant.fcm)).toBe((before ?? 0) - 2);
    const failed = await store.pushes.find(tenant.accountId, b!.id);
    expect(failed?.push).toMatchObject({
      status: 'FAILED',
      attempts: 1,
      error: { code: 71001, message: 'gone' },
    });
    expect((await store.operations.find(tenant.accountId, operationId))?.status).toBe('PROCESSING');
  });

  it('completes the operation with its last push', async () => {
    const { operationId, ids } = await queued(2);
    const claims = await store.claim(ids);
    await store.deliveries.settle(claims.map((claim) => settlementOf(claim)));
    expect((await store.operations.find(tenant.accountId, operationId))?.status).toBe('COMPLETED');
    const [row] = await store.db.query<{ done: boolean }>(
      'SELECT completed_at IS NOT NULL AS done FROM operations WHERE id = $1',
      [operationId],
    );
    expect(row?.done).toBe(true);
  });

  it('changes nothing when a batch is repeated after a lost answer', async () => {
    const { operationId, ids } = await queued(2);
    const batch = (await store.claim(ids)).map((claim) => settlementOf(claim));
    expect((await store.deliveries.settle(batch)).changed.size).toBe(2);
    expect((await store.deliveries.settle(batch)).changed.size).toBe(0);
    expect(await stats(operationId)).toMatchObject({ sent: 2, queued: 0 });
    const push = await store.pushes.find(tenant.accountId, ids[0]!);
    expect(push?.push.attempts).toBe(1);
  });

  it('refuses the settlement of a claim that somebody else has taken over', async () => {
    const { operationId, ids } = await queued(1);
    const [slow] = await store.claim(ids, 0);
    const [quick] = await store.claim(ids);
    expect(
      (await store.deliveries.settle([settlementOf(slow!, { to: 'FAILED' })])).changed.size,
    ).toBe(0);
    expect((await store.deliveries.settle([settlementOf(quick!)])).changed.size).toBe(1);
    expect(await stats(operationId)).toMatchObject({ sent: 1, failed: 0, queued: 0 });
  });

  it('begins the retry window with the first attempt that counts', async () => {
    const { ids } = await queued(1);
    const at = '2026-04-20T14:22:00.000Z';
    const tried = async (outcome: string, counted: boolean) => {
      const [claim] = await store.claim(ids);
      await store.deliveries.settle([
        settlementOf(claim!, {
          to: 'QUEUED',
          attempts: [{ at, outcome, latencyMs: 3, counted }],
          countedAttempts: counted ? 1 : 0,
        }),
      ]);
      const [next] = await store.claim(ids, -1);
      return next?.firstAttemptAt;
    };
    expect(await tried('credential', false)).toBeNull();
    const first = await tried('retry', true);
    expect(first).toBeInstanceOf(Date);
    expect(await tried('credential', false)).toEqual(first);
    expect(await tried('retry', true)).toEqual(first);
  });

  it('keeps the last 20 attempts', async () => {
    const { ids } = await queued(1);
    for (let lease = 1; lease <= 23; lease++) {
      const [claim] = await store.claim(ids);
      const attempts = [
        { at: '2026-04-20T14:22:00.000Z', outcome: 'retry', latencyMs: lease, counted: true },
      ];
      await store.deliveries.settle([settlementOf(claim!, { to: 'QUEUED', attempts })]);
    }
    const [row] = await store.db.query<{
      attempts: { latencyMs: number }[];
      attempt_count: number;
    }>('SELECT attempts, attempt_count FROM push_notifications WHERE id = $1', [ids[0]]);
    expect(row?.attempt_count).toBe(23);
    expect(row?.attempts.map(({ latencyMs }) => latencyMs)).toEqual(
      Array.from({ length: 20 }, (_, at) => at + 4),
    );
  });

  it('keeps attempts that count before those that do not', async () => {
    const { ids } = await queued(1);
    for (let lease = 1; lease <= 30; lease++) {
      const [claim] = await store.claim(ids);
      const counted = [1, 5, 30].includes(lease);
      const attempt = { at: '2026-04-20T14:22:00.000Z', outcome: 'retry' };
      // Two of one settlement, as after a lost lease.
      const attempts = [
        { ...attempt, latencyMs: 2 * lease, counted },
        { ...attempt, latencyMs: 2 * lease + 1, counted: false },
      ];
      await store.deliveries.settle([
        settlementOf(claim!, { to: 'QUEUED', attempts, countedAttempts: counted ? 1 : 0 }),
      ]);
    }
    const [row] = await store.db.query<{ attempts: { latencyMs: number }[] }>(
      'SELECT attempts FROM push_notifications WHERE id = $1',
      [ids[0]],
    );
    expect(row?.attempts.map(({ latencyMs }) => latencyMs)).toEqual([
      2,
      10,
      ...Array.from({ length: 18 }, (_, at) => at + 44),
    ]);
  });

  it('names a row that cannot be stored as such, and leaves the batch untouched', async () => {
    const { operationId, ids } = await queued(2);
    const [good, bad] = await store.claim(ids);
    const batch = [settlementOf(good!), settlementOf(bad!, { errorMessage: 'a\0b' })];
    const error = await store.deliveries.settle(batch).catch((thrown: unknown) => thrown);
    expect(isBadRow(error)).toBe(true);
    expect(await stats(operationId)).toMatchObject({ queued: 2, sent: 0 });
  });

  it('does not deadlock when writers settle the same operations in shuffled order', async () => {
    const operations = await Promise.all(Array.from({ length: 6 }, () => queued(60)));
    const claims = await store.claim(operations.flatMap(({ ids }) => ids));
    const shuffled = claims
      .map((claim, at) => ({ claim, key: (at * 7_919) % 361 }))
      .sort((a, b) => a.key - b.key)
      .map(({ claim }) => settlementOf(claim));
    const batches = Array.from({ length: 36 }, (_, at) => shuffled.slice(at * 10, at * 10 + 10));
    const results = await Promise.all(batches.map((batch) => store.deliveries.settle(batch)));
    expect(results.reduce((sum, { changed }) => sum + changed.size, 0)).toBe(360);
    for (const { operationId } of operations) {
      expect(await stats(operationId)).toMatchObject({ sent: 60, queued: 0 });
    }
  });
});
