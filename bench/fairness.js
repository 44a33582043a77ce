/**
 * *fairness*: two accounts, one with 200,000 pushes queued, once in operations of 10,000 and once in operations of
 * one; the other sends single pushes. How much longer do those take than on an idle gateway? And how much longer beside
 * 20,000 pushes that wait behind a pause?
 */
import { fromUUID } from 'typeid-js';
import { built } from './built.js';
import { newOperation } from './operation.js';
import { queueJobs, sumOf } from './queue-jobs.js';
import { startStage } from './stage.js';
import { median, rounded } from './statistics.js';
import { latencies, sendSingles, spread, untilSettled } from './traffic.js';

/** @import { BenchContext, FairnessFigures, Stage } from './types.js' */

const RATE = 20;

/** @param {BenchContext} context @returns {Promise<FairnessFigures>} */
export async function fairness(context) {
  const { quick, large, log } = context;
  const backlogs = quick
    ? [
        { backlog: 400, size: 200 },
        { backlog: 100, size: 1 },
      ]
    : [
        { backlog: 200_000, size: 10_000 },
        { backlog: 200_000, size: 1 },
        // What api, worker and Redis hold of it.
        ...(large ? [{ backlog: 1_000_000, size: 10_000 }] : []),
      ];
  /** @type {FairnessFigures['runs']} */
  const runs = [];
  for (const { backlog, size } of backlogs) {
    log(`fairness: ${backlog} pushes in operations of ${size}`);
    runs.push(await beside(context, backlog, size));
  }
  log(`fairness: beside pushes behind a pause`);
  return { rate: RATE, runs, paused: await besideAPause(context) };
}

/** @param {BenchContext} context */
const startHouse = ({ dir, cpuProf, quick }) =>
  startStage({
    dir,
    cpuProf,
    backend: quick ? 'postgres' : 'redis',
    workers: quick ? 1 : 2,
  });

/**
 * With and without them in turn, on one gateway, so that what else changes meanwhile changes both.
 * @param {BenchContext} context @returns {Promise<FairnessFigures['paused']>}
 */
async function besideAPause(context) {
  const { quick, rounds } = context;
  const backlog = quick ? 200 : 20_000;
  const count = quick ? 5 : RATE * 10;
  const stage = await startHouse(context);
  try {
    const account = await stage.otherAccount();
    const small = await stage.tenant(account);
    await sendSingles(small, { count: quick ? 5 : 60, rate: RATE, name: 'warm' });
    await untilSettled(stage, account.sid);
    /** @type {Record<'without' | 'beside', number[]>} */
    const times = { without: [], beside: [] };
    const found = { claims: 0, attempts: 0, handedOver: 0, jobs: 0 };
    const theirs = `account_id <> '${account.sid.slice(2)}'`;
    // One round more: what is measured first is measured cold.
    for (let round = 0; round <= rounds; round++) {
      for (const name of /** @type {const} */ (['without', 'beside'])) {
        if (name === 'beside') {
          await stage.query(
            `UPDATE credential_windows SET paused_until = now() + interval '1 day', paused_at = now(),
               pause_reason = 'bench' WHERE ${theirs}`,
          );
          await layBacklog(stage, backlog, Math.min(backlog, 10_000));
        }
        const label = `${name}${round}`;
        await sendSingles(small, { count, rate: RATE, name: label });
        await untilSettled(stage, account.sid);
        if (round > 0)
          times[name].push(
            ...(await latencies(stage, (token) => token.startsWith(`sim.ok.${label}-`))),
          );
        if (name === 'without') continue;
        const [row] = await stage.query(
          `SELECT (SELECT sum(lease) FROM push_notifications WHERE ${theirs})::int AS claims,
             (SELECT sum(attempt_count) FROM push_notifications WHERE ${theirs})::int AS attempts,
             (SELECT count(*) FROM operation_parts WHERE ${theirs} AND dispatched_through IS NOT NULL)::int
               AS handed_over`,
        );
        found.claims += row.claims;
        found.attempts += row.attempts;
        found.handedOver += row.handed_over;
        found.jobs += sumOf(await queueJobs(stage.workers[0]?.ready.metricsPort ?? 0));
        await forgetBacklog(stage);
      }
    }
    return {
      backlog,
      withoutMs: spread(times.without),
      besideMs: spread(times.beside),
      ratio: rounded(median(times.beside) / median(times.without)),
      ...found,
    };
  } finally {
    await stage.close();
  }
}

