/** Runs a program of the set-up to its end, so that Ctrl-C ends it too. Node's own modules only. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

/** @param {NodeJS.Signals} signal the exit code that a shell gives a program ended by it */
export const exitCodeOf = (signal) => 128 + constants.signals[signal];

/**
 * @typedef {object} Finished
 * @property {number} code exit code; 127 when the program could not be started
 * @property {string} output what it wrote, stdout and stderr as they came
 */

/**
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions & { show?: boolean }} [options] `show`: let it write to the
 *   terminal instead of collecting its output
 * @returns {Promise<Finished>}
 */
export function runChild(program, args, { show = false, ...options } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: show ? 'inherit' : ['ignore', 'pipe', 'pipe'],
      ...options,
    });
    let output = '';
    /** @type {NodeJS.Signals | undefined} */
    let asked;
    const collect = (/** @type {Buffer} */ chunk) => (output += chunk.toString());
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    const forward = (/** @type {NodeJS.Signals} */ signal) => {
      asked = signal;
      child.kill(signal);
    };
    const finish = (/** @type {number} */ code) => {
      for (const signal of SIGNALS) process.off(signal, forward);
      if (asked !== undefined && !show) process.exit(exitCodeOf(asked));
      resolve({ code, output });
    };
    for (const signal of SIGNALS) process.on(signal, forward);
    child.once('error', (error) => {
      output += error.message;
      finish(127);
    });
    child.once('close', (code, signal) =>
      finish(signal === null ? (code ?? 1) : exitCodeOf(signal)),
    );
  });
}
