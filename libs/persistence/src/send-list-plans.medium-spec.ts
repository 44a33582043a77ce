import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type Uuid } from '@app/domain';
import pg from 'pg';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import type { PushNotificationFilter } from './ports.js';
import { measureStatements } from './testing-plans.js';

/** Of the other account, each newer than all of ours: whoever walks by the id alone meets them first. */
const THEIRS = 50_000;
/** Twice. */
const OURS = 2_500;
const LIMIT = 50;

let owner: pg.Client;
let store: TestStore;
let accountId: Uuid;
const userId = newId();
let measure: ReturnType<typeof measureStatements>;

beforeAll(async () => {
  store = await createTestStore({ poolSize: 2 });
  owner = new pg.Client({ connectionString: store.database.ownerUrl });
  await owner.connect();
  // PostgreSQL shall know no more of them than the test says.
  await owner.query(`DO $$
    DECLARE name TEXT;
    BEGIN
      FOR name IN SELECT 'operations' UNION ALL
        SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'push_notifications'::regclass
      LOOP EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = false)', name); END LOOP;
    END $$`);
  await fill(newId(), THEIRS, '6 hours');
  measure = measureStatements(store);
});

afterAll(async () => {
  await owner?.end();
  await store?.drop();
});

/** Operations of one push each; every fourth failed, every other went to the user. */
async function fill(account: Uuid, rows: number, ago: string): Promise<void> {
  await owner.query(`
    BEGIN;
    CREATE TEMP TABLE made ON COMMIT DROP AS
      SELECT n, (left(lowest_id_at(now() - interval '${ago}' + make_interval(secs => n * 0.01))::text, 14)
          || '7' || substr(gen_random_uuid()::text, 16))::uuid AS id,
        (left(lowest_id_at(now() - interval '${ago}' + make_interval(secs => n * 0.01 + 0.001))::text, 14)
          || '7' || substr(gen_random_uuid()::text, 16))::uuid AS push_id
      FROM generate_series(1, ${rows}) n;
    INSERT INTO operations (id, account_id, content, priority, ttl_seconds, recipients, unaddressable_users,
        total, unaddressable, scheduled, queued, last_push_id)
      SELECT id, '${account}', '{}', 'HIGH', 60, 1, '{}', 1, 0, 0, 1, push_id FROM made;
    INSERT INTO push_notifications (id, account_id, operation_id, provider, credential_id, token, status,
        due_at, expires_at, error_code, user_id)
      SELECT push_id, '${account}', id, 'FCM', id, 't', CASE n % 4 WHEN 0 THEN 'FAILED' ELSE 'QUEUED' END::push_status,
        now(), now(), CASE n % 4 WHEN 0 THEN 71001 END, CASE n % 2 WHEN 0 THEN '${userId}'::uuid END FROM made;
    COMMIT`);
}

async function analyze(): Promise<void> {
  await owner.query('ANALYZE operations, push_notifications');
}

/** The rows that the statements of `work` look at, of operations and of pushes. */
async function reads(work: () => Promise<unknown>) {
  const rows = { operations: 0, push_notifications: 0 };
  for (const statement of await measure(work)) {
    rows.operations += statement.rows.operations ?? 0;
    rows.push_notifications += statement.rows.push_notifications ?? 0;
  }
  return rows;
}

const daysAhead = new Date(Date.now() + 86_400_000);
const longAgo = new Date(Date.now() - 3 * 86_400_000);
/** The newest row of each partition is looked at. */
const AND_ENDS = 10;
/** A page of every `n`th row is full so soon; each is read once more, by its id. */
const oneIn = (n: number) => n * (LIMIT + 1) + LIMIT + 1;

describe.each([
  ['without statistics', () => Promise.resolve()],
  ['with statistics', analyze],
  [
    'with statistics from before an account grew',
    async () => {
      accountId = newId();
      await fill(accountId, 20, '12 hours');
      await analyze();
    },
  ],
])('a page, %s', (_, prepare) => {
  beforeAll(async () => {
    accountId = newId();
    await fill(accountId, OURS, '12 hours');
    await prepare();
    await fill(accountId, OURS, '11 hours');
  });

  it.each([
    ['all', {}],
    ['of a status', { status: 'PROCESSING' as const }],
    ['of some days', { startDate: longAgo, endDate: daysAhead }],
    ['of some days and a status', { startDate: longAgo, status: 'PROCESSING' as const }],
  ])('of operations (%s) reads a page, whatever others have added since', async (__, filter) => {
    const first = await store.operations.list(accountId, filter, { limit: LIMIT, before: null });
    expect(first.items).toHaveLength(LIMIT);
    for (const before of [null, first.next]) {
      const page = { limit: LIMIT, before };
      const { operations } = await reads(() => store.operations.list(accountId, filter, page));
      expect(operations).toBeLessThanOrEqual(LIMIT + 1);
    }
  });

  it.each<[string, PushNotificationFilter, number]>([
    ['all', {}, LIMIT + 1],
    ['of some days', { startDate: longAgo, endDate: daysAhead }, LIMIT + 1],
    ['of a user', { userId }, LIMIT + 1],
    ['of a user, some days', { userId, startDate: longAgo }, LIMIT + 1],
    ['of a status', { status: 'FAILED' }, oneIn(4)],
    ['of a provider', { provider: 'FCM', startDate: longAgo }, oneIn(1)],
    ['that failed', { errorCode: 71001 }, oneIn(1)],
    ['of a user, failed', { userId, status: 'FAILED' }, oneIn(2)],
  ])('of pushes (%s) reads what it may give out', async (__, filter, most) => {
    const first = await store.pushes.list(accountId, filter, { limit: LIMIT, before: null });
    expect(first.items).toHaveLength(LIMIT);
    for (const before of [null, first.next]) {
      const page = { limit: LIMIT, before };
      const { push_notifications, operations } = await reads(() =>
        store.pushes.list(accountId, filter, page),
      );
      expect(push_notifications).toBeLessThanOrEqual(most + AND_ENDS);
      expect(operations).toBeLessThanOrEqual(LIMIT + 1);
    }
  });

  it('of the pushes of an operation reads those', async () => {
    const [row] = await store.db.query<{ id: Uuid }>(
      'SELECT id FROM operations WHERE account_id = $1 ORDER BY id LIMIT 1',
      [accountId],
    );
    const { push_notifications, operations } = await reads(() =>
      store.pushes.list(accountId, { operationId: row!.id }, { limit: LIMIT, before: null }),
    );
    // Once by the index and once by its id.
    expect(push_notifications).toBeLessThanOrEqual(2);
    expect(operations).toBeLessThanOrEqual(2);
  });
});
