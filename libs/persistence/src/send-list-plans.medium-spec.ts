import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newId, type Uuid } from '@app/domain';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import type { PushNotificationFilter } from './ports.js';
import { Store } from './testing.js';

/** Of the other account, each newer than all of ours: whoever walks by the id alone meets them first. */
const THEIRS = 50_000;
const OURS = 5_000;
const LIMIT = 50;

let database: TestDatabase;
let owner: pg.Client;
let store: Store;
let accountId: Uuid;
let operationId: Uuid;
const userId = newId();
/** The statements that ran, as PostgreSQL got them. */
const ran: { text: string; values: unknown[] }[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  store = new Store(database.appUrl, { poolSize: 2 });
  ({ accountId } = await store.tenant());
  // What follows shall find no statistics until the test says so.
  await owner.query('ALTER TABLE operations SET (autovacuum_enabled = false)');
  await fill(accountId, OURS, '12 hours');
  await fill(newId(), THEIRS, '6 hours');
  const [row] = await store.db.query<{ id: Uuid }>(
    'SELECT id FROM operations WHERE account_id = $1 ORDER BY id LIMIT 1',
    [accountId],
  );
  operationId = row!.id;
  const query = store.db.pool.query.bind(store.db.pool) as (...args: unknown[]) => unknown;
  Object.assign(store.db.pool, {
    query: (...args: unknown[]) => {
      ran.push(args[0] as { text: string; values: unknown[] });
      return query(...args);
    },
  });
});

afterAll(async () => {
  await owner?.end();
  await store?.db.close();
  await database?.drop();
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

interface Plan {
  'Node Type': string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Relation Name'?: string;
  'Rows Removed by Filter'?: number;
  Plans?: Plan[];
}

const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

/** The rows that the statements of `work` read of operations and of pushes. */
async function reads(work: () => Promise<unknown>) {
  ran.length = 0;
  await work();
  const statements = [...ran];
  const rows = { operations: 0, pushes: 0 };
  for (const { text, values } of statements) {
    const [row] = await store.db.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
      values,
    );
    for (const node of nodes(row!['QUERY PLAN'][0].Plan)) {
      const { 'Relation Name': relation = '', 'Rows Removed by Filter': removed = 0 } = node;
      const read = (node['Actual Rows'] + removed) * node['Actual Loops'];
      if (relation === 'operations') rows.operations += read;
      if (relation.startsWith('push_notifications_')) rows.pushes += read;
    }
  }
  return rows;
}

const daysAhead = new Date(Date.now() + 86_400_000);
const longAgo = new Date(Date.now() - 3 * 86_400_000);

describe.each([['without statistics'], ['with statistics']])('a page, %s', (statistics) => {
  const known = statistics.startsWith('with ');

  beforeAll(async () => {
    if (known) await owner.query('ANALYZE operations, push_notifications');
  });

  it.each([
    ['all', {}],
    ['of a status', { status: 'PROCESSING' as const }],
    ['of some days', { startDate: longAgo, endDate: daysAhead }],
    ['of some days and a status', { startDate: longAgo, status: 'PROCESSING' as const }],
  ])('of operations (%s) reads a page, whatever others have added since', async (_, filter) => {
    const first = await store.operations.list(accountId, filter, { limit: LIMIT, before: null });
    expect(first.items).toHaveLength(LIMIT);
    for (const before of [null, first.next]) {
      const page = { limit: LIMIT, before };
      const { operations } = await reads(() => store.operations.list(accountId, filter, page));
      // What the planner takes for few rows it may sort; they are all ours.
      expect(operations).toBeLessThanOrEqual(known ? LIMIT + 1 : OURS);
    }
  });

  it.each<[string, PushNotificationFilter, number]>([
    ['all', {}, LIMIT + 1],
    ['of some days', { startDate: longAgo, endDate: daysAhead }, LIMIT + 1],
    ['of a user', { userId }, LIMIT + 1],
    ['of a user, some days', { userId, startDate: longAgo }, LIMIT + 1],
    // Filters without an index of their own examine up to 20,000 of our rows.
    ['of a status', { status: 'FAILED' }, OURS],
    ['of a provider', { provider: 'FCM', startDate: longAgo }, OURS],
    ['that failed', { errorCode: 71001 }, OURS / 4],
    ['of a user, failed', { userId, status: 'FAILED' }, OURS / 2],
  ])('of pushes (%s) reads what it may give out', async (_, filter, most) => {
    const first = await store.pushes.list(accountId, filter, { limit: LIMIT, before: null });
    expect(first.items).toHaveLength(LIMIT);
    for (const before of [null, first.next]) {
      const page = { limit: LIMIT, before };
      const { pushes, operations } = await reads(() => store.pushes.list(accountId, filter, page));
      // The newest row of each partition is looked at.
      expect(pushes).toBeLessThanOrEqual((known ? most : OURS) + 10);
      expect(operations).toBeLessThanOrEqual(LIMIT + 1);
    }
  });

  it('of the pushes of an operation reads those', async () => {
    const { pushes, operations } = await reads(() =>
      store.pushes.list(accountId, { operationId }, { limit: LIMIT, before: null }),
    );
    // Twice: fewer than a page may be short because the rows to examine ran out.
    expect(pushes).toBeLessThanOrEqual(2 * 2);
    expect(operations).toBeLessThanOrEqual(3);
  });
});
