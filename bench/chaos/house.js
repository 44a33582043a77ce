/** Builds everything that the faults are thrown at: real processes, PostgreSQL and Redis of their own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { freePort, startPostgres } from '../../scripts/embedded-postgres.js';
import { bareEnvironment, startGateway } from '../../scripts/gateway.js';
import { startProcess } from '../../scripts/processes.js';
import { startRedis } from '../../scripts/redis.js';
import { messageOf } from '../../scripts/sentence.js';
import { seat } from './seat.js';
import { LEASE_MARGIN_MS, LEASE_MS, REQUEST_TIMEOUT_MS, UNDISTURBED } from './times.js';

/** @import { Backend, House } from './types.js' */

/** A row for each lease that ran out: no row of a push says how often, and when, that happened. */
export const LOST_LEASES = 'chaos_lost_leases';

/**
 * A witness inside PostgreSQL. A lease is lost when another claim finds it still there (one that its owner takes again, since
 * nobody answered it, has the same name), or a cancel or the end of its time does. A settlement and a claim that is given back end it.
 */
export const WITNESS = [
  `CREATE TABLE ${LOST_LEASES} (push_id uuid NOT NULL, lease_until timestamptz NOT NULL)`,
  `GRANT SELECT, INSERT ON ${LOST_LEASES} TO PUBLIC`,
  `CREATE FUNCTION chaos_lost_lease() RETURNS trigger LANGUAGE plpgsql AS
   $$ BEGIN INSERT INTO public.${LOST_LEASES} VALUES (OLD.id, OLD.lease_until); RETURN NULL; END $$`,
  `CREATE TRIGGER chaos_lost_lease AFTER UPDATE ON push_notifications FOR EACH ROW WHEN (
     OLD.lease_until IS NOT NULL AND (
       (NEW.lease > OLD.lease AND NEW.claim IS DISTINCT FROM OLD.claim)
       OR (NEW.lease = OLD.lease AND NEW.status = 'FAILED' AND OLD.lease_until < now()
         AND NEW.attempts <> OLD.attempts AND NEW.attempts->-1->>'reason' = 'lease-lost')
       OR (NEW.lease = OLD.lease AND NEW.status = 'CANCELED' AND NEW.lease_lost AND (
         NOT OLD.lease_lost OR (OLD.lease_until < now() AND NEW.attempts = OLD.attempts)))))
   EXECUTE FUNCTION chaos_lost_lease()`,
];

/** Intervals too are a tenth of their defaults. */
const SHORT = {
  LOG_LEVEL: 'warn',
  LEASE_MS: String(LEASE_MS),
  LEASE_MARGIN_MS: String(LEASE_MARGIN_MS),
  REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS),
  JOB_LOCK_MS: '3000',
  STALLED_INTERVAL_MS: '3000',
  LOST_AFTER_MS: '8000',
  SWEEP_INTERVAL_MS: '200',
  DISPATCH_INTERVAL_MS: '200',
  DISPATCH_TIMEOUT_MS: '2000',
  REFUSED_PAUSE_MS: '1000',
  PING_INTERVAL_MS: '2000',
  PING_TIMEOUT_MS: '500',
  SHUTDOWN_GRACE_SECONDS: '10',
};

/**
 * @param {object} options
 * @param {Backend} options.backend
 * @param {number} options.jobSize pushes that a job carries at most
 * @param {string[]} options.kinds of faults
 * @param {string} options.dir
 * @param {() => boolean} options.isOver everything is being stopped
 * @param {<T>(title: string, work: () => Promise<T>) => Promise<T>} options.step
 * @returns {Promise<House>}
 */
