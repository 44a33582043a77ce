/** A whole gateway of real processes with its own PostgreSQL, queue and simulator, and what each of them costs. */
import { createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { storeCredential } from '../scripts/client.js';
import { startPostgres } from '../scripts/embedded-postgres.js';
import { randomAccount, startGateway } from '../scripts/gateway.js';
import { startRedis } from '../scripts/redis.js';
import { keptAliveClient } from './http-client.js';
import { control } from './simulator.js';
import { mapValues } from './statistics.js';
import { cpuMs, familyCpuMs, megabytes, peakBytes } from './usage.js';

/** @import { Costs, Stage, StageOptions } from './types.js' */

/** What is promised after 202 is on the disk: the throw-away cluster's default is faster than that. */
const DURABLE = { fsync: 'on' };

/** @param {StageOptions} options @returns {Promise<Stage>} */
export async function startStage({ dir: parent, cpuProf, backend, workers, env = {} }) {
  const dir = mkdtempSync(join(parent, 'stage-'));
  const postgres = await startPostgres({ settings: DURABLE });
  const redis = backend === 'redis' ? await startRedis() : undefined;
  const gateway = await startGateway({
    dir,
    database: postgres,
    simulator: true,
    ...(redis === undefined ? {} : { redisUrl: redis.url }),
    env: {
      LOG_LEVEL: 'warn',
      ...(cpuProf === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${cpuProf}` }),
      ...env,
    },
  });
  const all = [gateway.worker];
  while (all.length < workers) all.push(await gateway.startWorker());
  const { simulator } = gateway;
  if (simulator === undefined) throw new Error('There is no simulator.');
  const pool = new pg.Pool({ connectionString: postgres.appUrl, max: 2 });
  pool.on('error', () => undefined);
  const { controlOrigin } = simulator.ready;
  const ready = await control(controlOrigin, 'GET', '/credentials');

  /** @type {Stage['tenant']} */
  const tenant = async (account) => {
    const client = keptAliveClient(gateway.url, account);
    const store = (
      /** @type {'FCM' | 'APN'} */ credentialType,
      /** @type {Record<string, string>} */ content,
    ) => storeCredential(client, { appName: 'bench', credentialType, content });
    await store('FCM', ready.fcm);
    await store('APN', ready.apnToken);
    return client;
  };
  /** @returns {Costs} */
  const costs = () => ({
    api: cpuMs(gateway.api.pid),
    worker: all.reduce((sum, { pid }) => sum + cpuMs(pid), 0),
    postgres: familyCpuMs(postgres.pid ?? 0),
    redis: redis === undefined ? 0 : cpuMs(redis.pid ?? 0),
    simulator: cpuMs(simulator.pid),
  });
  return {
    url: gateway.url,
    databaseUrls: postgres,
    client: await tenant(gateway.account),
    tenant,
    async otherAccount() {
      const account = randomAccount();
      await pool.query(`INSERT INTO accounts (id, auth_token_hash) VALUES ($1, $2)`, [
        account.sid.slice(2),
        createHash('sha256').update(account.token).digest(),
      ]);
      return account;
    },
    query: async (text, values) => (await pool.query(text, values)).rows,
    control: (method, path, body) => control(controlOrigin, method, path, body),
    workers: all,
    costs,
    peakMb: () => ({
      api: megabytes(peakBytes(gateway.api.pid)),
      worker: megabytes(Math.max(...all.map(({ pid }) => peakBytes(pid)))),
      redis: redis === undefined ? 0 : megabytes(peakBytes(redis.pid ?? 0)),
      simulator: megabytes(peakBytes(simulator.pid)),
    }),
    async close() {
      await pool.end();
      await gateway.stop();
      await redis?.stop();
      await postgres.stop();
    },
  };
}

/**
 * CPU microseconds a push, by process.
 * @param {Costs} before @param {Costs} after @param {number} pushes
 * @returns {Costs}
 */
export const costsAPush = (before, after, pushes) =>
  mapValues(after, (ms, name) => Math.round(((ms - before[name]) * 10_000) / pushes) / 10);
