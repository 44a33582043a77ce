import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { freePort, startPostgres } from '../../scripts/embedded-postgres.js';
import { migrate } from '../../scripts/migrate.js';
import type { RunningPostgres } from '../../scripts/types.js';
import { openTempFolder, remove, ROOT } from './command.js';

const FIRST = `CREATE TABLE things (id int PRIMARY KEY);
CREATE FUNCTION double(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN n; END; $$;`;

describe('npm run migrate', () => {
  let server: RunningPostgres;
  let folder: string;
  let owner: string;
  let app: string;
  let made = 0;

  beforeAll(async () => {
    server = await startPostgres();
  });

  afterAll(() => server.stop());

  beforeEach(async () => {
    folder = openTempFolder();
    writeFileSync(join(folder, 'migration_lock.toml'), 'provider = "postgresql"\n');
    write('1_first', FIRST);
    made += 1;
    await query(server.superUrl, `CREATE DATABASE db${made} OWNER fanfare_owner`);
    owner = server.ownerUrl.replace(/\/fanfare$/, `/db${made}`);
    app = server.appUrl.replace(/\/fanfare$/, `/db${made}`);
  });

  afterEach(() => remove(folder));

  function write(name: string, sql: string): void {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'migration.sql'), sql);
  }

  async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  const run = () => migrate({ migrateUrl: owner, appUrl: app, migrationsDir: folder });

  it('applies each migration once, function bodies whole', async () => {
    expect((await run()).applied).toEqual(['1_first']);
    expect(await query(owner, 'SELECT double(4)')).toEqual([{ double: 4 }]);
    expect((await run()).applied).toEqual([]);
    write('2_second', 'ALTER TABLE things ADD COLUMN name text;');
    expect((await run()).applied).toEqual(['2_second']);
  });

  it('fills _prisma_migrations as prisma migrate deploy does', async () => {
    await run();
    const rows = await query(
      owner,
      `SELECT migration_name, checksum, finished_at IS NOT NULL AS finished, rolled_back_at, applied_steps_count
         FROM _prisma_migrations`,
    );
    expect(rows).toEqual([
      {
        migration_name: '1_first',
        checksum: createHash('sha256').update(FIRST).digest('hex'),
        finished: true,
        rolled_back_at: null,
        applied_steps_count: 1,
      },
    ]);
  });

  it('may run twice at once', async () => {
    const [a, b] = await Promise.all([run(), run()]);
    expect([...a.applied, ...b.applied]).toEqual(['1_first']);
  });

  it('leaves a failed migration undone as a whole and says what PostgreSQL said', async () => {
    write('2_bad', 'CREATE TABLE half (id int); SELECT nonsense;');
    await expect(run()).rejects.toThrow(
      /^A migration failed, the ones before it stay applied: column "nonsense" does not exist$/,
    );
    expect(
      await query(owner, `SELECT to_regclass('things')::text AS t, to_regclass('half') AS h`),
    ).toEqual([{ t: 'things', h: null }]);
    // As with Prisma's own command, somebody has to look at it first.
    write('2_bad', 'SELECT 1;');
    await expect(run()).rejects.toThrow(/migrate found failed migrations|failed migrations/);
  });

  it('gives the app role rows of today’s and of later objects, and no migrations to forge', async () => {
    await run();
    await query(owner, 'CREATE TABLE later (id serial)');
    expect(await query(app, 'INSERT INTO later DEFAULT VALUES RETURNING id')).toEqual([{ id: 1 }]);
    expect(await query(app, 'SELECT double(id) FROM things')).toEqual([]);
    for (const forbidden of [
      'CREATE TABLE mine (id int)',
      'CREATE TABLE bullmq.mine (id int)',
      'ALTER TABLE things ADD COLUMN mine int',
      'TRUNCATE things',
      `DELETE FROM _prisma_migrations`,
    ])
      await expect(query(app, forbidden)).rejects.toThrow(/permission denied|must be owner/);
  });

  it('works with one role for both', async () => {
    const { applied } = await migrate({ migrateUrl: owner, migrationsDir: folder });
    expect(applied).toEqual(['1_first']);
  });

  describe('says in one sentence', () => {
    it('that the app role does not exist', async () => {
      const appUrl = app.replace('fanfare_app', 'nobody_here');
      await expect(migrate({ migrateUrl: owner, appUrl, migrationsDir: folder })).rejects.toThrow(
        'The role nobody_here of DATABASE_URL does not exist: create it first.',
      );
    });

    it('that the database cannot be reached, without a password', async () => {
      const port = await freePort();
      const migrateUrl = `postgresql://fanfare_owner:geheim@127.0.0.1:${port}/fanfare`;
      const failure = await migrate({ migrateUrl }).then(
        () => '',
        (error: Error) => error.message,
      );
      expect(failure).toMatch(
        `PostgreSQL at 127.0.0.1:${port}/fanfare cannot be used for migrations: connect ECONNREFUSED`,
      );
      expect(failure).not.toContain('geheim');
    });

    const command = (env: Record<string, string>) =>
      spawnSync(process.execPath, [join(ROOT, 'scripts/migrate.js')], { encoding: 'utf8', env });

    it('that it was given no database, with exit code 1', () => {
      expect(command({})).toMatchObject({
        status: 1,
        stderr: 'Set MIGRATE_DATABASE_URL, or DATABASE_URL when one role does both.\n',
      });
    });

    it('what it did, with exit code 0', () => {
      const { status, stdout } = command({ MIGRATE_DATABASE_URL: owner, DATABASE_URL: app });
      expect(status).toBe(0);
      expect(stdout).toMatch(
        /^applied \d+_\w+\n(.*\n)*\d+ migrations? applied, BullMQ's schema is at version \d+\.\n$/,
      );
    });

    it('that the role of the service has no rights where it was not named', () => {
      const { status, stdout } = command({ MIGRATE_DATABASE_URL: owner });
      expect(status).toBe(0);
      expect(stdout).toContain('No other role got rights: set DATABASE_URL too');
    });
  });
});
