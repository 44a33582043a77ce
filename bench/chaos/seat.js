/** A place in the house that is never left empty: a process that ends is followed by the next one. */
import { setTimeout as sleep } from 'node:timers/promises';

/** @import { RunningProcess } from '../../scripts/types.js' */
/** @import { Seat } from './types.js' */

/** Between a death that nobody asked for and the next start, and between two starts that failed. */
const RESTART_MS = 300;

/** SIGKILL comes so long after SIGTERM. */
const STOP_MS = 20_000;

/**
 * @param {object} options
 * @param {string} options.name
 * @param {RunningProcess<any>} options.running
 * @param {() => Promise<RunningProcess<any>>} options.launch
 * @param {() => boolean} options.isOver everything is being stopped: nobody follows any more
 * @param {(what: string) => void} options.onCrash it ended without being asked to
 * @param {(what: string) => void} options.onUncleanStop SIGTERM did not end it with exit code 0
 * @returns {Seat}
 */
export function seat({ name, launch, isOver, onCrash, onUncleanStop, ...options }) {
  let running = options.running;
  let closed = false;
  let isAlive = true;
  /** @type {Promise<void> | undefined} */
  let filling;
  const isClosed = () => closed || isOver();
  /** Processes whose end is asked for. @type {WeakSet<object>} */
  const leaving = new WeakSet();

  const take = (/** @type {RunningProcess<any>} */ next) => {
    running = next;
    isAlive = true;
    void next.exited.then(async (exit) => {
      if (next === running) isAlive = false;
      if (leaving.has(next) || isClosed()) return;
      onCrash(
        `${name} ended by itself (${exit.signal ?? `exit code ${exit.code}`}):\n${next.tail()}`,
      );
      await sleep(RESTART_MS);
      await fill();
    });
  };

  /** As an orchestrator does: tries until one is ready. What it needs may be away at the moment. */
  const launchOne = async () => {
    while (!isClosed()) {
      try {
        const next = await launch();
        if (!isClosed()) return take(next);
        await next.stop(STOP_MS);
      } catch {
        await sleep(RESTART_MS);
      }
    }
  };

  /** One at a time: a death and a fault may both ask for it. */
  const fill = async () => {
    if (isAlive) return;
    filling ??= launchOne().finally(() => (filling = undefined));
    await filling;
  };

  const end = async (/** @type {RunningProcess<any>} */ process) => {
    leaving.add(process);
    const exit = await process.stop(STOP_MS);
    if (exit.code !== 0) onUncleanStop(`${name}: ${exit.signal ?? `exit code ${exit.code}`}`);
  };

  take(running);
  return {
    name,
    get running() {
      return running;
    },
    async kill(downMs) {
      await fill();
      leaving.add(running);
      await running.kill9();
      await sleep(downMs);
      await fill();
    },
    async freeze(forMs) {
      const frozen = running;
      frozen.pause();
      await sleep(forMs);
      frozen.resume();
    },
    async roll() {
      await fill();
      const before = running;
      leaving.add(before);
      await launchOne();
      await end(before);
    },
    async close() {
      closed = true;
      await filling;
      await end(running);
    },
  };
}
