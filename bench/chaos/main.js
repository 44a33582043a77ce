/**
 * `npm run chaos`: breaks everything by a seeded schedule while operations are sent, and counts afterwards what was
 * promised, stored and delivered. Everything that it starts is stopped.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodeOf } from '../../scripts/child.js';
import { apiClient, storeCredential } from '../../scripts/client.js';
import { stopEverything, stopOnInterrupt } from '../../scripts/running.js';
import { messageOf, print, seconds, Sentence, step } from '../../scripts/sentence.js';
import { caller } from './caller.js';
import { judge } from './check.js';
import { collect, openExample, openPushes, settledAfterMs, watch } from './evidence.js';
import { faultOf } from './faults.js';
import { startHouse } from './house.js';
import { APPS, planLoad } from './load.js';
import { commandOf, HELP, readOptions } from './options.js';
import { isGood, summary, table } from './report.js';
import { planFaults, turns } from './schedule.js';

/** @import { ChaosOptions, DoneFault, House, Outcome, PlannedFault } from './types.js' */

/** The run gives up waiting when nothing moved for so long: what is left then is lost. */
const STUCK_MS = 120_000;

/** For requests that were not answered while everything broke. */
const RESOLVE_MS = 60_000;

/** While it waits for pushes that are not settled. */
const TELL_MS = 10_000;

/** Repairs of windows may come one pass of the sweep later. */
const QUIET_MS = 10_000;

/** @param {string[]} args @returns {Promise<number>} exit code */
export async function main(args) {
  const options = readOptions(args);
  if (options === 'help') {
    print(HELP);
    return 0;
  }
  const interrupt = stopOnInterrupt({
    exitCode: exitCodeOf('SIGINT'),
    sentence: `Chaos interrupted (seed ${options.seed}): stopping everything it started.`,
  });
  const dir = mkdtempSync(join(tmpdir(), 'fanfare-chaos-'));
  let keep = options.keep;
  let isOver = false;
  process.once('exit', () => {
    if (!keep) rmSync(dir, { recursive: true, force: true });
  });
  const log = options.json
    ? (/** @type {string} */ line) => void process.stderr.write(`${line}\n`)
    : print;
  if (options.noRedis)
    log('There is no redis-server on this machine: the queue lies in PostgreSQL.');
  log(`Seed ${options.seed}`);
  try {
    const outcome = await chaos(options, {
      dir,
      log,
      isOver: () => isOver || interrupt.isInterrupted(),
    });
    keep ||= !isGood(outcome);
    log(table(outcome));
    if (keep) log(`  Logs and ledger: ${dir}`);
    if (!isGood(outcome)) log(`\nFAILED. The same load and faults again: ${commandOf(options)}`);
    if (options.json) print(JSON.stringify(summary(outcome)));
    return isGood(outcome) ? 0 : 1;
  } catch (error) {
    if (interrupt.isInterrupted()) return await new Promise(() => {}); // the interrupt ends the process
    keep = true;
    isOver = true;
    await stopEverything();
    throw new Sentence(
      `The run broke off: ${messageOf(error)} (logs: ${dir}). The same load and faults again: ${commandOf(options)}`,
      { cause: error },
    );
  }
}

/**
 * @param {ChaosOptions} options
 * @param {{ dir: string, log: (line: string) => void, isOver: () => boolean }} surroundings `isOver`: everything
 *   is being stopped
 * @returns {Promise<Outcome>}
 */
async function chaos(options, { dir, log, isOver }) {
  const show = (/** @type {string} */ title, /** @type {() => Promise<any>} */ work) =>
    step(title, work, log);
  const house = await startHouse({ ...options, dir, step: show, isOver });
  await show('Store credentials of five customers', () => storeCredentials(house));

  const client = caller(house, options.seed);
  const watching = watch(house);
  const [done] = await show(`Send for ${options.seconds} s, and break things`, () =>
    Promise.all([
      breakThings(house, planFaults(options), log),
      client.run(planLoad(options), options.seconds * 1_000),
    ]),
  );
  const unresolved = await show('Repeat what was not answered', () => client.resolve(RESOLVE_MS));
  await show('Wait until all is settled', () => settled(house, log));
  const repaired = await watching.end();
  await show('Stop api and workers', () => house.closeGateway());
  const evidence = await collect(house, client, { unresolved, faults: done, ...repaired });
  await house.simulator.close();
  await show('Stop everything', stopEverything);
  /** @type {Record<string, number>} */
  const faults = {};
  for (const { kind } of done) faults[kind] = (faults[kind] ?? 0) + 1;
  return {
    options,
    faults,
    cases: done.length,
    counts: client.counts,
    unresolved: unresolved.length,
    lostJobs: repaired.lostJobs,
    settledMs: settledAfterMs(evidence),
    crashes: house.crashes,
    uncleanStops: house.uncleanStops,
    judgement: judge(evidence),
  };
}

/** @param {House} house */
async function storeCredentials(house) {
  const api = apiClient(house.url, house.account);
  for (const appName of APPS) {
    const ready = await (
      await fetch(`${house.simulator.control}/credentials?name=${appName}`)
    ).json();
    await storeCredential(api, { appName, credentialType: 'FCM', content: ready.fcm });
    await storeCredential(api, {
      appName,
      credentialType: appName === 'sandbox' ? 'APN_SANDBOX' : 'APN',
      content: appName === 'certificate' ? ready.apnCertificate : ready.apnToken,
    });
  }
}

/**
 * @param {House} house @param {PlannedFault[]} plan @param {(line: string) => void} log
 * @returns {Promise<DoneFault[]>} in the order of their ends
 */
async function breakThings(house, plan, log) {
  const inTurn = turns();
  /** @type {DoneFault[]} */
  const done = [];
  const begun = performance.now();
  const clock = () => seconds(performance.now() - begun).padStart(8);
  const running = [];
  /** What could not be done or undone: told at the end, not as a rejection that nobody listens to yet. @type {unknown} */
  let broken;
  for (const fault of plan) {
    if (broken !== undefined) break;
    await sleep(Math.max(0, fault.atMs - (performance.now() - begun)));
    const { parts, run } = faultOf(fault.kind);
    running.push(
      inTurn(parts, async () => {
        const [from, fromMs] = [clock(), Date.now()];
        await run(house, fault);
        done.push({ kind: fault.kind, fromMs, toMs: Date.now() });
        log(`  ${from} to ${clock()}  ${fault.kind}`);
      }).catch((error) => void (broken ??= error)),
    );
  }
  await Promise.all(running);
  if (broken !== undefined) throw broken;
  return done;
}

/**
 * Until nothing is left to do, or nothing moves any more.
 * @param {House} house @param {(line: string) => void} log told from time to time what it waits for
 */
async function settled(house, log) {
  let least = Infinity;
  let movedAt = performance.now();
  let toldAt = performance.now();
  while (performance.now() - movedAt < STUCK_MS) {
    const open = await openPushes(house);
    if (open === 0) return quiet(house);
    if (open < least) movedAt = performance.now();
    least = Math.min(least, open);
    if (performance.now() - toldAt > TELL_MS) {
      toldAt = performance.now();
      log(`  ${open} left, such as ${await openExample(house)}`);
    }
    await sleep(100);
  }
}

/** @param {House} house */
async function quiet({ query }) {
  const end = performance.now() + QUIET_MS;
  while (performance.now() < end) {
    const wrong = await query('SELECT FROM credential_windows WHERE outstanding <> 0');
    if (wrong.length === 0) return;
    await sleep(100);
  }
}
