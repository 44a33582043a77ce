/** *growth*: the same calls at 10 thousand, 1 million and 10 million stored pushes. */
import { join } from 'node:path';
import pg from 'pg';
import { storeCredential } from '../scripts/client.js';
import { startPostgres } from '../scripts/embedded-postgres.js';
import {
  bareEnvironment,
  randomAccount,
  randomKeys,
  simulatorEnvironment,
} from '../scripts/gateway.js';
import { migrate } from '../scripts/migrate.js';
import { startProcess } from '../scripts/processes.js';
import { built } from './built.js';
import { pagesOf } from './growth/pages.js';
import { seed } from './growth/seed.js';
import { keptAliveClient } from './http-client.js';
import { control, startSimulator } from './simulator.js';
import { mapValues, percentile, rounded } from './statistics.js';
import { body } from './traffic.js';

/** @import { ReadyInfo, RunningPostgres, RunningProcess } from '../scripts/types.js' */
/** @import { BenchContext, GrowthCalls, GrowthFigures } from './types.js' */

const PATH = '/v1/PushNotifications';

/** @typedef {{ pushes: number, calls: Record<keyof GrowthCalls, () => Promise<unknown>>, taken: Record<keyof GrowthCalls, number[]>, pages: GrowthFigures['sizes'][number]['pages'], stop: () => Promise<unknown> }} Candidate */

/** @param {BenchContext} context @returns {Promise<GrowthFigures>} */
export async function growth({ dir, quick, large, rounds, log }) {
  const postgres = await startPostgres({ settings: { fsync: 'on' } });
  const simulator = await startSimulator(dir);
  /** @type {Candidate[]} */
  const candidates = [];
  try {
    const sizes = quick ? [2_000, 20_000] : [10_000, 1_000_000, ...(large ? [10_000_000] : [])];
    for (const pushes of sizes) {
      log(`growth: ${pushes} stored pushes`);
      candidates.push(await prepare({ dir, postgres, simulator, pushes, log }));
    }
    const times = quick ? 5 : 100;
    for (let round = 0; round <= rounds; round++) {
      log(round === 0 ? 'growth: warming up' : `growth: round ${round} of ${rounds}`);
      for (const name of /** @type {(keyof GrowthCalls)[]} */ ([
        'list',
        'fetch',
        'operation',
        'send',
      ]))
        for (const { calls, taken } of candidates)
          for (let at = 0; at < times; at++) {
            const begun = performance.now();
            await calls[name]();
            if (round > 0) taken[name].push(performance.now() - begun);
          }
    }
    return {
      sizes: candidates.map(({ pushes, taken, pages }, at) => ({
        pushes,
        calls: mapValues(taken, (values, name) => {
          const first = candidates[0]?.taken[name] ?? [];
          const ratio = (/** @type {number} */ share) =>
            at === 0 ? 1 : rounded(percentile(values, share) / percentile(first, share));
          return {
            p50: rounded(percentile(values, 0.5)),
            p95: rounded(percentile(values, 0.95)),
            p50Ratio: ratio(0.5),
            p95Ratio: ratio(0.95),
          };
        }),
        pages,
      })),
    };
  } finally {
    for (const { stop } of candidates) await stop();
    await simulator.stop();
    await postgres.stop();
  }
}

/**
 * @param {{ dir: string, postgres: RunningPostgres, simulator: RunningProcess<ReadyInfo['simulator']>, pushes: number, log: (line: string) => void }} options
 * @returns {Promise<Candidate>}
 */
async function prepare({ dir, postgres, simulator, pushes, log }) {
  const name = `growth_${pushes}`;
  const admin = new pg.Client({ connectionString: postgres.superUrl });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${name} OWNER fanfare_owner`);
  await admin.end();
  const at = (/** @type {string} */ url) =>
    Object.assign(new URL(url), { pathname: `/${name}` }).href;
  const [ownerUrl, appUrl] = [at(postgres.ownerUrl), at(postgres.appUrl)];
  await migrate({ migrateUrl: ownerUrl, appUrl });
  const account = randomAccount();
  const api = await startProcess('api', {
    env: {
      ...bareEnvironment(),
      ...simulatorEnvironment(simulator.ready),
      DATABASE_URL: appUrl,
      MIGRATE_DATABASE_URL: ownerUrl,
      ENCRYPTION_KEYS: randomKeys(),
      BOOTSTRAP_ACCOUNT_SID: account.sid,
      BOOTSTRAP_AUTH_TOKEN: account.token,
      PORT: '0',
      HOST: '127.0.0.1',
      METRICS_PORT: '0',
      SHUTDOWN_DRAIN_SECONDS: '0',
      LOG_LEVEL: 'warn',
    },
    logFile: join(dir, `${name}.log`),
  });
  const client = keptAliveClient(`http://127.0.0.1:${api.ready.port}`, account);
  const ready = await control(simulator.ready.controlOrigin, 'GET', '/credentials');
  for (const [credentialType, content] of /** @type {const} */ ([
    ['FCM', ready.fcm],
    ['APN', ready.apnToken],
  ]))
    await storeCredential(client, { appName: 'bench', credentialType, content });

  const pool = new pg.Pool({ connectionString: appUrl, max: 1 });
  pool.on('error', () => undefined);
  const { rows } = await pool.query(
    `SELECT account_id, max(id::text) FILTER (WHERE credential_type = 'FCM') AS fcm,
       max(id::text) FILTER (WHERE credential_type = 'APN') AS apn FROM credentials GROUP BY account_id`,
  );
  const [{ account_id: accountId, fcm, apn }] = rows;
  await seed(ownerUrl, { pushes, accountId, credentialId: fcm, log });
  const some = await pool.query(
    `SELECT p.id, p.operation_id FROM operations o CROSS JOIN LATERAL (
       SELECT id, operation_id FROM push_notifications p
       WHERE p.account_id = o.account_id AND p.id > o.id ORDER BY id LIMIT 1) p
     WHERE o.account_id = $1 ORDER BY o.id LIMIT 2000`,
    [accountId],
  );
  await pool.end();
  const pages = await pagesOf(appUrl, { accountId, credentials: { FCM: fcm, APN: apn } });
  const { formatId } = await built('domain');
  const any = () => some.rows[Math.floor(Math.random() * some.rows.length)];
  let sent = 0;
  return {
    pushes,
    pages,
    taken: { list: [], fetch: [], operation: [], send: [] },
    calls: {
      list: () => client.get(`${PATH}?pageSize=50`),
      fetch: () => client.get(`${PATH}/${formatId('pushNotification', any().id)}`),
      operation: () =>
        client.get(`${PATH}/Operations/${formatId('operation', any().operation_id)}`),
      send: () => client.post(PATH, body(1, `growth-${sent++}`)),
    },
    stop: () => api.stop(),
  };
}
