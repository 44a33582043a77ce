import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Conflict, type Uuid } from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { SMALL_LANE_LIMIT } from './accept-statement.js';
import { measureStatements } from './testing-plans.js';
import type { Tenant } from './testing.js';

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore({ window: 5_000, poolSize: 12 });
});

afterAll(() => store?.drop());

beforeEach(async () => {
  await store.db.query('DELETE FROM push_notifications');
  await store.db.query('DELETE FROM operation_parts');
  await store.db.query('DELETE FROM operations');
  await store.db.query('UPDATE credential_windows SET outstanding = 0');
  tenant = await store.tenant();
});

afterEach(async () => expect(await store.discrepancies()).toEqual([]));

const due = () => new Date(Date.now() - 1_000);
/** Due for a little shorter. */
const dueAfterIt = () => new Date(Date.now() - 500);
const later = () => new Date(Date.now() + 60_000);
const statsOf = async (id: Uuid) => (await store.operations.find(tenant.accountId, id))!.stats;

describe('beginDue', () => {
  it('queues what is due and nothing else', async () => {
    const now = await store.accept(tenant, 3, { scheduledFor: due() });
    const then = await store.accept(tenant, 2, { scheduledFor: later() });
    expect(await store.dispatchAll('small')).toEqual([]);
    expect(await store.schedules.beginDue(100)).toBe(3);
    expect(await store.schedules.beginDue(100)).toBe(0);
    expect(await statsOf(now)).toMatchObject({ scheduled: 0, queued: 3 });
    expect(await statsOf(then)).toMatchObject({ scheduled: 2, queued: 0 });
    expect((await store.dispatchAll('small')).map(({ id }) => id)).toEqual(await store.idsOf(now));
  });

  it('goes on in the order of the ids, also while dispatch is at it', async () => {
    const id = await store.accept(tenant, 25, { scheduledFor: due() });
    const dispatched: Uuid[] = [];
    for (;;) {
      const begun = await store.schedules.beginDue(10);
      dispatched.push(...(await store.dispatchAll('small', 4)).map((push) => push.id));
      if (begun === 0) break;
    }
    expect(dispatched).toEqual(await store.idsOf(id));
  });

  it('begins several operations at once, each with all its providers', async () => {
    const pushes = ['FCM', 'APN', 'FCM'].map((provider, n) => ({
      provider: provider as 'FCM' | 'APN',
      token: `t${n}`,
      variables: null,
    }));
    const ids = [
      await store.accept(tenant, 3, { scheduledFor: due(), pushes }),
      await store.accept(tenant, 3, { scheduledFor: due(), pushes }),
    ];
    expect(await store.schedules.beginDue(100)).toBe(6);
    const handedOver = (await store.dispatchAll('small')).map((push) => push.id);
    expect(handedOver.sort()).toEqual((await Promise.all(ids.map((id) => store.idsOf(id)))).flat());
  });

  it('is read from an index that holds nothing but what waits', async () => {
    await store.accept(tenant, 1, { scheduledFor: later() });
    const [plan] = await store.db.transaction(async (client) => {
      await client.query('SET LOCAL enable_seqscan = off');
      return (
        await client.query(
          `EXPLAIN (FORMAT JSON) SELECT id FROM operations
           WHERE scheduled > 0 AND scheduled_for <= now() ORDER BY scheduled_for LIMIT 100`,
        )
      ).rows;
    });
    expect(JSON.stringify(plan)).toContain('operations_due_idx');
  });
});

