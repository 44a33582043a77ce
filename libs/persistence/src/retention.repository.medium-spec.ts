import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { instantOfId, Unavailable, type Uuid } from '@app/domain';
import pg from 'pg';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { moveClocks, type MovedClocks } from '../../../test/support/moved-clocks.js';
import { PartitionRepository } from './partition.repository.js';
import { RetentionRepository } from './retention.repository.js';
import { Store, type Tenant } from './testing.js';

const KEPT_DAYS = 7;
const DAY_MS = 86_400_000;

let store: TestStore;
let clocks: MovedClocks;
let tenant: Tenant;
let partitions: PartitionRepository;
let retention: RetentionRepository;

beforeAll(async () => {
  store = await createTestStore({ window: 5_000, poolSize: 12 });
  clocks = await moveClocks(store.database.ownerUrl);
  // So few at once that a partition of the tests takes several copies.
  partitions = new PartitionRepository(store.db, 5);
  retention = new RetentionRepository(store.db);
  tenant = await store.tenant();
});

afterAll(async () => {
  jest.restoreAllMocks();
  await store?.db.close();
  await clocks?.close();
  await store?.drop();
});

// What is left of an operation is less than it counts, so only what is whole is looked at.
const liveIds = async (id: Uuid) => (await store.idsOf(id)).length;
const isThere = async (id: Uuid) => (await store.operations.find(tenant.accountId, id)) !== null;

/** Hands over and sends everything that is due. */
async function deliver(failing = false): Promise<number> {
  const ids = [...(await store.dispatchAll('small')), ...(await store.dispatchAll('bulk'))];
  const claims = await store.claim(ids.map(({ id }) => id));
  await store.settle(claims, failing);
  return claims.length;
}

async function sendNow(count: number, failing = false): Promise<Uuid> {
  const id = await store.accept(tenant, count);
  expect(await deliver(failing)).toBe(count);
  return id;
}

/** What a worker does in a round; how many operations went. */
async function round(limit = 100, by = partitions): Promise<number> {
  await by.ensure();
  const { unfinished } = await by.retire(KEPT_DAYS);
  expect(unfinished).toBe(false);
  let gone = 0;
  let after: Uuid | null = null;
  do {
    const forgotten = await retention.forgetOperations(KEPT_DAYS, after, limit);
    gone += forgotten.gone;
    after = forgotten.next;
  } while (after !== null);
  return gone;
}

/** As the product does it, many rows at once: a test may have left very many. */
const quickRound = () => round(100, new PartitionRepository(store.db));

/** A later day on which nothing is left of what was before. */
async function startOver(ms: number): Promise<void> {
  await clocks.moveTo(ms - 100 * DAY_MS);
  await store.schedules.beginDue(1_000);
  await deliver();
  await clocks.moveTo(ms);
  await quickRound();
  expect(await store.db.query('SELECT id FROM operations')).toEqual([]);
}

const diskBytes = async () => {
  const rows = await store.db.query<{ bytes: string }>(
    `SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0) AS bytes FROM pg_inherits
     WHERE inhparent = 'push_notifications'::regclass`,
  );
  return Number(rows[0]?.bytes);
};

