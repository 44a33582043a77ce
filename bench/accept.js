/** *accept*: how long a caller waits for the 202, on an idle gateway and while workers deliver a backlog. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startStage } from './stage.js';
import { send, spread, untilSettled } from './traffic.js';

/** @import { AcceptFigures, BenchContext, Spread, Stage } from './types.js' */

/** @param {BenchContext} context @returns {Promise<AcceptFigures>} */
export async function accept({ dir, cpuProf, quick, log }) {
  const stage = await startStage({
    dir,
    cpuProf,
    backend: quick ? 'postgres' : 'redis',
    workers: quick ? 1 : 2,
  });
  const many = quick ? 100 : 10_000;
  const times = quick ? { one: 20, many: 3 } : { one: 500, many: 20 };
  try {
    await measure(stage, 1, quick ? 5 : 200);
    await measure(stage, many, quick ? 1 : 3);
    await untilSettled(stage);
    log('accept: idle');
    const idle = {
      one: await measure(stage, 1, times.one),
      many: await measure(stage, many, times.many, untilSettled),
    };
    log('accept: while a backlog is delivered');
    // Refilled whenever the workers are through with it, so that they are at work all the time.
    let over = false;
    const filling = (async () => {
      for (let n = 0; !over; n++) {
        for (let each = 0; each < (quick ? 1 : 4); each++)
          await send(stage.client, many, `load-${n}-${each}`);
        await untilSettled(stage);
      }
    })();
    filling.catch(() => undefined);
    const loaded = {
      one: await measure(stage, 1, times.one),
      many: await measure(stage, many, times.many),
    };
    over = true;
    await filling;
    return { many, idle, loaded, peakMb: stage.peakMb().api };
  } finally {
    await stage.close();
  }
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
