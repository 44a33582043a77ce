/** One gateway: migrations, simulator, api and workers on a given database. Used by start, demo and the tests. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { migrate } from './migrate.js';
import { startProcess } from './processes.js';

/** @import { Account, Gateway, GatewayOptions, ReadyInfo, RunningProcess } from './types.js' */

/** @returns {Account} an account whose token is long enough to be kept as a plain hash */
export const randomAccount = () => ({
  sid: `AC${randomBytes(16).toString('hex')}`,
  token: randomBytes(32).toString('hex'),
});

/** @returns {string} ENCRYPTION_KEYS with one fresh key */
export const randomKeys = () => `k1:${randomBytes(32).toString('base64')}`;

/**
 * What a child inherits when nothing else of the environment may reach it.
 * @returns {Record<string, string>}
 */
export function bareEnvironment() {
  const names = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ'];
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] ? [[name, process.env[name] ?? '']] : [])),
  );
}

/**
 * @param {ReadyInfo['simulator']} simulator
 * @returns {Record<string, string>} the environment that sends api and worker to the simulator
 */
export const simulatorEnvironment = (simulator) => ({
  PROVIDERS: 'simulator',
  FCM_ORIGIN: simulator.fcmOrigin,
  GOOGLE_TOKEN_URL: simulator.tokenUrl,
  APNS_ORIGIN: simulator.apnsOrigin,
  APNS_SANDBOX_ORIGIN: simulator.apnsSandboxOrigin,
  PROVIDER_CA_FILE: simulator.caFile,
});

/**
 * Starts everything but the database and Redis. What was started is stopped again when a later part fails.
 * @param {GatewayOptions} options
 * @returns {Promise<Gateway>}
 */
export async function startGateway({
  dir,
  database,
  env = {},
  base = bareEnvironment(),
  step = (_title, work) => work(),
  ...options
}) {
  const account = options.account ?? randomAccount();
  /** @type {RunningProcess<unknown>[]} */
  const started = [];
  const logs = join(dir, 'logs');
  const launch = async (/** @type {Promise<RunningProcess<any>>} */ starting) => {
    const running = await starting;
    started.unshift(running);
    return running;
  };
  try {
    await step('Migrate the database', () =>
      migrate({ migrateUrl: database.ownerUrl, appUrl: database.appUrl }),
    );
    /** @type {RunningProcess<ReadyInfo['simulator']> | undefined} */
    const simulator = options.simulator
      ? await step('Start the simulator of FCM and APNs', () =>
          launch(
            startProcess('simulator', {
              env: { ...base, SIMULATOR_DIR: join(dir, 'simulator') },
              logFile: join(logs, 'simulator.log'),
            }),
          ),
        )
      : undefined;
    const common = {
      ...base,
      DATABASE_URL: database.appUrl,
      MIGRATE_DATABASE_URL: database.ownerUrl,
      ...(options.redisUrl === undefined ? {} : { REDIS_URL: options.redisUrl }),
      ENCRYPTION_KEYS: options.encryptionKeys ?? randomKeys(),
      BOOTSTRAP_ACCOUNT_SID: account.sid,
      BOOTSTRAP_AUTH_TOKEN: account.token,
      ...(simulator === undefined ? {} : simulatorEnvironment(simulator.ready)),
      METRICS_PORT: '0', // each a free one, on one machine
      SHUTDOWN_DRAIN_SECONDS: '0', // no balancer stands before it
      ...env,
    };
    const host = env.HOST ?? '127.0.0.1';
    const startApi = () =>
      launch(
        startProcess('api', {
          env: { PORT: '0', HOST: host, ...common },
          logFile: join(logs, 'api.log'),
        }),
      );
    const startWorker = (/** @type {Record<string, string>} */ more = {}) =>
      launch(
        startProcess('worker', { env: { ...common, ...more }, logFile: join(logs, 'worker.log') }),
      );
    const [api, worker] = await step('Start api and worker', () => both(startApi(), startWorker()));
    return {
      account,
      simulator,
      api,
      worker,
      url: `http://localhost:${api.ready.port}`,
      environment: common,
      processes: started,
      startApi,
      startWorker,
      stop: (graceMs) => stopAll(started, graceMs),
      kill9: async () => void (await Promise.all(started.map((running) => running.kill9()))),
    };
  } catch (error) {
    await stopAll(started, 2_000);
    throw error;
  }
}

/**
 * Waits for both even when one fails, so that the other one is known and can be stopped.
 * @template A, B
 * @param {Promise<A>} a @param {Promise<B>} b
 * @returns {Promise<[A, B]>}
 */
async function both(a, b) {
  await Promise.allSettled([a, b]);
  return Promise.all([a, b]);
}

/**
 * api and worker first, so that what they have in flight still finds the simulator.
 * @param {RunningProcess<unknown>[]} started @param {number} [graceMs]
 */
async function stopAll(started, graceMs) {
  const last = started.filter(({ name }) => name === 'simulator');
  const first = started.filter(({ name }) => name !== 'simulator');
  await Promise.all(first.map((running) => running.stop(graceMs)));
  await Promise.all(last.map((running) => running.stop(graceMs)));
}
