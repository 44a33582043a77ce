/**
 * *fairness*: two accounts, one with 200,000 pushes queued, once in operations of 10,000 and once in operations of
 * one; the other sends single pushes. How much longer do those take than on an idle gateway?
 */
import { built } from './built.js';
import { newOperation } from './operation.js';
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
  return { rate: RATE, runs };
}

/** @param {BenchContext} context @param {number} backlog @param {number} size */
async function beside({ dir, cpuProf, quick }, backlog, size) {
  const stage = await startStage({
    dir,
    cpuProf,
    backend: quick ? 'postgres' : 'redis',
    workers: quick ? 1 : 2,
  });
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
