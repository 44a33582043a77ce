import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type Uuid } from '@app/domain';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import type { OperationFilter, PushNotificationFilter } from './ports.js';
import { MAX_EXAMINED_ROWS } from './push-notification.repository.js';
import { Store } from './testing.js';
import { measureStatements } from './testing-plans.js';

/** Pushes and operations. The newer four fifths are another account's: who walks by id alone meets them first. */
const ROWS = 1_000_000;
const OURS = ROWS / 5;
/** One operation of ours has so many pushes, every tenth of them failed; all others have one. */
const LARGE = 30_000;
const LIMIT = 50;
/** A second of the fill lies between `ROWS / SECONDS` rows. */
const SECONDS = 20 * 3_600;

let database: TestDatabase;
let store: Store;
let measure: ReturnType<typeof measureStatements>;
let accountId: Uuid;
let largeId: Uuid;
/** Partitions that hold rows; reading an empty one from end to end costs nothing. */
let filled: string[];
const userId = newId();

beforeAll(async () => {
  database = await createTestDatabase();
  store = new Store(database.appUrl, { poolSize: 2 });
  ({ accountId } = await store.tenant());
  const owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  largeId = await fill(owner);
  const { rows } = await owner.query<{ relname: string }>(
    `SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > 0`,
  );
  filled = rows.map(({ relname }) => relname);
  await owner.end();
  measure = measureStatements(store);
});

afterAll(async () => {
  await store?.db.close();
  await database?.drop();
});

/** Indexes are built over the rows, not row by row: so it takes seconds. */
async function fill(owner: pg.Client): Promise<Uuid> {
  const indexes = await owner.query<{ name: string; definition: string; constraint: string }>(`
    SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition,
      (SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', indrelid::regclass, conname,
          pg_get_constraintdef(oid)) FROM pg_constraint WHERE conindid = indexrelid LIMIT 1) AS constraint
    FROM pg_index WHERE indrelid IN ('operations'::regclass, 'push_notifications'::regclass)`);
  for (const { name, constraint } of indexes.rows) {
    await owner.query(
      constraint === null
        ? `DROP INDEX ${name}`
        : constraint.replace(/ ADD CONSTRAINT (\S+) .*/, ' DROP CONSTRAINT $1'),
    );
  }
  const start = Date.now();
  const idAt = (milliseconds: string) =>
    `(lpad(to_hex((${start} - ${milliseconds})::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3)
        || 'a' || substr(md5(n::text), 1, 15))::uuid`;
  const { rows } = await owner.query<{ id: Uuid }>(
    `SELECT ${idAt(`${SECONDS * 1_000 + 1_000}`)} AS id FROM (VALUES (1)) AS one (n)`,
  );
  const large = rows[0]!.id;
  const ours = `n > ${ROWS - OURS}`;
  const inLarge = `n > ${ROWS - LARGE}`;
  await owner.query(`
    SET synchronous_commit = off;
    CREATE TEMP TABLE made AS
      SELECT n, ${idAt(`n * ${(SECONDS * 1_000) / ROWS} + 2`)} AS id, ${idAt(`n * ${(SECONDS * 1_000) / ROWS}`)} AS push_id,
        CASE WHEN ${ours} THEN '${accountId}' ELSE '${newId()}' END::uuid AS account_id
      FROM generate_series(1, ${ROWS}) n;
    INSERT INTO operations (id, account_id, content, priority, ttl_seconds, recipients, unaddressable_users,
        total, unaddressable, scheduled, queued, sent, last_push_id)
      SELECT id, account_id, '{}'::jsonb, 'HIGH'::priority, 60, 1, '{}'::text[], 1, 0, 0, (n % 100 = 0)::int, (n % 100 <> 0)::int, push_id
      FROM made
      UNION ALL
      SELECT '${large}', '${accountId}', '{}', 'HIGH', 60, ${LARGE}, '{}', ${LARGE}, 0, 0, 0, ${LARGE},
        (SELECT push_id FROM made WHERE ${inLarge} ORDER BY n LIMIT 1);
    INSERT INTO push_notifications (id, account_id, operation_id, provider, credential_id, token, status,
        due_at, expires_at, error_code, settled_at, user_id, tags)
      SELECT push_id, account_id, CASE WHEN ${inLarge} THEN '${large}' ELSE id END::uuid,
        CASE n % 2 WHEN 0 THEN 'FCM' ELSE 'APN' END::provider_kind, id, 't',
        CASE n % 10 WHEN 0 THEN 'FAILED' ELSE 'SENT' END::push_status, now(), now(),
        CASE n % 10 WHEN 0 THEN 71001 END, now(), CASE WHEN ${ours} AND n % 100 = 0 THEN '${userId}'::uuid END,
        CASE n % 20 WHEN 0 THEN '{"campaign": "spring"}'::jsonb END
      FROM made`);
  for (const { definition, constraint } of indexes.rows) {
    await owner.query(constraint ?? definition.replace(' ON ONLY ', ' ON '));
  }
  await owner.query('ANALYZE operations, push_notifications');
  return large;
}

/** The statements of `work`: none reads a filled table from end to end, none skips rows by counting them. */
async function planned(work: () => Promise<unknown>) {
  const statements = await measure(work);
  expect(statements.length).toBeGreaterThan(0);
  for (const { text, sequential } of statements) {
    expect(text).not.toMatch(/\boffset\b/i);
    expect(sequential.filter((relation) => filled.includes(relation))).toEqual([]);
  }
  return statements;
}

const page = (before: Uuid | null) => ({ limit: LIMIT, before });
const startDate = new Date(Date.now() - SECONDS * 1_000);
const endDate = new Date(Date.now() - SECONDS * 900);

