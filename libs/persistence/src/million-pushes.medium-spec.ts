import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type Uuid } from '@app/domain';
import pg from 'pg';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { MAX_EXAMINED_ROWS } from './examined-pushes.js';
import type { OperationFilter, PushNotificationFilter } from './ports.js';
import { fillInBulk } from './testing-fill.js';
import { measureStatements } from './testing-plans.js';

/** Pushes and operations. The newer four fifths are another account's: who walks by id alone meets them first. */
const ROWS = 1_000_000;
const OURS = ROWS / 5;
/** One operation of ours has so many pushes, every tenth of them failed; all others have one. */
const LARGE = 30_000;
const LIMIT = 50;
/** As many as a page may have. */
const MOST = 1_000;
/** A second of the fill lies between `ROWS / SECONDS` rows. */
const SECONDS = 20 * 3_600;

let store: TestStore;
let measure: ReturnType<typeof measureStatements>;
let accountId: Uuid;
let largeId: Uuid;
/** Partitions that hold rows; reading an empty one from end to end costs nothing. */
let filled: string[];
const userId = newId();

beforeAll(async () => {
  store = await createTestStore({ poolSize: 2 });
  ({ accountId } = await store.tenant());
  const owner = new pg.Client({ connectionString: store.database.ownerUrl });
  await owner.connect();
  largeId = await fill(owner);
  const { rows } = await owner.query<{ relname: string }>(
    `SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > 0`,
  );
  filled = rows.map(({ relname }) => relname);
  await owner.end();
  measure = measureStatements(store);
});

afterAll(() => store?.drop());

async function fill(owner: pg.Client): Promise<Uuid> {
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
  const insert = () =>
    owner.query(`
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
  await fillInBulk(owner, ['operations', 'push_notifications'], insert);
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

/** The newest row of each partition is looked at as well. */
const AND_ENDS = 12;
/** A page of every `n`th row is full so soon; each is read once more, by its id. */
const oneIn = (n: number) => n * (LIMIT + 1) + LIMIT + 1;

describe('at a million pushes', () => {
  it.each<[string, PushNotificationFilter, most: number]>([
    ['all', {}, LIMIT + 1],
    ['of some hours', { startDate, endDate }, LIMIT + 1],
    ['of a user', { userId }, LIMIT + 1],
    ['of a user, some hours', { userId, startDate, endDate }, LIMIT + 1],
    // What no index of its own finds is looked for among so many, and the page may be short.
    ['of a common status', { status: 'SENT' }, oneIn(2)],
    ['of a status', { status: 'FAILED' }, oneIn(10)],
    ['of a status that none has', { status: 'CANCELED' }, MAX_EXAMINED_ROWS],
    ['of a user, of a status that none has', { userId, status: 'CANCELED' }, OURS / 100],
    ['of a provider', { provider: 'APN' }, oneIn(2)],
    ['of a provider, some hours', { provider: 'FCM', startDate, endDate }, oneIn(2)],
    ['with a tag', { tags: [['campaign', 'spring']] }, oneIn(20)],
    ['with a tag that none has', { tags: [['campaign', 'none']] }, MAX_EXAMINED_ROWS],
    ['with dead tokens', { errorCode: 71001 }, oneIn(1)],
    ['with an error that none has', { errorCode: 71002 }, MAX_EXAMINED_ROWS],
    ['with dead tokens, some hours', { errorCode: 71001, startDate, endDate }, oneIn(1)],
  ])('a page of them (%s) reads what it may give out', async (_, filter, most) => {
    const first = await store.pushes.list(accountId, filter, page(null));
    for (const before of first.next === null ? [null] : [null, first.next]) {
      await expectPage(() => store.pushes.list(accountId, filter, page(before)), most);
    }
  });

  it.each<[string, PushNotificationFilter, most: number]>([
    ['all', {}, oneIn(1)],
    ['that failed', { status: 'FAILED' }, oneIn(10)],
    ['with a tag', { tags: [['campaign', 'spring']] }, oneIn(20)],
    ['with dead tokens', { errorCode: 71001 }, oneIn(1)],
    ['of a status that none has', { status: 'CANCELED' }, MAX_EXAMINED_ROWS],
  ])('the pushes of one operation (%s) are found between its ends', async (_, filter, most) => {
    const ofLarge = { ...filter, operationId: largeId };
    const first = await store.pushes.list(accountId, ofLarge, page(null));
    expect(first.items).toHaveLength(filter.status === 'CANCELED' ? 0 : LIMIT);
    for (const before of [null, first.next])
      await expectPage(() => store.pushes.list(accountId, ofLarge, page(before)), most);
    const { id } = (await store.operations.list(accountId, {}, page(null))).items[0]!;
    const ofOne = { ...filter, operationId: id };
    await expectPage(() => store.pushes.list(accountId, ofOne, page(null)), 2);
  });

  it.each<[string, PushNotificationFilter, least: number]>([
    // As many as may be looked at nearly fill it: each that is found is read once more.
    ['with a tag', { tags: [['campaign', 'spring']] }, 900],
    ['that failed', { status: 'FAILED' }, MOST],
    ['all', {}, MOST],
  ])(
    'a page of them (%s) as large as it may be reads no more than the contract says',
    async (_, filter, least) => {
      const large = (before: Uuid | null) => ({ limit: MOST, before });
      const first = await store.pushes.list(accountId, filter, large(null));
      expect(first.items.length).toBeGreaterThanOrEqual(least);
      for (const before of [null, first.next]) {
        const work = () => store.pushes.list(accountId, filter, large(before));
        await expectPage(work, MAX_EXAMINED_ROWS, MOST);
      }
    },
  );

  it('one of them is one row', async () => {
    const { id } = (await store.pushes.list(accountId, {}, page(null))).items[0]!;
    for (const { rows } of await planned(() => store.pushes.find(accountId, id))) {
      expect(rows.push_notifications).toBe(1);
    }
  });

  it('a page of what failed in an operation reads a page of what failed', async () => {
    const list = (before: string | null) => () =>
      store.errors.list(accountId, largeId, { limit: LIMIT, before });
    const first = await list(null)();
    expect(first.items).toHaveLength(LIMIT);
    for (const before of [null, first.next]) await expectPage(list(before), oneIn(1));
  });
});

/** At most `most` rows of pushes, and never more than the contract says: all statements of a request together. */
async function expectPage(
  work: () => Promise<unknown>,
  most: number,
  limit = LIMIT,
): Promise<void> {
  let examined = 0;
  for (const { rows, pages } of await planned(work)) {
    examined += rows.push_notifications ?? 0;
    expect(rows.operations ?? 0).toBeLessThanOrEqual(limit + 2);
    // A row may be on a page of its own, and has an entry in the index; the way down to each one's operation, and the
    // ends of each partition's index.
    expect(pages).toBeLessThanOrEqual(1.2 * most + 10 * limit);
  }
  expect(examined).toBeLessThanOrEqual(Math.min(most + AND_ENDS, MAX_EXAMINED_ROWS));
}
