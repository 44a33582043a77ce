/**
 * Everything that this process has started and must stop, from the moment of its spawn: Ctrl-C may come
 * while it still starts. api and worker stop first, then the simulator, then the stores.
 */
import { print } from './sentence.js';

/**
 * @typedef {object} Part
 * @property {'gateway' | 'simulator' | 'store'} rank
 * @property {() => Promise<unknown>} stop in good order
 * @property {() => Promise<unknown>} kill at once
 */

const RANKS = /** @type {const} */ (['gateway', 'simulator', 'store']);

/** A terminal's Ctrl-C reaches us and npm, which passes it on: two signals for one key, ms apart. */
const SAME_KEY_MS = 400;

/** @type {Set<Part>} */
const parts = new Set();

/** @param {Part} part @returns {() => void} to be called when it has ended */
export function register(part) {
  parts.add(part);
  return () => void parts.delete(part);
}

/** @param {'stop' | 'kill'} how */
async function endAll(how) {
  for (const rank of RANKS) {
    await Promise.allSettled(
      [...parts].filter((part) => part.rank === rank).map((part) => part[how]()),
    );
  }
}

/** Stops all that still runs. */
export const stopEverything = () => endAll('stop');

/**
 * On Ctrl-C (or SIGTERM, or the terminal's end) stops everything and exits; on a second one at once.
 * @param {object} options
 * @param {number} options.exitCode after the first one
 * @param {string} options.sentence printed at the first one
 */
export function stopOnInterrupt({ exitCode, sentence }) {
  let first = 0;
  let killing = false;
  const onSignal = async () => {
    if (first === 0) {
      first = Date.now();
      process.stderr.write(`\n${sentence}\n`);
      await stopEverything();
      if (!killing) process.exit(exitCode);
    } else if (Date.now() - first > SAME_KEY_MS && !killing) {
      killing = true;
      print('Stopping at once.');
      await endAll('kill');
      process.exit(130);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void onSignal());
  return { isInterrupted: () => first !== 0 };
}