export async function startHouse({ backend, jobSize, kinds, dir, isOver, step }) {
  const redis =
    backend === 'redis' ? await step('Start Redis, append-only', () => startRedis()) : undefined;
  const postgres = await step('Start PostgreSQL', () => startPostgres());
  const ports = [await freePort(), await freePort()];
  const gateway = await startGateway({
    dir,
    database: postgres,
    step,
    simulator: true,
    ...(redis === undefined ? {} : { redisUrl: redis.url }),
    base: { ...bareEnvironment(), SIMULATOR_LEDGER_FILE: ledgerFile(dir) },
    env: {
      ...SHORT,
      ...(kinds.length === 0 ? UNDISTURBED : {}),
      DELIVERY_JOB_SIZE: String(jobSize),
      PORT: String(ports[0]),
    },
  });
  for (const sql of WITNESS) await asSuperuser(postgres, sql);
  const crashes = /** @type {string[]} */ ([]);
  const uncleanStops = /** @type {string[]} */ ([]);
  const heard = {
    isOver,
    onCrash: (/** @type {string} */ what) => void crashes.push(what),
    onUncleanStop: (/** @type {string} */ what) => void uncleanStops.push(what),
  };
  const log = (/** @type {string} */ name) => join(dir, 'logs', `${name}.log`);
  const { environment } = gateway;

  const clockFile = join(dir, 'clock');
  const shiftClock = (/** @type {number} */ ms) => writeFileSync(clockFile, String(ms));
  shiftClock(0);
  const clock = {
    NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, 'shifted-clock.js')).href}`,
    SHIFTED_CLOCK_FILE: clockFile,
  };
  const startWorker = (/** @type {string} */ name, env = {}) =>
    startProcess('worker', { env: { ...environment, ...env }, logFile: log(name) });

  let starts = 0;
  const api = seat({
    name: 'api',
    running: gateway.api,
    // In turn, so that the next one can listen while the last one still finishes.
    launch: () =>
      startProcess('api', {
        env: { HOST: '127.0.0.1', ...environment, PORT: String(ports[(starts += 1) % 2]) },
        logFile: log('api'),
      }),
    ...heard,
  });
  const first = seat({
    name: 'worker-1',
    running: gateway.worker,
    launch: () => startWorker('worker-1'),
    ...heard,
  });
  const second = seat({
    name: 'worker-2',
    running: await step('Start a second worker', () => startWorker('worker-2', clock)),
    launch: () => startWorker('worker-2', clock),
    ...heard,
  });
  const simulator = simulatorSeat(gateway, dir, log('simulator'), heard);
  const pool = new pg.Pool({ connectionString: postgres.appUrl, max: 3, query_timeout: 20_000 });
  pool.on('error', () => {}); // PostgreSQL is restarted; the pool connects again
  pool.on('connect', (client) => client.on('error', () => {}));

  return {
    backend,
    account: gateway.account,
    api,
    workers: [first, second],
    simulator,
    postgres,
    redis,
    dir,
    crashes,
    uncleanStops,
    get url() {
      return `http://127.0.0.1:${api.running.ready.port}`;
    },
    async behave(change) {
      const answer = await fetch(`${simulator.control}/behaviour`, {
        method: 'PUT',
        body: JSON.stringify(change),
      });
      if (!answer.ok) throw new Error(`The simulator refuses: ${await answer.text()}`);
    },
    asSuperuser: (sql) => asSuperuser(postgres, sql),
    query: async (sql) => (await pool.query(sql)).rows,
    shiftClock(ms) {
      shiftClock(ms);
      try {
        process.kill(second.running.pid, 'SIGUSR2');
      } catch {
        // Just ended; the next one reads the file at its start.
      }
    },
    async closeGateway() {
      await Promise.all([api.close(), first.close(), second.close()]);
    },
  };
}

/** @param {string} dir of the house */
export const ledgerFile = (dir) => join(dir, 'ledger.ndjson');

/**
 * The simulator comes back on its ports, with its CA and credentials.
 * @param {import('../../scripts/types.js').Gateway} gateway @param {string} dir @param {string} logFile
 * @param {{ isOver: () => boolean, onCrash: (what: string) => void, onUncleanStop: (what: string) => void }} heard
 */
function simulatorSeat({ simulator }, dir, logFile, heard) {
  if (simulator === undefined) throw new Error('startGateway() was asked for a simulator.');
  const port = (/** @type {string} */ origin) => new URL(origin).port;
  const { fcmOrigin, apnsOrigin, apnsSandboxOrigin, controlOrigin } = simulator.ready;
  const env = {
    ...bareEnvironment(),
    SIMULATOR_DIR: join(dir, 'simulator'),
    SIMULATOR_LEDGER_FILE: ledgerFile(dir),
    SIMULATOR_FCM_PORT: port(fcmOrigin),
    SIMULATOR_APNS_PORT: port(apnsOrigin),
    SIMULATOR_APNS_SANDBOX_PORT: port(apnsSandboxOrigin),
    SIMULATOR_CONTROL_PORT: port(controlOrigin),
  };
  const running = seat({
    name: 'simulator',
    running: simulator,
    launch: () => startProcess('simulator', { env, logFile }),
    ...heard,
  });
  return Object.assign(running, { control: controlOrigin });
}

/**
 * @param {import('../../scripts/types.js').RunningPostgres} postgres @param {string} sql
 * @throws Error when PostgreSQL does not take it
 */
async function asSuperuser(postgres, sql) {
  const url = new URL(postgres.superUrl);
  url.pathname = new URL(postgres.ownerUrl).pathname;
  const client = new pg.Client({
    connectionString: url.href,
    connectionTimeoutMillis: 3_000,
    options: '-c default_transaction_read_only=off',
  });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query(sql);
  } catch (error) {
    throw new Error(`PostgreSQL: ${messageOf(error)}`, { cause: error });
  } finally {
    await client.end().catch(() => {});
  }
}
