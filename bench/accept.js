/** *accept*: how long a caller waits for the 202, on an idle gateway and while workers deliver a backlog. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startStage } from './stage.js';
import { send, spread, untilSettled } from './traffic.js';

/** @import { AcceptFigures, BenchContext, Spread, Stage } from './types.js' */

/** @typedef {{ recipients: number, times: number, warmUp: number }} Size */

/** @type {Size[]} */
const SIZES = [
  { recipients: 1, times: 500, warmUp: 200 },
  { recipients: 100, times: 200, warmUp: 20 },
  { recipients: 1_000, times: 50, warmUp: 10 },
  { recipients: 10_000, times: 20, warmUp: 3 },
];

/** @type {Size[]} */
const QUICK = [
  { recipients: 1, times: 20, warmUp: 5 },
  { recipients: 100, times: 3, warmUp: 1 },
];

/** @param {BenchContext} context @returns {Promise<AcceptFigures>} */
export async function accept({ dir, cpuProf, quick, log }) {
  const stage = await startStage({
    dir,
    cpuProf,
    backend: quick ? 'postgres' : 'redis',
    workers: quick ? 1 : 2,
  });
  const sizes = quick ? QUICK : SIZES;
  const many = Math.max(...sizes.map(({ recipients }) => recipients));
  try {
    for (const { recipients, warmUp } of sizes) await measure(stage, recipients, warmUp);
    await untilSettled(stage);
    log('accept: idle');
    const idle = await each(sizes, ({ recipients, times }) =>
      measure(stage, recipients, times, recipients === 1 ? undefined : untilSettled),
    );
    log('accept: while a backlog is delivered');
    // Refilled whenever the workers are through with it, so that they are at work all the time.
    let over = false;
    const filling = (async () => {
      for (let n = 0; !over; n++) {
        for (let at = 0; at < (quick ? 1 : 4); at++)
          await send(stage.client, many, `load-${n}-${at}`);
        await untilSettled(stage);
      }
    })();
    filling.catch(() => undefined);
    const loaded = await each(sizes, ({ recipients, times }) => measure(stage, recipients, times));
    over = true;
    await filling;
    return { idle, loaded, peakMb: stage.peakMb().api };
  } finally {
    await stage.close();
  }
}

/**
 * Size by size.
 * @param {Size[]} sizes @param {(size: Size) => Promise<Spread>} taken
 * @returns {Promise<AcceptFigures['idle']>}
 */
async function each(sizes, taken) {
  /** @type {AcceptFigures['idle']} */
  const all = [];
  for (const size of sizes) all.push({ recipients: size.recipients, ms: await taken(size) });
  return all;
}

/**
 * One after the other, with a breath between.
 * @param {Stage} stage @param {number} recipients @param {number} times
 * @param {(stage: Stage) => Promise<void>} [after]
 * @returns {Promise<Spread>} milliseconds
 */
async function measure(stage, recipients, times, after = () => sleep(10)) {
  const taken = [];
  for (let at = 0; at < times; at++) {
    const begun = performance.now();
    await send(stage.client, recipients, `accept-${recipients}-${at}`);
    taken.push(performance.now() - begun);
    await after(stage);
  }
  return spread(taken);
}
