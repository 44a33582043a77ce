/**
 * `npm run migrate`: our migrations, BullMQ's, then the rights of the role that runs the product. Nothing
 * else does DDL. Prisma's own engine runs as WebAssembly, because its CLI would download a native one; the
 * `_prisma_migrations` table comes out as `prisma migrate deploy` fills it, so either may go on from there.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { runMigrations } from 'bullmq';
import pg from 'pg';
import { messageOf, print, run, Sentence } from './sentence.js';

/** @import { Migrated, MigrateOptions } from './types.js' */

const MIGRATIONS = fileURLToPath(new URL('../prisma/migrations', import.meta.url));
const QUEUE_SCHEMA = 'bullmq';
/** As libs/queue/src/jobs.ts names them; a test holds the two together. */
export const QUEUES = ['deliver-fcm', 'deliver-apn', 'check-credential'];

/** Any fixed number: two migrations at once wait for each other. */
const LOCK = 7_013_266_422;

/**
 * Brings a database up to date. Safe to call again and from several places at once.
 * @param {MigrateOptions} options
 * @returns {Promise<Migrated>}
 * @throws {Sentence} no connection, an unknown app role, or a migration that failed
 */
export async function migrate({ migrateUrl, appUrl = migrateUrl, migrationsDir = MIGRATIONS }) {
  const client = new pg.Client({ connectionString: migrateUrl });
  await connect(client, migrateUrl);
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    const applied = await applyOurs(migrateUrl, migrationsDir);
    const bullmq = await runMigrations(client, QUEUE_SCHEMA);
    await makeQueueSequences(client);
    await grantRows(client, roleOf(migrateUrl), roleOf(appUrl));
    return { applied, bullmq };
  } finally {
    await client.end(); // and with it the lock
  }
}

