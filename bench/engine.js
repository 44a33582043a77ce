/** *engine*: what a message costs on its way to the provider, beside the libraries and the bare protocol. */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeOf, ROOT } from '../scripts/setup.js';
import { control, startSimulator } from './simulator.js';
import { mediansOf, rounded } from './statistics.js';
import { cpuMs, megabytes } from './usage.js';

/** @import { BenchContext, EngineFigures } from './types.js' */
/** @import { Assignment, Measured } from './engine/types.js' */

/** FCM: 4 sessions of 100 streams; APNs: 2 of 500. `send()` is HTTP/1.1: a socket each. */
const RUNS = /** @type {const} */ ([
  { provider: 'FCM', contender: 'bare', inFlight: 400 },
  { provider: 'FCM', contender: 'ours', inFlight: 400 },
  { provider: 'FCM', contender: 'sendEach', inFlight: 400 },
  { provider: 'FCM', contender: 'send', inFlight: 400 },
  { provider: 'APN', contender: 'bare', inFlight: 1_000 },
  { provider: 'APN', contender: 'ours', inFlight: 1_000 },
  { provider: 'APN', contender: 'provider', inFlight: 1_000 },
]);

/** At 0 ms `send()` is best at 50 sockets; where a provider takes its time, it needs as many as the others. */
const SOCKETS_AT_0_MS = 50;

/** @param {BenchContext} context @returns {Promise<EngineFigures>} */
export async function engine({ dir, quick, rounds, log }) {
  const simulator = await startSimulator(dir);
  try {
    const { controlOrigin, fcmOrigin, apnsOrigin, tokenUrl, caFile } = simulator.ready;
    const ready = await control(controlOrigin, 'GET', '/credentials');
    const account = JSON.parse(Buffer.from(ready.fcm.privateKey, 'base64').toString());
    const given = {
      tokenUrl,
      ca: readFileSync(caFile, 'utf8'),
      fcm: {
        projectId: account.project_id,
        clientEmail: account.client_email,
        privateKey: account.private_key,
      },
      apn: {
        ...ready.apnToken,
        signingKey: Buffer.from(ready.apnToken.signingKey, 'base64').toString(),
      },
    };
    const once = async (
      /** @type {typeof RUNS[number]} */ run,
      /** @type {number} */ latencyMs,
    ) => {
      await control(controlOrigin, 'PUT', '/behaviour', { latencyMs });
      // Each process signs an APNs token of its own, and Apple allows a new one every 20 minutes.
      await control(controlOrigin, 'DELETE', '/tokens/provider');
      const before = await control(controlOrigin, 'GET', '/ledger/summary');
      const simulatorBefore = cpuMs(simulator.pid);
      const count = quick ? 500 : 30_000;
      // A worker runs for weeks: the JIT is done with what it measures.
      const warmUp = quick ? 50 : 10_000;
      const measured = await runContender({
        ...given,
        ...run,
        inFlight: run.contender === 'send' && latencyMs === 0 ? SOCKETS_AT_0_MS : run.inFlight,
        origin: run.provider === 'FCM' ? fcmOrigin : apnsOrigin,
        count,
        warmUp,
      });
      const after = await control(controlOrigin, 'GET', '/ledger/summary');
      return {
        messagesPerSecond: rounded(count / measured.seconds),
        cpuUs: rounded((measured.cpuMs * 1000) / count),
        peakMb: megabytes(measured.peakBytes),
        connections: after.connections - before.connections,
        notAccepted: count - measured.accepted,
        simulatorCpuUs: rounded(
          ((cpuMs(simulator.pid) - simulatorBefore) * 1000) / (count + warmUp),
        ),
      };
    };
    /** @type {EngineFigures['runs']} */
    const results = [];
    for (const latencyMs of quick ? [0] : [0, 50]) {
      const taken = RUNS.map(() => /** @type {Awaited<ReturnType<typeof once>>[]} */ ([]));
      for (let round = 0; round < rounds; round++) {
        log(`engine: ${latencyMs} ms latency, round ${round + 1} of ${rounds}`);
        for (const [at, run] of RUNS.entries()) taken[at]?.push(await once(run, latencyMs));
      }
      for (const [at, run] of RUNS.entries()) {
        const { provider, contender } = run;
        results.push({ provider, contender, latencyMs, ...mediansOf(taken[at] ?? []) });
      }
    }
    return { runs: results, ratios: ratiosOf(results) };
  } finally {
    await simulator.stop();
  }
}

/** @param {Assignment} assignment @returns {Promise<Measured>} */
function runContender(assignment) {
  const child = fork(join(ROOT, 'bench/engine/contender.js'), {
    cwd: ROOT,
    execPath: nodeOf(ROOT),
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const end = () => void child.kill('SIGKILL');
  process.once('exit', end);
  return new Promise((resolve, reject) => {
    /** @type {Measured | undefined} */
    let measured;
    child.once('message', (message) => (measured = /** @type {Measured} */ (message)));
    child.once('exit', (code) => {
      process.off('exit', end);
      if (measured !== undefined) resolve(measured);
      else reject(new Error(`${assignment.contender} ended with ${code} and without figures.`));
    });
    child.send(assignment);
  });
}

/** Within the run: ours beside each other one. @param {EngineFigures['runs']} runs */
function ratiosOf(runs) {
  return runs
    .filter(({ contender }) => contender !== 'ours')
    .flatMap((other) => {
      const mine = runs.find(
        (run) =>
          run.contender === 'ours' &&
          run.provider === other.provider &&
          run.latencyMs === other.latencyMs,
      );
      if (mine === undefined) return [];
      return [
        {
          provider: other.provider,
          latencyMs: other.latencyMs,
          than: other.contender,
          messagesPerSecond: rounded(mine.messagesPerSecond / other.messagesPerSecond),
          cpuUs: rounded(mine.cpuUs / other.cpuUs),
        },
      ];
    });
}
