/** *gateway*: from accept to a readable status, with everything durable and every process on this machine. */
import { Sentence } from '../scripts/sentence.js';
import { parseServer } from './parse-server.js';
import { costsAPush, startStage } from './stage.js';
import { mediansOf, rounded } from './statistics.js';
import { latencies, operation, send, sendSingles, spread, untilSettled } from './traffic.js';

/** @import { BenchContext, GatewayCase, GatewayFigures, GatewayRun, PeerRun } from './types.js' */

/** Each beside the first one, in one thing different. @type {GatewayCase[]} */
const CASES = [
  { backend: 'redis', workers: 2, jobSize: 1, shape: 'bulk' },
  { backend: 'redis', workers: 1, jobSize: 1, shape: 'bulk' },
  { backend: 'redis', workers: 4, jobSize: 1, shape: 'bulk' },
  { backend: 'redis', workers: 2, jobSize: 100, shape: 'bulk' },
  { backend: 'redis', workers: 2, jobSize: 1, shape: 'single' },
  { backend: 'redis', workers: 2, jobSize: 100, shape: 'single' },
  { backend: 'postgres', workers: 2, jobSize: 1, shape: 'bulk' },
  { backend: 'postgres', workers: 1, jobSize: 1, shape: 'bulk' },
  { backend: 'postgres', workers: 2, jobSize: 100, shape: 'bulk' },
  { backend: 'postgres', workers: 2, jobSize: 1, shape: 'single' },
];

/** What the quick run shows of it. @type {GatewayCase[]} */
const QUICK = [{ backend: 'postgres', workers: 1, jobSize: 1, shape: 'bulk' }];

const RECIPIENTS = 50_000;
const OPERATION = 10_000;
/** Sends of one recipient a second: what the accept of one core bears beside everything else here. */
const RATE = 250;
const PEER_INSTALLATIONS = 20_000;

/** @param {BenchContext} context @returns {GatewayCase[]} */
function chosen({ quick, cases: named }) {
  if (named === undefined) return quick ? QUICK : CASES;
  const found = CASES.filter((each) => nameOf(each).includes(named));
  if (found.length === 0)
    throw new Sentence(
      `No case of gateway is named ${named}. There are:\n  ${CASES.map(nameOf).join('\n  ')}`,
    );
  return found;
}

/** @param {BenchContext} context @returns {Promise<GatewayFigures>} */
export async function gateway(context) {
  const { quick, rounds, log } = context;
  const cases = chosen(context);
  const taken = cases.map(() => /** @type {GatewayRun[]} */ ([]));
  /** @type {PeerRun[]} */
  const peer = [];
  for (let round = 0; round < rounds; round++) {
    for (const [at, each] of cases.entries()) {
      log(`gateway: ${nameOf(each)}, round ${round + 1} of ${rounds}`);
      taken[at]?.push(await runCase(context, each));
    }
    if (quick || context.cases !== undefined) continue;
    log(`gateway: parse-server, round ${round + 1} of ${rounds}`);
    peer.push(await parseServer(context, PEER_INSTALLATIONS));
  }
  return {
    recipients: quick ? 200 : RECIPIENTS,
    rate: RATE,
    runs: cases.map((each, at) => ({ ...each, ...mediansOf(taken[at] ?? []) })),
    parseServer: peer.length === 0 ? null : mediansOf(peer),
  };
}

/** @param {GatewayCase} each */
const nameOf = ({ backend, workers, jobSize, shape }) =>
  `${backend}, ${workers} workers, jobs of ${jobSize}, ${shape}`;

/** @param {BenchContext} context @param {GatewayCase} each @returns {Promise<GatewayRun>} */
async function runCase({ dir, cpuProf, quick }, { backend, workers, jobSize, shape }) {
  const stage = await startStage({
    dir,
    cpuProf,
    backend,
    workers,
    env: { DELIVERY_JOB_SIZE: String(jobSize) },
  });
  try {
    // A worker runs for weeks: the JIT is done with what is measured.
    const warmUp = await send(stage.client, quick ? 20 : 10_000, 'warm');
    await untilSettled(stage);
    await operation(stage.client, warmUp);
    await stage.control('DELETE', '/ledger');
    const recipients = quick ? 200 : RECIPIENTS;
    const before = stage.costs();
    const begun = performance.now();
    let acceptSeconds = 0;
    /** @type {string[]} */
    let ids = [];
    if (shape === 'bulk') {
      const size = Math.min(OPERATION, recipients / 2);
      for (let at = 0; at < recipients / size; at++)
        ids.push(await send(stage.client, size, `bulk-${at}`));
      acceptSeconds = (performance.now() - begun) / 1000;
    } else {
      // At this rate half a minute tells as much as all 50,000 would.
      const count = Math.min(recipients, RATE * 40);
      const sent = await sendSingles(stage.client, { count, rate: RATE, name: 'single' });
      acceptSeconds = sent.seconds;
    }
    await untilSettled(stage);
    for (const id of ids) {
      const { status, stats } = await operation(stage.client, id);
      if (status !== 'COMPLETED' || stats.sent !== stats.total)
        throw new Error(`${id} is ${status}: ${JSON.stringify(stats)}`);
    }
    const seconds = (performance.now() - begun) / 1000;
    const after = stage.costs();
    const ledger = await stage.control('GET', '/ledger/summary');
    const pushes = ledger.distinctAccepted;
    const [failed] = await stage.query('SELECT sum(failed)::int AS n FROM operations');
    return {
      pushes,
      pushesPerSecond: rounded(pushes / seconds),
      acceptSeconds: rounded(acceptSeconds),
      cpuUs: costsAPush(before, after, pushes),
      latencyMs: spread(await latencies(stage)),
      peakMb: stage.peakMb(),
      failed: failed.n,
      duplicates: ledger.duplicates,
    };
  } finally {
    await stage.close();
  }
}
