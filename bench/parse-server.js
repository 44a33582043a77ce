/**
 * The peer: `parse-server` with its push adapter on the same PostgreSQL and simulator. It sends to the
 * installations in its database, so these are there before the clock runs; APNs only, because its FCM goes to
 * Google's host.
 */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startPostgres } from '../scripts/embedded-postgres.js';
import { nodeOf, ROOT } from '../scripts/setup.js';
import { control, startSimulator } from './simulator.js';
import { rounded } from './statistics.js';
import { cpuMs, familyCpuMs, megabytes, peakBytes } from './usage.js';
import { installPeers } from './peers/install.js';

/** @import { Json } from '../scripts/types.js' */
/** @import { BenchContext, ParseServerAssignment, PeerRun } from './types.js' */

/** @param {BenchContext} context @param {number} installations @returns {Promise<PeerRun>} */
export async function parseServer({ dir: parent, log }, installations) {
  await installPeers(log);
  const dir = mkdtempSync(join(parent, 'peer-'));
  const postgres = await startPostgres({ settings: { fsync: 'on' } });
  const simulator = await startSimulator(dir);
  const { controlOrigin, apnsOrigin, caFile } = simulator.ready;
  const { apnToken } = await control(controlOrigin, 'GET', '/credentials');
  const { hostname: address, port: apnsPort } = new URL(apnsOrigin);
  const assignment = {
    databaseUrl: postgres.ownerUrl,
    appId: 'bench',
    masterKey: randomBytes(16).toString('hex'),
    apns: {
      token: {
        key: Buffer.from(apnToken.signingKey, 'base64').toString(),
        keyId: apnToken.keyId,
        teamId: apnToken.teamId,
      },
      topic: apnToken.topic,
      production: true,
      address,
      port: Number(apnsPort),
      ca: readFileSync(caFile, 'utf8'),
    },
  };
  const server = await startServer(assignment, join(dir, 'parse-server.log'));
  const pool = new pg.Pool({ connectionString: postgres.ownerUrl, max: 1 });
  try {
    const headers = {
      'x-parse-application-id': assignment.appId,
      'x-parse-master-key': assignment.masterKey,
      'content-type': 'application/json',
    };
    /** @type {Call} */
    const call = async (path, body) => {
      const answer = await fetch(`http://127.0.0.1:${server.port}/parse${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`parse-server ${path}: ${answer.status} ${text}`);
      return { body: JSON.parse(text), answer };
    };
    await install(call, pool, installations, apnToken.topic);
    const pushed = {
      where: { deviceType: 'ios' },
      data: { alert: { title: 'Hi Ada', body: 'Your order 4711 is on its way.' }, order: '4711' },
    };
    // APNs begins with one stream: without this its first batch would be refused.
    await push(call, { ...pushed, where: { deviceToken: 'sim.ok.installation-0' } }, 1);
    // As warm as Fanfare is when its clock runs.
    await push(call, pushed, installations);
    await control(controlOrigin, 'DELETE', '/ledger');
    const before = {
      server: cpuMs(server.pid),
      postgres: familyCpuMs(postgres.pid ?? 0),
      simulator: cpuMs(simulator.pid),
    };
    const begun = performance.now();
    const failed = await push(call, pushed, installations);
    const took = secondsSince(begun);
    const cost = (/** @type {number} */ from, /** @type {number} */ to) =>
      Math.round(((to - from) * 10_000) / installations) / 10;
    const ledger = await control(controlOrigin, 'GET', '/ledger/summary');
    return {
      pushesPerSecond: rounded(installations / took),
      cpuUs: {
        server: cost(before.server, cpuMs(server.pid)),
        postgres: cost(before.postgres, familyCpuMs(postgres.pid ?? 0)),
        simulator: cost(before.simulator, cpuMs(simulator.pid)),
      },
      peakMb: megabytes(peakBytes(server.pid)),
      arrived: ledger.distinctAccepted,
      failed,
    };
  } finally {
    await pool.end();
    server.end();
    await simulator.stop();
    await postgres.stop();
  }
}

/** @param {number} begun */
const secondsSince = (begun) => (performance.now() - begun) / 1000;

/** @typedef {(path: string, body?: unknown) => Promise<{ body: Json, answer: Response }>} Call */

/**
 * Sends and waits until as many are over.
 * @param {Call} call @param {object} body @param {number} count
 * @returns {Promise<number>} how many failed, by its own account
 */
async function push(call, body, count) {
  const begun = performance.now();
  const { answer } = await call('/push', body);
  const id = answer.headers.get('x-parse-push-status-id');
  for (;;) {
    const { body: status } = await call(`/classes/_PushStatus/${id}`);
    const failed = Number(status.numFailed ?? 0);
    if (['succeeded', 'failed'].includes(status.status)) return failed;
    if (Number(status.numSent ?? 0) + failed >= count) return failed;
    if (secondsSince(begun) > 300)
      throw new Error(`parse-server does not end: ${JSON.stringify(status)}.`);
    await sleep(50);
  }
}

/**
 * One through the API, so that parse-server makes its table; the others as copies of that row.
 * @param {Call} call
 * @param {pg.Pool} pool @param {number} count @param {string} topic
 */
async function install(call, pool, count, topic) {
  await call('/installations', {
    deviceType: 'ios',
    deviceToken: 'sim.ok.installation-0',
    installationId: 'installation-0',
    appIdentifier: topic,
  });
  const { rows } = await pool.query(
    `SELECT string_agg(quote_ident(column_name), ', ') AS others FROM information_schema.columns
     WHERE table_name = '_Installation' AND column_name NOT IN ('objectId', 'deviceToken', 'installationId')`,
  );
  await pool.query(
    `INSERT INTO "_Installation" ("objectId", "deviceToken", "installationId", ${rows[0].others})
     SELECT 'i' || n, 'sim.ok.installation-' || n, 'installation-' || n, ${rows[0].others}
     FROM "_Installation", generate_series(1, $1::int - 1) n`,
    [count],
  );
}

/**
 * @param {ParseServerAssignment} assignment @param {string} logFile
 * @returns {Promise<{ pid: number, port: number, end: () => void }>}
 */
function startServer(assignment, logFile) {
  const out = openSync(logFile, 'a');
  const child = fork(join(ROOT, 'bench/peers/parse-server-process.js'), {
    cwd: join(ROOT, 'bench/peers'),
    execPath: nodeOf(ROOT),
    execArgv: [],
    stdio: ['ignore', out, out, 'ipc'],
  });
  closeSync(out);
  const end = () => void child.kill('SIGKILL');
  process.once('exit', end);
  return new Promise((resolve, reject) => {
    child.once('message', (message) =>
      resolve({ pid: child.pid ?? 0, port: /** @type {{ port: number }} */ (message).port, end }),
    );
    child.once('exit', (code) => {
      process.off('exit', end);
      reject(new Error(`parse-server ended with ${code}, see ${logFile}.`));
    });
    child.send(assignment);
  });
}
