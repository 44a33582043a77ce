/**
 * How the commands talk: one clear sentence where something is wrong, one line a step with its time.
 * Only Node's own modules: this runs on Node 20 before anything is installed.
 */

/** An error whose message is all that the reader needs: printed alone, without a stack. */
export class Sentence extends Error {
  /** @param {string} message @param {{ cause?: unknown }} [options] */
  constructor(message, options) {
    super(message, options);
    this.name = 'Sentence';
  }
}

/** @param {number} ms */
export const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/**
 * @param {unknown} error
 * @returns {string} the `code` of a system error, or ''. Not by `instanceof`: Jest has Errors of its own.
 */
export const codeOf = (error) =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : '';

/** @param {unknown} error @returns {string} */
export const messageOf = (error) =>
  typeof error === 'object' && error !== null && 'message' in error && error.message
    ? String(error.message).trim()
    : codeOf(error) || String(error);

/** @param {string} line */
export const print = (line) => void process.stdout.write(`${line}\n`);

/**
 * Does one named step and prints it with the time it took.
 * @template T
 * @param {string} title
 * @param {() => Promise<T> | T} work
 * @param {(line: string) => void} [log]
 * @returns {Promise<T>}
 */
export async function step(title, work, log = print) {
  const begun = performance.now();
  const result = await work();
  log(`  ${title.padEnd(52)} ${seconds(performance.now() - begun).padStart(8)}`);
  return result;
}

/**
 * Runs a command's main function: a Sentence becomes one line on stderr and exit code 1, anything else
 * keeps its stack, for it is a fault of ours.
 * @param {() => Promise<number | void>} main returns the exit code, 0 when nothing is returned
 */
export async function run(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    const text =
      error instanceof Sentence
        ? error.message
        : error instanceof Error
          ? error.stack
          : String(error);
    process.stderr.write(`${text}\n`);
    process.exitCode = 1;
  }
}