describe('at a million operations', () => {
  it.each<[string, OperationFilter]>([
    ['all', {}],
    ['of a common status', { status: 'COMPLETED' }],
    ['of a rare one', { status: 'PROCESSING' }],
    ['of some hours', { startDate, endDate }],
    ['of some hours and a status', { startDate, endDate, status: 'PROCESSING' }],
  ])('a page of them (%s) reads a page', async (_, filter) => {
    const first = await store.operations.list(accountId, filter, page(null));
    expect(first.items).toHaveLength(LIMIT);
    for (const before of [null, first.next]) {
      const work = () => store.operations.list(accountId, filter, page(before));
      for (const { rows, pages } of await planned(work)) {
        expect(rows.operations).toBeLessThanOrEqual(LIMIT + 1);
        expect(pages).toBeLessThanOrEqual(150);
      }
    }
  });

  it('none of a status is told at once', async () => {
    const work = () => store.operations.list(accountId, { status: 'CANCELED' }, page(null));
    for (const { rows, pages } of await planned(work)) {
      expect([rows.operations, pages < 20]).toEqual([0, true]);
    }
  });

  it('one of them is one row', async () => {
    const { id } = (await store.operations.list(accountId, {}, page(null))).items[0]!;
    const [statement] = await planned(() => store.operations.find(accountId, id));
    expect(statement!.rows.operations).toBe(1);
  });
});

/** The newest row of each partition may be looked at as well. */
const AND_ENDS = 12;

describe('at a million pushes', () => {
  it.each<[string, PushNotificationFilter, most: number]>([
    ['all', {}, LIMIT + 1],
    ['of some hours', { startDate, endDate }, LIMIT + 1],
    // So few that PostgreSQL may rather sort them: one in a hundred of ours.
    ['of a user', { userId }, OURS / 100],
    ['of a user, some hours', { userId, startDate, endDate }, OURS / 100],
    // What no index of its own finds is looked for among so many, and the page may be short.
    ['of a common status', { status: 'SENT' }, MAX_EXAMINED_ROWS],
    ['of a status', { status: 'FAILED' }, MAX_EXAMINED_ROWS],
    ['of a status that none has', { status: 'CANCELED' }, MAX_EXAMINED_ROWS],
    ['of a provider', { provider: 'APN' }, MAX_EXAMINED_ROWS],
    ['of a provider, some hours', { provider: 'FCM', startDate, endDate }, MAX_EXAMINED_ROWS],
    ['with a tag', { tags: [['campaign', 'spring']] }, MAX_EXAMINED_ROWS],
    ['with a tag that none has', { tags: [['campaign', 'none']] }, MAX_EXAMINED_ROWS],
    ['with dead tokens', { errorCode: 71001 }, MAX_EXAMINED_ROWS],
    ['with an error that none has', { errorCode: 71002 }, MAX_EXAMINED_ROWS],
    ['with dead tokens, some hours', { errorCode: 71001, startDate, endDate }, MAX_EXAMINED_ROWS],
  ])('a page of them (%s) reads what it may give out', async (_, filter, most) => {
    const first = await store.pushes.list(accountId, filter, page(null));
    for (const before of first.next === null ? [null] : [null, first.next]) {
      const work = () => store.pushes.list(accountId, filter, page(before));
      for (const { rows, pages } of await planned(work)) {
        expect(rows.push_notifications).toBeLessThanOrEqual(most + AND_ENDS);
        expect(rows.operations ?? 0).toBeLessThanOrEqual(LIMIT + 1);
        // A row may be on a page of its own, and has an entry in the index.
        expect(pages).toBeLessThanOrEqual(1.2 * most + 500);
      }
    }
  });

  it.each<[string, PushNotificationFilter]>([
    ['all', {}],
    ['that failed', { status: 'FAILED' }],
    ['with a tag', { tags: [['campaign', 'spring']] }],
    ['with dead tokens', { errorCode: 71001 }],
  ])('the pushes of one operation (%s) are found between its ends', async (_, filter) => {
    const ofLarge = { ...filter, operationId: largeId };
    const { items } = await store.pushes.list(accountId, ofLarge, page(null));
    expect(items).toHaveLength(LIMIT);
    for (const { rows } of await planned(() => store.pushes.list(accountId, ofLarge, page(null)))) {
      // PostgreSQL may sort all of its pushes; never more than those.
      expect(rows.push_notifications).toBeLessThanOrEqual(LARGE + AND_ENDS);
    }
    const { id } = (await store.operations.list(accountId, {}, page(null))).items[0]!;
    const ofOne = { ...filter, operationId: id };
    for (const { rows, pages } of await planned(() =>
      store.pushes.list(accountId, ofOne, page(null)),
    )) {
      expect(rows.push_notifications ?? 0).toBeLessThanOrEqual(1 + AND_ENDS);
      expect(pages).toBeLessThanOrEqual(150);
    }
  });

  it('one of them is one row', async () => {
    const { id } = (await store.pushes.list(accountId, {}, page(null))).items[0]!;
    for (const { rows } of await planned(() => store.pushes.find(accountId, id))) {
      expect(rows.push_notifications).toBe(1);
    }
  });

  it('a page of what failed in an operation reads what failed in it', async () => {
    const list = (before: string | null) => () =>
      store.errors.list(accountId, largeId, { limit: LIMIT, before });
    const first = await list(null)();
    expect(first.items).toHaveLength(LIMIT);
    for (const before of [null, first.next]) {
      for (const { rows, pages } of await planned(list(before))) {
        expect(rows.push_notifications ?? 0).toBeLessThanOrEqual(LARGE / 10 + AND_ENDS);
        expect(pages).toBeLessThanOrEqual(1.2 * (LARGE / 10) + 200);
      }
    }
  });
});