/** @param {pg.Client} client @param {string} url */
async function connect(client, url) {
  try {
    await client.connect();
  } catch (error) {
    const { host, pathname } = new URL(url);
    throw new Sentence(
      `PostgreSQL at ${host}${pathname} cannot be used for migrations: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** @param {string} url */
const roleOf = (url) => decodeURIComponent(new URL(url).username);

/** @param {string} migrateUrl @param {string} migrationsDir @returns {Promise<string[]>} */
async function applyOurs(migrateUrl, migrationsDir) {
  // A pool of ours, because the engine keeps its advisory lock for as long as its connection lives.
  const pool = new pg.Pool({ connectionString: migrateUrl, max: 1 });
  const adapter = new WholeScripts(pool);
  const { SchemaEngine } = await schemaEngine();
  const engine = await SchemaEngine.new(
    { datamodels: undefined },
    () => {},
    bindMigrationAwareSqlAdapterFactory(adapter),
  );
  try {
    const { appliedMigrationNames } = await engine.applyMigrations({
      migrationsList: listMigrations(migrationsDir),
      filters: { externalTables: [], externalEnums: [] },
    });
    return appliedMigrationNames;
  } catch (error) {
    // The engine's own words end in a trace through its Rust sources.
    const said = messageOf(adapter.failure ?? error).split(/\n\s+0: /)[0];
    throw new Sentence(`A migration failed, the ones before it stay applied: ${said}`, {
      cause: error,
    });
  } finally {
    engine.free();
    await pool.end();
  }
}

/**
 * Prisma's adapter for pg, but a migration goes to PostgreSQL in one piece, as Prisma's native engine sends
 * it: one implicit transaction, and function bodies stay whole. The adapter itself splits at every `;`.
 */
class WholeScripts extends PrismaPg {
  /** What PostgreSQL said to the script that failed. @type {unknown} */
  failure;

  /** @param {pg.Pool} pool */
  constructor(pool) {
    super(pool);
    this.pool = pool;
  }

  /** @override */
  async connect() {
    const adapter = await super.connect();
    adapter.executeScript = async (script) => {
      try {
        await this.pool.query(script);
      } catch (error) {
        this.failure = error;
        throw error;
      }
    };
    return adapter;
  }
}

/** @type {Promise<typeof import('@prisma/schema-engine-wasm')> | undefined} */
let loaded;

/** The bindings hold one instance for the whole process: a second one would break what runs on the first. */
const schemaEngine = () => (loaded ??= loadEngine());

/**
 * Loads the engine's WebAssembly by hand: its own entry point imports the `.wasm` file, which Node does
 * only with a flag and Jest not at all.
 */
async function loadEngine() {
  const file = createRequire(import.meta.url).resolve(
    '@prisma/schema-engine-wasm/schema_engine_bg',
  );
  const bindings = await import(pathToFileURL(file).href);
  const bytes = readFileSync(join(dirname(file), 'schema_engine_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, {
    './schema_engine_bg.js': Object.fromEntries(Object.entries(bindings).map(unrefTimers)),
  });
  bindings.__wbg_set_wasm(instance.exports);
  /** @type {() => void} */ (instance.exports.__wbindgen_start)();
  return bindings;
}

/**
 * The engine's limit of 10 s for its lock is a timer that it never clears: alone it must not keep a process alive.
 * @param {[string, WebAssembly.ImportValue]} binding
 * @returns {[string, WebAssembly.ImportValue]}
 */
const unrefTimers = ([name, value]) => [
  name,
  name.startsWith('__wbg_setTimeout_')
    ? (/** @type {() => void} */ callback, /** @type {number} */ ms) =>
        setTimeout(callback, ms >>> 0).unref()
    : value,
];

/** @param {string} baseDir */
function listMigrations(baseDir) {
  const names = readdirSync(baseDir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  return {
    baseDir,
    shadowDbInitScript: '',
    lockfile: {
      path: 'migration_lock.toml',
      content: readFileSync(join(baseDir, 'migration_lock.toml'), 'utf8'),
    },
    migrationDirectories: names.map((name) => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: /** @type {const} */ ({
          tag: 'ok',
          value: readFileSync(join(baseDir, name, 'migration.sql'), 'utf8'),
        }),
      },
    })),
  };
}

/**
 * BullMQ makes a sequence with the first job of each queue; the app role may not, and need not.
 * @param {pg.Client} client
 */
async function makeQueueSequences(client) {
  for (const queue of QUEUES) {
    const { rows } = await client.query(`SELECT ${QUEUE_SCHEMA}.job_id_seq_name($1) AS name`, [
      queue,
    ]);
    const name = pg.escapeIdentifier(rows[0].name);
    await client.query(`CREATE SEQUENCE IF NOT EXISTS ${QUEUE_SCHEMA}.${name}`);
  }
}

/**
 * Gives the app role rows and nothing more, for the objects of today and those that the owner makes later
 * (the partitions of the coming days).
 * @param {pg.Client} client @param {string} owner @param {string} app
 */
async function grantRows(client, owner, app) {
  if (app === owner) return;
  const known = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [app]);
  if (known.rowCount === 0)
    throw new Sentence(`The role ${app} of DATABASE_URL does not exist: create it first.`);
  const role = pg.escapeIdentifier(app);
  const perSchema = ['public', QUEUE_SCHEMA].flatMap((schema) => [
    `REVOKE CREATE ON SCHEMA ${schema} FROM PUBLIC, ${role}`,
    `GRANT USAGE ON SCHEMA ${schema} TO ${role}`,
    ...[
      ['SELECT, INSERT, UPDATE, DELETE', 'TABLES'],
      ['USAGE, SELECT, UPDATE', 'SEQUENCES'],
      ['EXECUTE', 'FUNCTIONS'],
    ].flatMap(([rights, kind]) => [
      `GRANT ${rights} ON ALL ${kind} IN SCHEMA ${schema} TO ${role}`,
      `ALTER DEFAULT PRIVILEGES IN SCHEMA ${schema} GRANT ${rights} ON ${kind} TO ${role}`,
    ]),
  ]);
  const { rows } = await client.query('SELECT current_database() AS name');
  // BullMQ adds jobs in bulk by way of a temporary table.
  perSchema.push(`GRANT TEMPORARY ON DATABASE ${pg.escapeIdentifier(rows[0].name)} TO ${role}`);
  await client.query('BEGIN');
  for (const statement of perSchema) await client.query(statement);
  await client.query(`REVOKE INSERT, UPDATE, DELETE ON public._prisma_migrations FROM ${role}`);
  await client.query('COMMIT');
}

/** @returns {Promise<void>} */
async function main() {
  const appUrl = process.env.DATABASE_URL;
  const migrateUrl = process.env.MIGRATE_DATABASE_URL || appUrl;
  if (!migrateUrl)
    throw new Sentence('Set MIGRATE_DATABASE_URL, or DATABASE_URL when one role does both.');
  const { applied, bullmq } = await migrate({ migrateUrl, appUrl: appUrl || migrateUrl });
  for (const name of applied) print(`applied ${name}`);
  print(`${applied.length} migrations applied, BullMQ's schema is at version ${bullmq}.`);
  if (!appUrl)
    print(
      'No other role got rights: set DATABASE_URL too when api and worker have one of their own.',
    );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run(main);
