import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FAILURES, type Uuid } from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import type { ExpireOptions } from './expire.repository.js';
import type { NewOperation } from './ports.js';
import { measureStatements } from './testing-plans.js';
import { settlementOf, type Tenant } from './testing.js';

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore({ window: 50 });
});

afterAll(() => store?.drop());

beforeEach(async () => {
  await store.db.query('DELETE FROM push_notifications');
  await store.db.query('DELETE FROM operation_parts');
  await store.db.query('DELETE FROM operations');
  await store.db.query('UPDATE credential_windows SET outstanding = 0');
  tenant = await store.tenant();
});

// Counters and windows add up after each.
afterEach(async () => expect(await store.discrepancies()).toEqual([]));

const DAY: ExpireOptions = {
  retryWindowMs: 86_400_000,
  leaseMs: 60_000,
  operations: 100,
  pushes: 100,
};
const expire = (options: Partial<ExpireOptions> = {}, after: Uuid | null = null) =>
  store.expiries.expire(after, { ...DAY, ...options });

/** Waits until an operation is a second old, and its pushes have expired if that is all their life. */
async function olderThanASecond(operationId: Uuid): Promise<void> {
  for (;;) {
    const [row] = await store.db.query<{ over: boolean }>(
      `SELECT last_push_id < lowest_id_at(now() - interval '1.001 seconds') AND NOT EXISTS (
         SELECT FROM push_notifications WHERE operation_id = o.id AND o.ttl_seconds = 1 AND expires_at > now()
       ) AS over FROM operations o WHERE id = $1`,
      [operationId],
    );
    if (row?.over === true) return;
  }
}

const settings = (ttlSeconds: number): Pick<NewOperation, 'settings'> => ({
  settings: {
    content: { body: 'B' },
    priority: 'HIGH',
    sound: null,
    ttlSeconds,
    collapseKey: null,
    badge: null,
    overrides: null,
  },
});

async function accept(count: number, ttlSeconds: number): Promise<Uuid> {
  return store.accept(tenant, count, settings(ttlSeconds));
}

const rowsOf = (operationId: Uuid) =>
  store.db.query<{ status: string; error_code: number | null; attempt_count: number }>(
    `SELECT status, error_code, attempt_count FROM push_notifications WHERE operation_id = $1 ORDER BY id`,
    [operationId],
  );

describe('a push whose time to live is over', () => {
  it('ends, unless somebody holds its lease; counters and windows follow', async () => {
    const id = await accept(6, 1);
    const ids = await store.idsOf(id);
    await store.dispatches.takeTurns('small', 5, () => Promise.resolve());
    const [live] = await store.claim(ids.slice(0, 1));
    await store.claim(ids.slice(1, 2), 0);
    await store.settle(await store.claim(ids.slice(2, 3)));
    const [was] = await store.db.query<{ dispatched: Date; claimed: Date }>(
      `SELECT q.dispatched_at AS dispatched, p.lease_until - interval '5 seconds' AS claimed
       FROM operation_parts q JOIN push_notifications p USING (operation_id) WHERE operation_id = $1 AND p.id = $2`,
      [id, ids[1]],
    );
    expect(await expire()).toEqual({ next: null, expired: 0 });
    await olderThanASecond(id);
    expect(await expire({ leaseMs: 5_000 })).toEqual({ next: null, expired: 4 });
    const { code } = FAILURES.EXPIRED;
    const over = { status: 'FAILED', error_code: code, attempt_count: 0 };
    expect(await rowsOf(id)).toEqual([
      { status: 'QUEUED', error_code: null, attempt_count: 0 },
      // Its worker vanished: what that attempt did is unknown, and counts.
      { ...over, attempt_count: 1 },
      { status: 'SENT', error_code: null, attempt_count: 1 },
      over,
      over,
      over,
    ]);
    const found = await store.pushes.find(tenant.accountId, ids[1]!);
    // By the clock that gave the lease, not by this process's.
    expect(found?.history.attempts).toEqual([
      {
        ...{ at: was!.claimed.toISOString(), latencyMs: 0, counted: true },
        ...{ outcome: 'unknown', reason: 'lease-lost' },
      },
    ]);
    // What was handed over stays so; the last one was not.
    const dispatched = ids.slice(3).map(async (push) => {
      return (await store.pushes.find(tenant.accountId, push))?.history.dispatchedAt;
    });
    expect(await Promise.all(dispatched)).toEqual([was!.dispatched, was!.dispatched, null]);
    expect(found?.history.dispatchedAt).toEqual(was!.dispatched);
    expect(found?.push.error).toEqual({ code, message: FAILURES.EXPIRED.sentence });
    expect(await store.outstanding(tenant.fcm)).toBe(1);
    // Whoever had it in hand comes too late, or not: the fence says so.
    await store.deliveries.settle([settlementOf(live!)]);
    expect(await store.operations.find(tenant.accountId, id)).toMatchObject({
      status: 'COMPLETED',
      stats: { sent: 2, failed: 4, queued: 0 },
    });
  });

  it('and a lapsed one that a worker settles at last: the settlement changes nothing', async () => {
    const id = await accept(1, 1);
    await store.dispatchAll('small');
    const [claim] = await store.claim(await store.idsOf(id), 0);
    await olderThanASecond(id);
    expect((await expire()).expired).toBe(1);
    expect((await store.deliveries.settle([settlementOf(claim!)])).changed.size).toBe(0);
  });

  it('waits for its one attempt when that is all it has', async () => {
    const id = await accept(2, 0);
    await olderThanASecond(id);
    expect((await expire()).expired).toBe(0);
  });

  it('lives anew after a redrive', async () => {
    const id = await accept(1, 1);
    await olderThanASecond(id);
    expect((await expire()).expired).toBe(1);
    await store.redrives.redrive(tenant.accountId, { operationId: id });
    expect((await expire()).expired).toBe(0);
    expect((await rowsOf(id))[0]?.status).toBe('QUEUED');
  });
});

