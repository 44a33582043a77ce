import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PROVIDERS, type Uuid } from '@app/domain';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { EXPAND } from './expansion.js';
import { Store } from './testing.js';

/** Of users, and of registrations with a device each; the older half are one account's. */
const ROWS = 1_000_000;
const OTHERS = 'f0000000-0000-4000-8000-000000000000';

let database: TestDatabase;
let store: Store;
let accountId: Uuid;
let userId: Uuid;
/** The statements that ran, as PostgreSQL got them. */
const ran: { text: string; values: unknown[] }[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  store = new Store(database.appUrl, { poolSize: 2 });
  ({ accountId } = await store.tenant());
  const registration = await store.devices.register(accountId, {
    appName: 'news',
    provider: 'FCM',
    token: 't',
  });
  userId = (await store.devices.find(accountId, registration))!.userId;
  await fill();
  const query = store.db.pool.query.bind(store.db.pool) as (...args: unknown[]) => unknown;
  Object.assign(store.db.pool, {
    query: (...args: unknown[]) => {
      const [text, values] = args as [string | { text: string; values: unknown[] }, unknown[]];
      ran.push(typeof text === 'string' ? { text, values } : text);
      return query(...args);
    },
  });
});

afterAll(async () => {
  await store?.db.close();
  await database?.drop();
});

/** One id serves a user, its registration and its device; their times lie in the last month. */
async function fill(): Promise<void> {
  const client = new pg.Client({ connectionString: database.ownerUrl });
  await client.connect();
  await client.query(`
    BEGIN;
    CREATE TEMP TABLE made ON COMMIT DROP AS
      SELECT (left(lowest_id_at(now() - make_interval(secs => n * 2.5))::text, 14) || '7'
          || substr(gen_random_uuid()::text, 16))::uuid AS id,
        CASE WHEN n > ${ROWS / 2} THEN '${accountId}' ELSE '${OTHERS}' END::uuid AS account_id,
        sha256(n::text::bytea) AS token_hash
      FROM generate_series(1, ${ROWS}) n;
    ALTER TABLE devices DROP CONSTRAINT devices_registration_id_fkey;
    INSERT INTO users (id, account_id) SELECT id, account_id FROM made;
    INSERT INTO device_registrations (id, account_id, app_id, user_id)
      SELECT made.id, made.account_id, apps.id, made.id FROM made, apps;
    INSERT INTO devices (id, account_id, app_id, registration_id, provider, token, token_hash)
      SELECT made.id, made.account_id, apps.id, made.id, 'FCM', 't', token_hash FROM made, apps;
    COMMIT;
    ANALYZE users, device_registrations, devices`);
  await client.end();
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

/** The rows that the statements of `work` read from big tables, and how. */
async function reads(work: () => Promise<unknown>): Promise<{ kinds: string[]; rows: number }> {
  ran.length = 0;
  await work();
  const statements = [...ran];
  expect(statements.length).toBeGreaterThan(0);
  const scans: Plan[] = [];
  for (const { text, values } of statements) {
    const [row] = await store.db.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
      values,
    );
    const big = ['users', 'device_registrations', 'devices'];
    scans.push(
      ...nodes(row!['QUERY PLAN'][0].Plan).filter((node) =>
        big.includes(node['Relation Name'] ?? ''),
      ),
    );
  }
  return {
    kinds: [...new Set(scans.map((scan) => scan['Node Type']))],
    rows: scans.reduce(
      (sum, scan) =>
        sum + (scan['Actual Rows'] + (scan['Rows Removed by Filter'] ?? 0)) * scan['Actual Loops'],
      0,
    ),
  };
}

const page = (before: Uuid | null = null) => ({ limit: 50, before });
const SEQUENTIAL = 'Seq Scan';

describe('at a million rows', () => {
  it('a page of users reads a page', async () => {
    const first = await store.users.list(accountId, page());
    for (const before of [null, first.next]) {
      const { kinds, rows } = await reads(() => store.users.list(accountId, page(before)));
      expect(kinds).not.toContain(SEQUENTIAL);
      expect(rows).toBeLessThanOrEqual(51);
    }
  });

  it('the registrations of a user are found by the user', async () => {
    for (const appName of [undefined, 'news']) {
      const { kinds, rows } = await reads(() =>
        store.devices.list(accountId, { userId, appName }, page()),
      );
      expect(kinds).not.toContain(SEQUENTIAL);
      expect(rows).toBeLessThanOrEqual(4);
    }
  });

  it('so are one registration, and a token that is registered again', async () => {
    const { items } = await store.devices.list(accountId, { userId }, page());
    for (const work of [
      () => store.devices.find(accountId, items[0]!.id),
      () => store.devices.register(accountId, { appName: 'news', provider: 'FCM', token: 't' }),
    ]) {
      const { kinds, rows } = await reads(work);
      expect(kinds).not.toContain(SEQUENTIAL);
      expect(rows).toBeLessThanOrEqual(6);
    }
  });

  it('a send to 1,000 of its users reads their rows alone', async () => {
    const { items } = await store.users.list(accountId, { limit: 1_000, before: null });
    const users = items.map(({ id }) => id);
    const asked = { accountId, appName: 'news', providers: PROVIDERS, userIds: users };
    const expand = () => store.db.query(EXPAND, [accountId, 'news', users, PROVIDERS]);
    for (const work of [() => store.devices.count(asked), expand]) {
      const { kinds, rows } = await reads(work);
      expect(kinds).not.toContain(SEQUENTIAL);
      expect(rows).toBeLessThanOrEqual(2_000);
    }
  });

  it('a page of API keys, credentials and Apps uses an index', async () => {
    await store.db.query(
      `INSERT INTO api_keys (id, account_id, name, scopes, secret_hash)
       SELECT gen_random_uuid(), $1, 'k', '{send}', '' FROM generate_series(1, 20000) n`,
      [accountId],
    );
    await store.db.query(
      `INSERT INTO credentials (id, account_id, app_name, credential_type, is_default, sealed, fingerprint, deleted_at)
       SELECT gen_random_uuid(), $1, 'news', 'FCM', false, '', '', now() FROM generate_series(1, 20000) n`,
      [accountId],
    );
    await store.db.query(
      `INSERT INTO apps (id, account_id, name, is_default)
       SELECT gen_random_uuid(), gen_random_uuid(), 'news', true FROM generate_series(1, 20000) n`,
    );
    await store.db.query(
      `INSERT INTO credential_windows (credential_id, account_id, "window")
       SELECT gen_random_uuid(), gen_random_uuid(), 500 FROM generate_series(1, 20000) n`,
    );
    const owner = new pg.Client({ connectionString: database.ownerUrl });
    await owner.connect();
    await owner.query('ANALYZE api_keys, credentials, credential_windows, apps');
    await owner.end();
    ran.length = 0;
    await store.apiKeys.list(accountId, page());
    await store.credentials.list(accountId, { isDefault: true }, page());
    await store.apps.list(accountId, {}, page());
    const statements = [...ran];
    // Credentials take two: their status lies with their windows.
    expect(statements).toHaveLength(4);
    for (const { text, values } of statements) {
      const [row] = await store.db.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
        values,
      );
      for (const node of nodes(row!['QUERY PLAN'][0].Plan)) {
        expect(node['Node Type']).not.toBe(SEQUENTIAL);
        expect(node['Rows Removed by Filter'] ?? 0).toBeLessThan(100);
      }
    }
  });
});
