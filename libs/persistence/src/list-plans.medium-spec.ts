import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PROVIDERS, type Uuid } from '@app/domain';
import pg from 'pg';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { EXPAND } from './expansion.js';
import type { AppFilter, CredentialFilter } from './ports.js';
import { fillInBulk } from './testing-fill.js';
import { measureStatements } from './testing-plans.js';

/**
 * Of every table. The newer four fifths are another account's: who walks by id alone meets them first. Of
 * credentials that another account has, none is deleted; of ours nearly all are.
 */
const ROWS = 1_000_000;
const OURS = ROWS / 5;
const OTHERS = 'f0000000-0000-4000-8000-000000000000';
const LIMIT = 50;
/** As many as an account may have. */
const APPS = 10;
const CREDENTIALS = 100;
const TABLES = [
  'users',
  'device_registrations',
  'devices',
  'api_keys',
  'credentials',
  'credential_windows',
  'apps',
];

let store: TestStore;
let accountId: Uuid;
let userId: Uuid;
let measure: ReturnType<typeof measureStatements>;

beforeAll(async () => {
  store = await createTestStore({ poolSize: 2 });
  ({ accountId } = await store.tenant());
  const registration = await store.devices.register(accountId, {
    appName: 'news',
    provider: 'FCM',
    token: 't',
  });
  userId = (await store.devices.find(accountId, registration))!.userId;
  const owner = new pg.Client({ connectionString: store.database.ownerUrl });
  await owner.connect();
  await fillInBulk(owner, TABLES, () => fill(owner));
  await owner.end();
  measure = measureStatements(store);
});

afterAll(() => store?.drop());

/** One id serves a row of each table; their times lie in the last month. */
async function fill(owner: pg.Client): Promise<void> {
  const ours = `n > ${ROWS - OURS}`;
  await owner.query(`
    CREATE TEMP TABLE made AS
      SELECT n, (left(lowest_id_at(now() - make_interval(secs => n * 2.5))::text, 14) || '7'
          || substr(gen_random_uuid()::text, 16))::uuid AS id,
        CASE WHEN ${ours} THEN '${accountId}' ELSE '${OTHERS}' END::uuid AS account_id
      FROM generate_series(1, ${ROWS}) n;
    CREATE TEMP TABLE app AS SELECT id FROM apps;
    INSERT INTO users (id, account_id) SELECT id, account_id FROM made;
    INSERT INTO device_registrations (id, account_id, app_id, user_id)
      SELECT made.id, account_id, app.id, made.id FROM made, app;
    INSERT INTO devices (id, account_id, app_id, registration_id, provider, token, token_hash)
      SELECT made.id, account_id, app.id, made.id, 'FCM', 't', sha256(n::text::bytea) FROM made, app;
    INSERT INTO api_keys (id, account_id, name, scopes, secret_hash)
      SELECT id, account_id, 'k', '{send}', '' FROM made;
    INSERT INTO credentials (id, account_id, app_name, credential_type, is_default, sealed, fingerprint, deleted_at)
      SELECT id, account_id, CASE WHEN ${ours} THEN 'app_' || n / ${OURS / CREDENTIALS} % ${APPS} ELSE 'news' || n END, 'FCM', NOT ${ours}, '', '',
        CASE WHEN ${ours} AND n % ${OURS / CREDENTIALS} <> 0 THEN now() END
      FROM made;
    INSERT INTO credential_windows (credential_id, account_id, "window") SELECT id, account_id, 500 FROM made;
    INSERT INTO apps (id, account_id, name, is_default)
      SELECT id, CASE WHEN n > ${ROWS - APPS + 1} THEN '${accountId}' ELSE gen_random_uuid() END::uuid, 'app_' || n % ${APPS},
        n <= ${ROWS - APPS + 1} FROM made`);
}

/**
 * The statements of `work` look at no more rows than `most` of each table, at none of the others, and read none
 * from end to end.
 */