describe('a push that only heard that its credential is refused', () => {
  it('ends with its time to live, not with a retry window that never began', async () => {
    const id = await accept(1, 60);
    await store.dispatchAll('small');
    const [claim] = await store.claim(await store.idsOf(id));
    const attempts = [
      { at: '2026-04-20T14:22:00.000Z', outcome: 'credential', latencyMs: 1, counted: false },
    ];
    await store.deliveries.settle([
      settlementOf(claim!, { to: 'QUEUED', attempts, countedAttempts: 0 }),
    ]);
    await olderThanASecond(id);
    expect((await expire({ retryWindowMs: 0 })).expired).toBe(0);
    await store.db.query(
      `UPDATE push_notifications SET expires_at = now() WHERE operation_id = $1`,
      [id],
    );
    expect((await expire({ retryWindowMs: 0 })).expired).toBe(1);
    expect((await rowsOf(id))[0]).toMatchObject({ error_code: FAILURES.EXPIRED.code });
  });
});

describe('a push whose retry window is over', () => {
  it.each([0, 3_600])('ends, of ttlSeconds %d too', async (ttlSeconds) => {
    const id = await accept(2, ttlSeconds);
    const ids = await store.idsOf(id);
    await store.dispatchAll('small');
    const claims = await store.claim(ids.slice(0, 1));
    const attempts = [
      { at: '2026-04-20T14:22:00.000Z', outcome: 'retry', latencyMs: 1, counted: true },
    ];
    await store.deliveries.settle([settlementOf(claims[0]!, { to: 'QUEUED', attempts })]);
    await store.db.query(
      `UPDATE push_notifications SET first_attempt_at = now() - interval '2 seconds' WHERE id = $1`,
      [ids[0]],
    );
    // The other one was never tried, and is wanted since a moment ago.
    await store.db.query(
      `UPDATE push_notifications SET expires_at = now() + make_interval(secs => $2 + 60) WHERE id = $1`,
      [ids[1], ttlSeconds],
    );
    await olderThanASecond(id);
    expect((await expire()).expired).toBe(0);
    expect((await expire({ retryWindowMs: 1_000 })).expired).toBe(1);
    expect((await rowsOf(id))[0]).toEqual({
      status: 'FAILED',
      error_code: FAILURES.RETRIES_EXHAUSTED.code,
      attempt_count: 1,
    });
  });

  it('ends also when its one attempt never came', async () => {
    const id = await accept(1, 0);
    await olderThanASecond(id);
    expect((await expire()).expired).toBe(0);
    expect((await expire({ retryWindowMs: 1_000 })).expired).toBe(1);
    expect((await rowsOf(id))[0]).toMatchObject({ status: 'FAILED', attempt_count: 0 });
  });
});