/** Cancels what lies there, so that it no longer waits. @param {Stage} stage */
async function forgetBacklog(stage) {
  const waiting = await stage.query(
    `SELECT id FROM operations WHERE status = 'PROCESSING' ORDER BY id`,
  );
  for (const { id } of waiting)
    await stage.client.call(
      'DELETE',
      `/v1/PushNotifications/Operations/${fromUUID(id, 'comms_operation')}`,
    );
  await stage.query(`UPDATE credential_windows SET paused_until = NULL`);
}

/** @param {BenchContext} context @param {number} backlog @param {number} size */
async function beside(context, backlog, size) {
  const { quick } = context;
  const stage = await startHouse(context);
  try {
    const account = await stage.otherAccount();
    const small = await stage.tenant(account);
    const count = quick ? 10 : RATE * 15;
    await sendSingles(small, { count: quick ? 5 : 60, rate: RATE, name: 'warm' });
    await untilSettled(stage);

    await sendSingles(small, { count, rate: RATE, name: 'idle' });
    await untilSettled(stage);
    const idle = await latencies(stage, (token) => token.startsWith('sim.ok.idle-'));
    // The workers stand still while the backlog is laid, so that all of it is there at once.
    for (const worker of stage.workers) worker.pause();
    await layBacklog(stage, backlog, size);
    for (const worker of stage.workers) worker.resume();
    const begun = performance.now();
    const isThrough = watch(stage);
    const { acceptMs } = await sendSingles(small, {
      count,
      rate: RATE,
      name: 'beside',
      until: isThrough,
    });
    // All of them, however late; and now, for the ledger does not remember a million.
    await untilSettled(stage, account.sid);
    const crowded = await latencies(stage, (token) => token.startsWith('sim.ok.beside-'));
    if (crowded.length !== acceptMs.length)
      throw new Error(`${acceptMs.length} were sent and ${crowded.length} arrived.`);
    await untilSettled(stage);
    const seconds = (performance.now() - begun) / 1000;
    return {
      backlog,
      size,
      idleMs: spread(idle),
      besideMs: spread(crowded),
      ratio: rounded(median(crowded) / median(idle)),
      sent: acceptMs.length,
      backlogPerSecond: rounded(backlog / seconds),
      peakMb: stage.peakMb(),
    };
  } finally {
    await stage.close();
  }
}

/** Asks now and then whether the backlog still waits: beside nothing nothing is shown. @param {Stage} stage */
function watch(stage) {
  let through = false;
  const look = async () => {
    const [row] = await stage.query(
      `SELECT EXISTS (SELECT FROM operation_parts WHERE pending) AS waits`,
    );
    through = !row.waits;
  };
  let looking = Promise.resolve();
  let askedAt = performance.now();
  return () => {
    if (performance.now() - askedAt > 1_000) {
      askedAt = performance.now();
      looking = looking.then(look).catch(() => undefined);
    }
    return through;
  };
}

/**
 * By the statement that the api accepts with, for 200,000 requests over HTTP would take minutes.
 * @param {Stage} stage @param {number} backlog @param {number} size
 */
async function layBacklog(stage, backlog, size) {
  const { Database, OperationRepository } = await built('persistence');
  const db = new Database({
    url: stage.databaseUrls.appUrl,
    poolSize: 8,
    applicationName: 'bench',
  });
  try {
    const [{ account_id: accountId, fcm, apn }] = await stage.query(
      `SELECT account_id, max(id::text) FILTER (WHERE credential_type = 'FCM') AS fcm,
         max(id::text) FILTER (WHERE credential_type = 'APN') AS apn
       FROM credentials GROUP BY account_id ORDER BY min(id::text) LIMIT 1`,
    );
    const operations = new OperationRepository(db);
    let left = backlog / size;
    const lay = async () => {
      while (left-- > 0) {
        await operations.accept(
          accountId,
          newOperation(size, left, 'backlog', { FCM: fcm, APN: apn }),
        );
      }
    };
    await Promise.all(Array.from({ length: Math.min(8, left) }, lay));
  } finally {
    await db.close();
  }
}