describe('turns', () => {
  /** Just too many pushes for the lane of the small ones. */
  const LARGE = SMALL_LANE_LIMIT + 1;

  it('a single begins in the first chunk, whatever large operations are due for longer', async () => {
    const scheduledFor = due();
    for (let n = 0; n < 50; n++) await store.accept(tenant, LARGE, { scheduledFor });
    const own = await store.accept(tenant, 1, { scheduledFor: dueAfterIt() });
    const other = await store.tenant();
    const single = await store.accept(other, 1, { scheduledFor: dueAfterIt() });
    let told = 0;
    expect(await store.schedules.beginDue(100, () => told++)).toBe(102);
    for (const id of [own, single]) expect(await store.idsOf(id, 'QUEUED')).toHaveLength(1);
    // The dispatcher need not wait for what large ones begin beside them.
    expect(told).toBe(2);
  });

  it.each([
    ['small', 120, 1],
    ['large', 3, LARGE],
  ])('an account gets as much as any other, of %s operations', async (_, operations, pushes) => {
    const scheduledFor = due();
    for (let n = 0; n < operations; n++) await store.accept(tenant, pushes, { scheduledFor });
    const other = await store.tenant();
    const last = await store.accept(other, pushes, { scheduledFor: dueAfterIt() });
    expect(await store.schedules.beginDue(100)).toBe(pushes === 1 ? 51 : 100);
    expect(await store.idsOf(last, 'QUEUED')).toHaveLength(Math.min(pushes, 50));
  });

  it('of an account end in the order in which its operations are due', async () => {
    const second = await store.accept(tenant, LARGE, { scheduledFor: dueAfterIt() });
    const first = await store.accept(tenant, LARGE, { scheduledFor: due() });
    expect(await store.schedules.beginDue(LARGE)).toBe(LARGE);
    expect((await statsOf(first)).queued).toBe(LARGE);
    expect((await statsOf(second)).queued).toBe(0);
  });

  it.each([
    ['small', 1],
    ['large', LARGE],
  ])('are left to a second worker while the first one is at it, of %s ones', async (_, pushes) => {
    const oldest = await store.accept(tenant, pushes, { scheduledFor: due() });
    const scheduledFor = dueAfterIt();
    for (let n = 0; n < (pushes === 1 ? 150 : 50); n++)
      await store.accept(tenant, pushes, { scheduledFor });
    const holder = await store.db.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM operation_parts WHERE operation_id = $1 FOR UPDATE', [
        oldest,
      ]);
      const first = store.schedules.beginDue(pushes);
      await store.untilWaiting(1);
      expect(await store.schedules.beginDue(pushes)).toBe(pushes);
      await holder.query('ROLLBACK');
      expect(await first).toBe(pushes);
    } finally {
      holder.release();
    }
  });

  it('read as much at the end of a large operation as at its beginning', async () => {
    const CHUNK = 100;
    const id = await store.accept(tenant, 20 * CHUNK, { scheduledFor: due() });
    const measure = measureStatements(store);
    const chunk = async () => {
      const statements = await measure(() => store.schedules.beginDue(CHUNK));
      const sum = (of: readonly number[]) => of.reduce((total, each) => total + each, 0);
      return {
        rows: sum(statements.map(({ rows }) => rows.push_notifications ?? 0)),
        pages: sum(statements.map(({ pages }) => pages)),
      };
    };
    const first = await chunk();
    while ((await statsOf(id)).scheduled > CHUNK) await store.schedules.beginDue(CHUNK);
    const last = await chunk();
    expect((await statsOf(id)).scheduled).toBe(0);
    for (const { rows, pages } of [first, last]) {
      // Measured anew, a statement looks for the next ones above those that it began.
      expect([rows, rows <= 4 * CHUNK]).toEqual([rows, true]);
      expect([pages, pages <= 20 * CHUNK]).toEqual([pages, true]);
    }
  });

  it('are begun though a counter before them says that there is more than there is', async () => {
    const wrong = await store.accept(tenant, SMALL_LANE_LIMIT + 1, { scheduledFor: due() });
    await store.schedules.beginDue(1_000);
    const count = (by: number) =>
      store.db.query(
        'UPDATE operations SET scheduled = scheduled + $2, total = total + $2 WHERE id = $1',
        [wrong, by],
      );
    await store.db.query('UPDATE operations SET begun_through = NULL WHERE id = $1', [wrong]);
    await count(1);
    const behind = await store.accept(tenant, SMALL_LANE_LIMIT + 1, {
      scheduledFor: dueAfterIt(),
    });
    expect(await store.schedules.beginDue(1_000)).toBe(0);
    expect(await store.schedules.beginDue(1_000)).toBe(SMALL_LANE_LIMIT + 1);
    expect(await statsOf(behind)).toMatchObject({ scheduled: 0 });
    await count(-1);
  });

  it('are found by indexes of what is scheduled alone', async () => {
    for (let n = 0; n < 200; n++) await store.accept(tenant, 1);
    await store.accept(tenant, 1, { scheduledFor: due() });
    await store.accept(tenant, LARGE, { scheduledFor: due() });
    const measure = measureStatements(store);
    for (const { text, rows } of await measure(() => store.schedules.beginDue(500))) {
      expect([text, rows.operations ?? 0, (rows.operations ?? 0) <= 4]).toEqual([
        text,
        rows.operations ?? 0,
        true,
      ]);
    }
  });
});

describe('races', () => {
  it('two workers at once begin everything once', async () => {
    const id = await store.accept(tenant, 40, { scheduledFor: due() });
    const run = async () => {
      let sum = 0;
      // 0 also means that the other one is at it.
      while ((await statsOf(id)).scheduled > 0) sum += await store.schedules.beginDue(7);
      return sum;
    };
    const [left, right] = await Promise.all([run(), run()]);
    expect(left + right).toBe(40);
    expect(await statsOf(id)).toMatchObject({ scheduled: 0, queued: 40 });
  });

  it('a cancel against its begin: every push ends either canceled or queued, and none is lost', async () => {
    for (let round = 0; round < 10; round++) {
      const id = await store.accept(tenant, 40, { scheduledFor: due() });
      const begin = async () => {
        while ((await store.schedules.beginDue(10)) > 0) await store.dispatchAll('small', 7);
      };
      const cancel = () =>
        store.cancels.cancel(tenant.accountId, { operationId: id }).catch((error: unknown) => {
          expect(error).toBeInstanceOf(Conflict);
        });
      await Promise.all([begin(), cancel(), begin()]);
      await begin();
      await store.dispatchAll('small');
      const stats = await statsOf(id);
      expect(stats.scheduled).toBe(0);
      expect(stats.canceled + stats.queued).toBe(40);
      // What is queued was handed over to the last push: nothing lies above its cursor.
      expect(await store.discrepancies()).toEqual([]);
      await store.settle(await store.claim(await store.idsOf(id, 'QUEUED')));
      expect(await store.outstanding(tenant.fcm)).toBe(0);
    }
  });
});