async function expectReads(work: () => Promise<unknown>, most: Record<string, number>) {
  const statements = await measure(work);
  expect(statements.length).toBeGreaterThan(0);
  const read: Record<string, number> = {};
  for (const { rows, sequential } of statements) {
    expect(sequential.filter((table) => TABLES.includes(table))).toEqual([]);
    for (const [table, n] of Object.entries(rows)) read[table] = (read[table] ?? 0) + n;
  }
  const tooMany = TABLES.filter((table) => (read[table] ?? 0) > (most[table] ?? 0));
  expect(tooMany.map((table) => [table, read[table]])).toEqual([]);
}

const page = (before: Uuid | null = null) => ({ limit: LIMIT, before });
const startDate = new Date(Date.now() - 31 * 86_400_000);
const endDate = new Date(Date.now() + 86_400_000);

describe('at a million rows', () => {
  it('a page of users reads a page', async () => {
    const first = await store.users.list(accountId, page());
    for (const before of [null, first.next])
      await expectReads(() => store.users.list(accountId, page(before)), { users: LIMIT + 1 });
  });

  it('the registrations of a user are found by the user', async () => {
    for (const appName of [undefined, 'news'])
      await expectReads(() => store.devices.list(accountId, { userId, appName }, page()), {
        device_registrations: 1,
        devices: 1,
        apps: APPS,
      });
  });

  it('so are one registration, and a token that is registered again', async () => {
    const { items } = await store.devices.list(accountId, { userId }, page());
    for (const work of [
      () => store.devices.find(accountId, items[0]!.id),
      () => store.devices.register(accountId, { appName: 'news', provider: 'FCM', token: 't' }),
    ])
      await expectReads(work, { users: 4, device_registrations: 4, devices: 4, apps: APPS });
  });

  it('a send to 1,000 of its users reads their rows alone', async () => {
    const { items } = await store.users.list(accountId, { limit: 1_000, before: null });
    const users = items.map(({ id }) => id);
    const asked = { accountId, appName: 'news', providers: PROVIDERS, userIds: users };
    const expand = () => store.db.query(EXPAND, [accountId, 'news', users, PROVIDERS]);
    for (const work of [() => store.devices.count(asked), expand])
      await expectReads(work, { device_registrations: 1_000, devices: 1_000, apps: APPS });
  });

  it('a page of API keys reads a page', async () => {
    const first = await store.apiKeys.list(accountId, page());
    expect(first.items).toHaveLength(LIMIT);
    for (const before of [null, first.next])
      await expectReads(() => store.apiKeys.list(accountId, page(before)), {
        api_keys: LIMIT + 1,
      });
  });

  it.each<[string, CredentialFilter, found: number]>([
    ['all', {}, LIMIT],
    ['of an App', { appName: 'app_0' }, CREDENTIALS / APPS],
    ['of an App that is not there', { appName: 'none' }, 0],
    ['of a type', { credentialType: 'APN' }, 1],
    ['the defaults', { isDefault: true }, 2],
    ['of some days', { startDate, endDate }, LIMIT],
    ['of days that have none', { endDate: startDate }, 0],
  ])('a page of credentials (%s) reads those that are in use', async (_, filter, found) => {
    const first = await store.credentials.list(accountId, filter, page());
    expect(first.items).toHaveLength(found);
    for (const before of first.next === null ? [null] : [null, first.next])
      await expectReads(() => store.credentials.list(accountId, filter, page(before)), {
        credentials: found === LIMIT ? LIMIT + 1 : CREDENTIALS + 2,
        credential_windows: found,
      });
  });

  it.each<[string, AppFilter, found: number]>([
    ['all', {}, APPS],
    ['the default', { isDefault: true }, 1],
    ['of some days', { startDate, endDate }, APPS],
    ['of days that have none', { endDate: startDate }, 0],
  ])('a page of Apps (%s) reads those of the account', async (_, filter, found) => {
    const { items } = await store.apps.list(accountId, filter, page());
    expect(items).toHaveLength(found);
    await expectReads(() => store.apps.list(accountId, filter, page()), {
      apps: APPS,
      credentials: CREDENTIALS + 2,
    });
  });
});
