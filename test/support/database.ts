import { createHash, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import pg from 'pg';
import { startPostgres } from '../../scripts/embedded-postgres.js';
import { migrate } from '../../scripts/migrate.js';
import type { RunningPostgres } from '../../scripts/types.js';

/** A migrated database of one test file's own. */
export interface TestDatabase {
  /** Role that owns the schema (MIGRATE_DATABASE_URL). */
  ownerUrl: string;
  /** Role that reads and writes rows (DATABASE_URL). */
  appUrl: string;
  /** Removes it, whoever is still connected. */
  drop(): Promise<void>;
}

type Cluster = Pick<RunningPostgres, 'superUrl' | 'ownerUrl' | 'appUrl'>;

const MIGRATIONS = join(import.meta.dirname, '../../prisma/migrations');

let own: Promise<RunningPostgres> | undefined;
let databases = 0;

/**
 * Makes a migrated database, as a copy of a template. It lies in the cluster that `npm test` started
 * (TEST_DATABASE_SUPER_URL, _OWNER_URL, _APP_URL), else in one of this file's own, which goes with the last
 * database.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  const cluster = await enter();
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await asSuperuser(cluster, async (client) => {
    const template = await migratedTemplate(client, cluster);
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${template} OWNER fanfare_owner`);
    await restrict(client, name);
  });
  return {
    ownerUrl: at(cluster.ownerUrl, name),
    appUrl: at(cluster.appUrl, name),
    drop: async () => {
      await asSuperuser(cluster, async (client) => {
        await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      });
      await leave();
    },
  };
}

async function enter(): Promise<Cluster> {
  databases += 1;
  const {
    TEST_DATABASE_SUPER_URL: superUrl,
    TEST_DATABASE_OWNER_URL: ownerUrl,
    TEST_DATABASE_APP_URL: appUrl,
  } = process.env;
  if (superUrl && ownerUrl && appUrl) return { superUrl, ownerUrl, appUrl };
  own ??= startPostgres();
  return own;
}

async function leave(): Promise<void> {
  databases -= 1;
  if (databases > 0 || own === undefined) return;
  const cluster = await own;
  own = undefined;
  await cluster.stop();
}

/** Files run side by side: the first one makes the template, the others wait for it. */
async function migratedTemplate(client: pg.Client, cluster: Cluster): Promise<string> {
  const name = `template_${fingerprint()}`;
  const lock = [`fanfare ${name}`];
  await client.query('SELECT pg_advisory_lock(hashtext($1))', lock);
  try {
    const known = await client.query(
      'SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate',
      [name],
    );
    if (known.rowCount === 0) {
      await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await client.query(`CREATE DATABASE ${name} TEMPLATE template0 OWNER fanfare_owner`);
      await restrict(client, name);
      await migrate({ migrateUrl: at(cluster.ownerUrl, name), appUrl: at(cluster.appUrl, name) });
      await client.query(`ALTER DATABASE ${name} WITH IS_TEMPLATE true`);
    }
  } finally {
    await client.query('SELECT pg_advisory_unlock(hashtext($1))', lock);
  }
  return name;
}

/** What a template depends on: our migrations and BullMQ's version. */
function fingerprint(): string {
  const hash = createHash('sha256');
  const files = readdirSync(MIGRATIONS, { recursive: true, encoding: 'utf8' }).sort();
  for (const file of files.filter((path) => path.endsWith('.sql')))
    hash.update(readFileSync(join(MIGRATIONS, file)));
  hash.update(readFileSync(createRequire(import.meta.url).resolve('bullmq/package.json')));
  return hash.digest('hex').slice(0, 16);
}

/** The rights on a database are not copied from its template. */
async function restrict(client: pg.Client, name: string): Promise<void> {
  await client.query(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`);
  await client.query(`GRANT CONNECT, TEMPORARY ON DATABASE ${name} TO fanfare_app`);
}

async function asSuperuser(
  cluster: Cluster,
  work: (client: pg.Client) => Promise<void>,
): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.superUrl });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function at(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}