const partitionNames = async () =>
  (
    await store.db.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
       WHERE i.inhparent = 'push_notifications'::regclass ORDER BY c.relname`,
    )
  ).map(({ name }) => name);

describe('forty days', () => {
  it('keep what is not over, remove the rest in time, and the disk gets smaller', async () => {
    const daily = new Map<number, Uuid>();
    let scheduled: Uuid = '';
    let redriven: Uuid = '';
    let deliveredOn = -1;
    for (let day = 0; day <= 40; day++) {
      await clocks.moveTo(day * DAY_MS);
      await partitions.ensure();
      if (day === 0) {
        scheduled = await store.accept(tenant, 30, {
          scheduledFor: new Date(Date.now() + 20 * DAY_MS - 60_000),
        });
        daily.set(day, await sendNow(3_000));
      } else {
        daily.set(day, await sendNow(20));
      }
      if (day === 2) redriven = await sendNow(5, true);
      if (day === 6) {
        const [one] = await store.idsOf(redriven);
        await store.redrives.redrive(tenant.accountId, { pushId: one! });
        expect(await deliver()).toBe(1);
      }
      if ((await store.schedules.beginDue(1_000)) > 0) {
        expect(await deliver()).toBe(30);
        deliveredOn = day;
      }

      const before = await diskBytes();
      await round();
      // Ended on day 0: kept for seven whole days, gone on the eighth, but not the thirty that wait.
      if (day === KEPT_DAYS + 1) {
        expect(await diskBytes()).toBeLessThan(before / 2);
        expect(await liveIds(scheduled)).toBe(30);
      }
      for (const [then, id] of daily) {
        const kept = day - then <= KEPT_DAYS;
        expect([day, then, (await liveIds(id)) > 0, await isThere(id)]).toEqual([
          day,
          then,
          kept,
          kept,
        ]);
      }
      // One push of it ended again on day 6, and the operation goes with its last push.
      if (day >= 2) expect([day, await isThere(redriven)]).toEqual([day, day <= 6 + KEPT_DAYS]);
      if (day === 2 + KEPT_DAYS + 1) expect(await liveIds(redriven)).toBe(1);
      expect([day, await isThere(scheduled)]).toEqual([day, day <= 20 + KEPT_DAYS]);
    }
    expect(deliveredOn).toBe(20);
    expect(await partitionNames()).toHaveLength(KEPT_DAYS + 1 + KEPT_DAYS);
    const [parts] = await store.db.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM operation_parts',
    );
    expect(parts?.n).toBe(KEPT_DAYS + 1);
  });
});

describe('a partition that is rewritten under traffic', () => {
  let ended: Uuid;
  let waiting: Uuid;
  let failed: Uuid;
  let base = 100 * DAY_MS;

  /** Ten days ago: 10 that are sent, 8 that are scheduled for tomorrow, 4 that failed yesterday. */
  async function prepare(): Promise<void> {
    base += 200 * DAY_MS;
    await startOver(base);
    waiting = await store.accept(tenant, 8, { scheduledFor: new Date(Date.now() + 11 * DAY_MS) });
    failed = await store.accept(tenant, 4, { scheduledFor: new Date(Date.now() + 9 * DAY_MS) });
    ended = await sendNow(10);
    await clocks.moveTo(base + 9 * DAY_MS + 60_000);
    await partitions.ensure();
    await store.schedules.beginDue(100);
    expect(await deliver(true)).toBe(4);
    await clocks.moveTo(base + 10 * DAY_MS);
    await partitions.ensure();
  }

  const statuses = async (id: Uuid) => {
    const rows = await store.db.query<{ status: string; n: number }>(
      `SELECT status, count(*)::int AS n FROM push_notifications WHERE operation_id = $1 GROUP BY 1`,
      [id],
    );
    return Object.fromEntries(rows.map(({ status, n }) => [status, n]));
  };

  const step = async (sql: string) => {
    const [row] = await store.db.query<{ answer: unknown }>(`SELECT ${sql} AS answer`);
    return row?.answer;
  };

  /** The partition of so many days ago, and its lowest id. */
  async function dayOf(daysAgo: number): Promise<{ day: string; lowest: Uuid }> {
    const date = new Date(Date.now() - daysAgo * DAY_MS).toISOString().slice(0, 10);
    const [row] = await store.db.query<{ lowest: Uuid }>(
      `SELECT lowest_id_at($1::date::timestamp AT TIME ZONE 'UTC') AS lowest`,
      [date],
    );
    return { day: `push_notifications_${date.replaceAll('-', '')}`, lowest: row!.lowest };
  }

  interface Look {
    name: string | null;
    looked_through: Uuid | null;
  }

  /** For a partition of which something may go, in the next so many rows. */
  async function look(after: Uuid | null, rows: number): Promise<Look> {
    const [found] = await store.db.query<Look>(
      'SELECT name, looked_through FROM start_push_rewrite($1, $2, $3)',
      [KEPT_DAYS, after, rows],
    );
    return found!;
  }

  /** Begins with the partition of that day; the one of the day before is empty and goes first. */
  async function startRewrite(): Promise<void> {
    const { day } = await dayOf(10);
    let after: Uuid | null = null;
    for (;;) {
      const found: Look = await look(after, 100);
      after = found.looked_through;
      if (found.name === day) return;
      if (found.name === null) {
        expect(after).not.toBeNull();
        continue;
      }
      expect(await step('copy_push_rewrite(10)')).toBe('done');
      expect(await step('finish_push_rewrite()')).toBe(true);
    }
  }

  /** Every kind of change to rows that are being copied. */
  async function change(): Promise<void> {
    const [one] = await store.idsOf(waiting, 'SCHEDULED');
    await store.cancels.cancel(tenant.accountId, { pushId: one! });
    const [dead] = await store.idsOf(failed, 'FAILED');
    await store.redrives.redrive(tenant.accountId, { pushId: dead! });
    expect(await deliver()).toBe(1);
  }

  afterEach(async () => {
    await quickRound();
    expect(await store.db.query('SELECT * FROM push_rewrites')).toEqual([]);
  });

  it('loses no change from before, during and after the copy', async () => {
    await prepare();
    await startRewrite();
    await change();
    const copying = await store.db.pool.connect();
    await copying.query('BEGIN');
    await copying.query('SELECT copy_push_rewrite(100)');
    // Nobody waits for the copy: its transaction is open all the time.
    await change();
    expect(
      await store.pushes.list(tenant.accountId, {}, { limit: 50, before: null }),
    ).toBeDefined();
    await copying.query('COMMIT');
    copying.release();
    await change();
    expect(await step('finish_push_rewrite()')).toBe(true);
    expect(await statuses(ended)).toEqual({});
    expect(await statuses(waiting)).toEqual({ SCHEDULED: 5, CANCELED: 3 });
    expect(await statuses(failed)).toEqual({ FAILED: 1, SENT: 3 });
    // And life goes on in the fresh table.
    await change();
    await clocks.moveTo(base + 11 * DAY_MS + 60_000);
    expect(await store.schedules.beginDue(100)).toBe(4);
    expect(await deliver()).toBe(4);
    expect((await store.operations.find(tenant.accountId, waiting))?.stats).toMatchObject({
      total: 8,
      sent: 4,
      canceled: 4,
      queued: 0,
      scheduled: 0,
    });
  });

  it('is found by the one push of it that may go, at most so many rows a transaction', async () => {
    base += 200 * DAY_MS;
    await startOver(base);
    // Of a day ago, and all of it must stay.
    const tomorrow = () => new Date(Date.now() + 11 * DAY_MS);
    await store.accept(tenant, 12, { scheduledFor: tomorrow() });
    await clocks.moveTo(base + DAY_MS);
    await partitions.ensure();
    const stays = await store.accept(tenant, 12, { scheduledFor: tomorrow() });
    const last = await sendNow(1);
    await clocks.moveTo(base + 10 * DAY_MS);
    await partitions.ensure();
    const looks: Look[] = [];
    let after: Uuid | null = null;
    do {
      const found: Look = await look(after, 5);
      looks.push(found);
      after = found.looked_through;
      if (found.name !== null) {
        expect(await step('copy_push_rewrite(100)')).toBe('done');
        expect(await step('finish_push_rewrite()')).toBe(true);
      }
    } while (after !== null);
    const through = looks.flatMap(({ looked_through: at }) => at ?? []);
    expect(through).toEqual(through.toSorted());
    expect(new Set(through).size).toBe(through.length);
    // Three looks at the twelve of the first day, three at the thirteen of the second; what is empty goes, and that is all.
    const [tenth, ninth, eighth] = [
      (await dayOf(10)).day,
      (await dayOf(9)).day,
      (await dayOf(8)).day,
    ];
    const named = looks.map(({ name }) => name);
    const none = [null, null, null];
    expect(named.slice(-8)).toEqual([...none, null, null, ninth, eighth, null]);
    expect(named).not.toContain(tenth);
    expect(await liveIds(last)).toBe(0);
    expect(await liveIds(stays)).toBe(12);
  });

  it('is looked for by its key, however little PostgreSQL knows of it', async () => {
    await prepare();
    const { day, lowest } = await dayOf(10);
    await store.db.query(
      `INSERT INTO push_notifications (id, account_id, operation_id, provider, credential_id, token, status, due_at, expires_at)
       SELECT (left(id::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, account_id, operation_id, provider,
         credential_id, token, 'SCHEDULED', due_at, expires_at
       FROM (SELECT * FROM push_notifications WHERE operation_id = $1 LIMIT 1) one, generate_series(1, 30000)`,
      [waiting],
    );
    const client = await store.db.pool.connect();
    await client.query('BEGIN');
    await client.query('SELECT FROM start_push_rewrite($1, $2, 100)', [KEPT_DAYS, lowest]);
    const { rows } = await client.query<{ read: string }>(
      `SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) AS read FROM pg_stat_xact_user_tables WHERE relname = $1`,
      [day],
    );
    await client.query('ROLLBACK');
    client.release();
    // A hundred, and versions of them that are dead.
    expect(Number(rows[0]?.read)).toBeLessThan(1_000);
    // No send of the product's is without a counter.
    await store.db.query('DELETE FROM push_notifications WHERE operation_id = $1', [waiting]);
    await store.db.query('DELETE FROM operations WHERE id = $1', [waiting]);
    await store.db.query('DELETE FROM operation_parts WHERE operation_id = $1', [waiting]);
  });

  it('is copied in ranges of ids, and loses no change from between two of them', async () => {
    await prepare();
    await startRewrite();
    const copied = async () => {
      const [row] = await store.db.query<{ partition: string; through: Uuid | null }>(
        'SELECT partition, copied_through AS through FROM push_rewrites',
      );
      const [kept] = await store.db.query<{ n: number; last: Uuid | null }>(
        `SELECT count(*)::int AS n, (array_agg(id ORDER BY id DESC))[1] AS last FROM ${row?.partition}_kept`,
      );
      return { through: row?.through ?? null, n: kept?.n ?? 0, last: kept?.last ?? null };
    };
    // Of 22 rows 12 must stay; a change may make it 11 or 13 meanwhile.
    const answers: unknown[] = [];
    let before = await copied();
    expect(before).toEqual({ through: null, n: 0, last: null });
    while (answers.at(-1) !== 'done') {
      // A worker that dies before its range is committed leaves nothing of it.
      const dying = await store.db.pool.connect();
      await dying.query('BEGIN');
      await dying.query('SELECT copy_push_rewrite(4)');
      await dying.query('ROLLBACK');
      dying.release();
      expect(await copied()).toEqual(before);
      if (answers.length % 2 === 0) await change();
      answers.push(await step('copy_push_rewrite(4)'));
      const now = await copied();
      expect(now.n - before.n).toBeLessThanOrEqual(4);
      if (answers.at(-1) === 'more') {
        expect(now.through! > (before.through ?? '')).toBe(true);
        expect(now.last === null || now.last <= now.through!).toBe(true);
      }
      before = now;
    }
    expect(answers).toEqual(['more', 'more', 'more', 'more', 'more', 'done']);
    expect(before.n).toBeGreaterThan(8);
    await change();
    expect(await step('finish_push_rewrite()')).toBe(true);
    expect(await statuses(ended)).toEqual({});
    expect(await statuses(waiting)).toEqual({ SCHEDULED: 4, CANCELED: 4 });
    expect(await statuses(failed)).toEqual({ SENT: 4 });
  });

  it('goes on above the mark of a worker that is gone', async () => {
    await prepare();
    await startRewrite();
    expect(await step('copy_push_rewrite(6)')).toBe('more');
    await change();
    const asked = jest.spyOn(pg.Client.prototype, 'query');
    await round();
    const steps = asked.mock.calls.flatMap(
      ([query]) =>
        /\w+_push_rewrite/.exec((query as unknown as { text?: string }).text ?? '') ?? [],
    );
    asked.mockRestore();
    // The sixteen rows above it, five at once; not all twenty-two.
    const copies = Array.from({ length: 4 }, () => 'copy_push_rewrite');
    expect(steps.slice(0, 6)).toEqual(['start_push_rewrite', ...copies, 'finish_push_rewrite']);
    expect(await statuses(waiting)).toEqual({ SCHEDULED: 7, CANCELED: 1 });
    expect(await statuses(failed)).toEqual({ FAILED: 3, SENT: 1 });
  });

  it('has no transaction that takes as long as the whole copy', async () => {
    await prepare();
    await startRewrite();
    const ROWS = 60_000;
    await store.db.query(
      `INSERT INTO push_notifications (id, account_id, operation_id, provider, credential_id, token, status, due_at,
         expires_at, settled_at)
       SELECT (left(id::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid, account_id, operation_id, provider,
         credential_id, token, 'SENT', due_at, expires_at, now()
       FROM (SELECT * FROM push_notifications WHERE operation_id = $1 LIMIT 1) one, generate_series(1, ${ROWS})`,
      [ended],
    );
    const timed = async (client: pg.PoolClient, rows: number) => {
      const begin = performance.now();
      const answer = await client.query<{ a: string }>('SELECT copy_push_rewrite($1) AS a', [rows]);
      return { ms: performance.now() - begin, answer: answer.rows[0]?.a };
    };
    const client = await store.db.pool.connect();
    await client.query('BEGIN');
    const whole = await timed(client, 2 * ROWS);
    await client.query('ROLLBACK');
    const ranges = [await timed(client, ROWS / 20)];
    while (ranges.at(-1)?.answer === 'more') ranges.push(await timed(client, ROWS / 20));
    client.release();
    expect([whole.answer, ranges.length]).toEqual(['done', 21]);
    // A twentieth each. Not the longest, for a busy machine holds up one of them now and then.
    const [, second] = ranges.map(({ ms }) => ms).sort((a, b) => b - a);
    expect(second).toBeLessThan(whole.ms / 2);
  });

  it('is finished by the next worker when one stops between two steps', async () => {
    await prepare();
    await startRewrite();
    await change();
    await round();
    expect(await statuses(waiting)).toEqual({ SCHEDULED: 7, CANCELED: 1 });
    await clocks.moveTo(base + 20 * DAY_MS);
    await partitions.ensure();
    expect(await store.schedules.beginDue(100)).toBe(7);
    expect(await deliver()).toBe(7);
  });

  it('is PostgreSQL’s to copy on when its worker stops meanwhile, and the next one finishes it', async () => {
    await prepare();
    await startRewrite();
    const writer = await store.db.pool.connect();
    await writer.query('BEGIN');
    await writer.query('SELECT FROM push_rewrites FOR UPDATE');
    const worker = new Store(store.database.appUrl, { poolSize: 2 });
    const stopping = new AbortController();
    const retiring = expect(
      new PartitionRepository(worker.db).retire(KEPT_DAYS, stopping.signal),
    ).rejects.toThrow(Unavailable);
    const copying = () =>
      store.db.query(
        `SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND query = $1 AND wait_event_type = 'Lock'`,
        ['SELECT copy_push_rewrite($1) AS answer'],
      );
    while ((await copying()).length === 0);
    stopping.abort();
    await retiring;
    // The pool waits for its connections.
    await worker.db.close();
    await writer.query('COMMIT');
    writer.release();
    const copied = async () =>
      (await store.db.query<{ copied: boolean }>('SELECT copied FROM push_rewrites'))[0]?.copied;
    while ((await copied()) !== true);
    await round();
    expect(await statuses(ended)).toEqual({});
    expect(await statuses(waiting)).toEqual({ SCHEDULED: 8 });
  });

  it('is gone when nothing of the copy must stay any more', async () => {
    await prepare();
    await startRewrite();
    expect(await step('copy_push_rewrite(100)')).toBe('done');
    // All that was kept so far is changed to have ended long ago.
    await store.db.query(
      `UPDATE push_notifications SET status = 'SENT', settled_at = now() - interval '9 days'
       WHERE operation_id = ANY($1)`,
      [[waiting, failed]],
    );
    const names = await partitionNames();
    expect(await step('finish_push_rewrite()')).toBe(true);
    expect((await partitionNames()).length).toBe(names.length - 1);
    // The rows went without their counters: nothing that the product does.
    await store.db.query('DELETE FROM operations WHERE id = ANY($1)', [[waiting, failed]]);
    await store.db.query('DELETE FROM operation_parts WHERE operation_id = ANY($1)', [
      [waiting, failed],
    ]);
  });

  it('never makes a send, a list or a settlement wait, while a long reader makes the exchange wait', async () => {
    await prepare();
    const reader = await store.db.pool.connect();
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM push_notifications');
    let longestWaitMs = 0;
    let over = false;
    const watching = (async () => {
      while (!over) {
        const [row] = await store.db.query<{ ms: number }>(
          `SELECT coalesce(max(extract(epoch FROM pg_catalog.clock_timestamp() - waitstart)) * 1000, 0)::float8 AS ms
           FROM pg_locks WHERE NOT granted AND locktype = 'relation'`,
        );
        longestWaitMs = Math.max(longestWaitMs, row?.ms ?? 0);
      }
    })();
    const traffic = (async () => {
      let sends = 0;
      while (!over) {
        await sendNow(3);
        await store.pushes.list(tenant.accountId, {}, { limit: 50, before: null });
        sends++;
      }
      return sends;
    })();
    // The reader stays: five times the lock is not to be had.
    expect(await partitions.retire(KEPT_DAYS)).toEqual({ partitions: [], unfinished: true });
    over = true;
    await watching;
    expect(await traffic).toBeGreaterThan(0);
    expect(longestWaitMs).toBeGreaterThan(0);
    // 100 ms and what a busy machine adds.
    expect(longestWaitMs).toBeLessThan(1_000);
    await reader.query('COMMIT');
    reader.release();
    expect(await statuses(ended)).toEqual({ SENT: 10 });
    await round();
    expect(await statuses(ended)).toEqual({});
    expect(await statuses(waiting)).toEqual({ SCHEDULED: 8 });
  });

  it('is left for later when somebody has changed it and not committed', async () => {
    await prepare();
    const writer = await store.db.pool.connect();
    await writer.query('BEGIN');
    await writer.query(`UPDATE push_notifications SET updated_at = now() WHERE operation_id = $1`, [
      waiting,
    ]);
    expect(await partitions.retire(KEPT_DAYS)).toEqual({ partitions: [], unfinished: false });
    await writer.query('ROLLBACK');
    writer.release();
    expect(await statuses(ended)).toEqual({ SENT: 10 });
  });

  it('is nobody else’s while one is at it', async () => {
    await prepare();
    const other = await store.db.pool.connect();
    await other.query('BEGIN');
    await other.query(`SELECT pg_advisory_xact_lock(hashtext('fanfare:rewrite-partitions'))`);
    for (const call of [
      [`(start_push_rewrite(${KEPT_DAYS}, NULL, 100)).name`, null],
      [`(start_push_rewrite(${KEPT_DAYS}, NULL, 100)).looked_through`, null],
      ['copy_push_rewrite(100)', 'busy'],
      ['finish_push_rewrite()', false],
    ] as const)
      expect(await step(call[0])).toBe(call[1]);
    await other.query('ROLLBACK');
    other.release();
  });
});

describe('rounds', () => {
  it('are taken by one worker', async () => {
    await store.db.query(`DELETE FROM sweep_state WHERE name = 'retention-round'`);
    const takes = await Promise.all([1, 2, 3, 4].map(() => retention.takeRound(3_600_000)));
    expect(takes.filter((mine) => mine)).toHaveLength(1);
    await clocks.moveTo(clocks.movedMs() + 3_600_001);
    expect(await retention.takeRound(3_600_000)).toBe(true);
  });
});

describe('forgetOperations', () => {
  it('goes on where it stopped, a bounded number at a time', async () => {
    await startOver(3_000 * DAY_MS);
    for (let n = 0; n < 7; n++) await sendNow(1);
    const waits = await store.accept(tenant, 1, {
      scheduledFor: new Date(Date.now() + 30 * DAY_MS),
    });
    await clocks.moveTo(3_010 * DAY_MS);
    await partitions.ensure();
    await partitions.retire(KEPT_DAYS);
    const first = await retention.forgetOperations(KEPT_DAYS, null, 5);
    expect(first).toMatchObject({ gone: 5 });
    const second = await retention.forgetOperations(KEPT_DAYS, first.next, 5);
    expect(second).toEqual({ gone: 2, next: null });
    expect(await isThere(waits)).toBe(true);
  });

  it('leaves an operation whose pushes are still there, and one that somebody has in hand', async () => {
    await startOver(4_000 * DAY_MS);
    const there = await sendNow(2);
    await clocks.moveTo(4_010 * DAY_MS);
    await partitions.ensure();
    expect(await retention.forgetOperations(KEPT_DAYS, null, 10)).toEqual({ gone: 0, next: null });
    await partitions.retire(KEPT_DAYS);
    const holder = await store.db.pool.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM operations WHERE id = $1 FOR NO KEY UPDATE', [there]);
    expect(await retention.forgetOperations(KEPT_DAYS, null, 10)).toEqual({ gone: 0, next: null });
    await holder.query('ROLLBACK');
    holder.release();
    expect(await retention.forgetOperations(KEPT_DAYS, null, 10)).toEqual({ gone: 1, next: null });
  });

  it('reads by indexes what it looks at and no more, however many operations there are', async () => {
    await startOver(5_000 * DAY_MS);
    const some = await sendNow(1);
    await clocks.moveTo(5_010 * DAY_MS);
    await partitions.ensure();
    // Others like it, from the milliseconds after it.
    await store.db.query(
      `INSERT INTO operations (id, account_id, content, priority, ttl_seconds, recipients, unaddressable_users, total,
         unaddressable, scheduled, queued, sent, last_push_id, completed_at)
       SELECT lowest_id_at(to_timestamp($2::float8 / 1000 + n / 1000.0)), account_id, content, priority, 1, 1, '{}', 1, 0, 0, 0,
         1, lowest_id_at(to_timestamp($2::float8 / 1000 + n / 1000.0)), completed_at
       FROM operations, generate_series(1, 20000) n WHERE id = $1`,
      [some, instantOfId(some).getTime()],
    );
    await store.db.query(
      `INSERT INTO operation_parts (operation_id, provider, account_id, credential_id, lane, pending)
       SELECT id, 'FCM', account_id, id, 'small', false FROM operations ON CONFLICT DO NOTHING`,
    );
    const owner = new Store(store.database.ownerUrl);
    await owner.db.query('ANALYZE operations, operation_parts');
    await owner.db.close();
    const asked = jest.spyOn(store.db, 'query');
    await retention.forgetOperations(KEPT_DAYS, null, 50);
    const [statement, values] = asked.mock.calls[0]!;
    const text = typeof statement === 'string' ? statement : statement.text;
    asked.mockRestore();
    const rows = await store.db.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, values);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toMatch(/Index Scan using operations_pkey/);
    expect(plan).not.toMatch(/Seq Scan on (operations|operation_parts|push_notifications)/);
    // The first of the fifty still has its push.
    expect(await retention.forgetOperations(KEPT_DAYS, null, 50)).toMatchObject({ gone: 49 });
  });
});