describe('what waits behind a pause for longer than a retry window, and may wait on', () => {
  const HOUR = 3_600_000;
  const WEEKS = 14 * 86_400;
  const look = () => expire({ retryWindowMs: HOUR });

  /** An operation that was accepted two hours ago, as its id says. */
  async function acceptOld(count: number): Promise<Uuid> {
    const [row] = await store.db.query<{ id: Uuid }>(
      `WITH old AS (SELECT lowest_id_at(now() - interval '2 hours') AS id), parts AS (
         UPDATE operation_parts SET operation_id = old.id FROM old WHERE operation_id = $1
       ), pushes AS (
         UPDATE push_notifications SET operation_id = old.id FROM old WHERE operation_id = $1
       )
       UPDATE operations SET id = old.id FROM old WHERE operations.id = $1 RETURNING operations.id`,
      [await accept(count, WEEKS)],
    );
    return row!.id;
  }

  const restsUntil = async (id: Uuid) =>
    (
      await store.db.query<{ until: Date | null }>(
        'SELECT nothing_over_until AS until FROM operations WHERE id = $1',
        [id],
      )
    )[0]!.until;

  /** As if its first attempt had come so long ago. */
  const tried = (pushId: Uuid, ago: string) =>
    store.db.query(
      'UPDATE push_notifications SET first_attempt_at = now() - $2::interval WHERE id = $1',
      [pushId, ago],
    );

  it('is read through once, and not by the looks that follow', async () => {
    await acceptOld(1_000);
    const measure = measureStatements(store);
    expect(await look()).toEqual({ next: null, expired: 0 });
    const statements = await measure(look);
    const rows = statements.map((statement) => statement.rows.push_notifications ?? 0);
    expect(rows.reduce((sum, each) => sum + each, 0)).toBe(0);
  });

  it('is looked at again when something of it may be over', async () => {
    const id = await acceptOld(3);
    const [first, second] = await store.idsOf(id);
    await tried(first!, '59 minutes 59 seconds');
    await tried(second!, '30 minutes');
    expect((await look()).expired).toBe(0);
    expect((await restsUntil(id))!.getTime()).toBeLessThan(Date.now() + 30_000);
    let expired = 0;
    while (expired === 0) expired = (await look()).expired;
    expect(expired).toBe(1);
    expect((await rowsOf(id))[0]).toMatchObject({ error_code: FAILURES.RETRIES_EXHAUSTED.code });
    // The next one is the second, in half an hour; what was never tried does not count.
    await look();
    const inMs = (await restsUntil(id))!.getTime() - Date.now();
    expect([inMs, inMs > 28 * 60_000 && inMs < 31 * 60_000]).toEqual([inMs, true]);
  });

  it('rests an hour at most', async () => {
    const id = await acceptOld(1);
    await tried((await store.idsOf(id))[0]!, '-3 hours');
    await expire({ retryWindowMs: 1.5 * HOUR });
    const inMs = (await restsUntil(id))!.getTime() - Date.now();
    expect([inMs, inMs <= HOUR + 60_000]).toEqual([inMs, true]);
  });

  it.each(['redrive', 'begin'])('is looked at again after a %s', async (how) => {
    const id = await acceptOld(2);
    const [push] = await store.idsOf(id);
    if (how === 'redrive') await store.settle(await store.claim([push!]), true);
    else {
      await store.db.query(`UPDATE push_notifications SET status = 'SCHEDULED' WHERE id = $1`, [
        push,
      ]);
      await store.db.query(
        'UPDATE operations SET scheduled = 1, queued = 1, scheduled_for = now() WHERE id = $1',
        [id],
      );
    }
    await look();
    expect(await restsUntil(id)).not.toBeNull();
    if (how === 'redrive') await store.redrives.redrive(tenant.accountId, { operationId: id });
    else expect(await store.schedules.beginDue(10)).toBe(1);
    expect((await restsUntil(id))?.getTime()).toBeLessThanOrEqual(Date.now() + 1);
  });
});

describe('a look', () => {
  it('goes on where the one before ended, and begins again', async () => {
    const ids = [];
    for (let n = 0; n < 5; n++) ids.push(await accept(1, 3_600));
    const first = await expire({ operations: 2 });
    expect(first.next).toBe(ids[1]);
    const second = await expire({ operations: 2 }, first.next);
    expect(second.next).toBe(ids[3]);
    expect((await expire({ operations: 2 }, second.next)).next).toBeNull();
  });

  it('ends no more pushes than it may, and comes back for the rest', async () => {
    const first = await accept(3, 1);
    const last = await accept(4, 1);
    await olderThanASecond(last);
    // Reads the first operation alone: both would be too much.
    const one = await expire({ pushes: 5 });
    expect(one).toEqual({ next: first, expired: 3 });
    const two = await expire({ pushes: 2 }, one.next);
    expect(two).toEqual({ next: one.next, expired: 2 });
    expect(await expire({ pushes: 5 }, two.next)).toEqual({ next: null, expired: 2 });
  });

  it('waits for nobody: what is locked has its turn later', async () => {
    const id = await accept(2, 1);
    await olderThanASecond(id);
    const [first] = await store.idsOf(id);
    const holder = await store.db.pool.connect();
    try {
      for (const [locked, left] of [
        ['SELECT FROM operations WHERE id = $1 FOR NO KEY UPDATE', 2],
        ['SELECT FROM operation_parts WHERE operation_id = $1 FOR UPDATE', 2],
        [
          `SELECT FROM push_notifications WHERE id = '${first}' AND operation_id = $1 FOR UPDATE`,
          1,
        ],
      ] as const) {
        await holder.query('BEGIN');
        await holder.query(locked, [id]);
        await expire();
        await holder.query('ROLLBACK');
        expect((await store.idsOf(id, 'QUEUED')).length).toBe(left);
      }
    } finally {
      holder.release();
    }
    expect((await expire()).expired).toBe(1);
  });

  it('reads what is unfinished by indexes alone', async () => {
    const plans = await store.db.query<{ 'QUERY PLAN': string }>(
      `EXPLAIN SELECT id FROM operations WHERE status = 'PROCESSING' AND id > $1 ORDER BY id LIMIT 10`,
      ['00000000-0000-0000-0000-000000000000'],
    );
    expect(plans.map((row) => row['QUERY PLAN']).join('\n')).toContain('operations_processing_idx');
  });
});
