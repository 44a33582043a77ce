/** Starts the built api, worker and simulator as child processes and stops them in good order. */
import { fork } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { register } from './running.js';
import { codeOf, Sentence } from './sentence.js';
import { nodeOf, ROOT } from './setup.js';

/** @import { ProcessName, ProcessOptions, ReadyInfo, RunningProcess } from './types.js' */

const READY_MS = 30_000;

/** Compiled once for all starts; a folder that cannot be written is passed by. */
const COMPILE_CACHE = 'node_modules/.cache/compile';

/**
 * What a request or a push needs lives for milliseconds. By itself V8 lets the space for the young grow, and the
 * old one to several times of what is alive in it before it looks for garbage. docs/performance.md has the
 * figures. The containers have the same flags.
 */
const YOUNG = '--max-semi-space-size=16';

/**
 * A worker has thousands of pushes in hand, so a major collection costs it more: 50 % would be a fifth of its CPU.
 * @type {Record<ProcessName, readonly string[]>}
 */
export const NODE_FLAGS = {
  api: [YOUNG, '--heap-growing-percent=50'],
  worker: [YOUNG, '--heap-growing-percent=200'],
  simulator: [],
};

/**
 * Starts one process and waits until it says that it is ready.
 * @template {ProcessName} N
 * @param {N} name
 * @param {ProcessOptions} options
 * @returns {Promise<RunningProcess<ReadyInfo[N]>>}
 * @throws {Sentence} it ended, or was not ready in time; with its last words
 */
export async function startProcess(name, { env, logFile, root = ROOT, readyMs = READY_MS }) {
  mkdirSync(dirname(logFile), { recursive: true });
  const out = openSync(logFile, 'a', 0o600);
  const child = fork(join(root, 'dist/apps', name, 'src/main.js'), {
    cwd: root,
    execPath: nodeOf(root),
    execArgv: [...NODE_FLAGS[name]],
    env: {
      NODE_COMPILE_CACHE: join(root, COMPILE_CACHE),
      ...env,
      EXIT_WITH_PARENT: 'true',
    },
    // A session of its own: Ctrl-C must reach the starter only, which stops things in order.
    detached: true,
    stdio: ['ignore', out, out, 'ipc'],
  });
  closeSync(out);
  /** @type {Promise<{ code: number | null, signal: NodeJS.Signals | null }>} */
  const exited = new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: 127, signal: null }));
  });
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const kill9 = async () => {
    if (!ended()) child.kill('SIGKILL');
    await exited;
  };
  const running = {
    name,
    pid: child.pid ?? 0,
    exited,
    tail: () => tailOf(logFile),
    kill9,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop(graceMs = 35_000) {
      if (!ended()) child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      const exit = await exited;
      clearTimeout(timer);
      return exit;
    },
  };
  const unregister = register({
    rank: name === 'simulator' ? 'simulator' : 'gateway',
    stop: () => running.stop(),
    kill: kill9,
  });
  void exited.then(unregister);
  /** @type {ReadyInfo[N] | string} */
  const ready = await new Promise((resolve) => {
    const timer = setTimeout(() => resolve(`was not ready within ${readyMs / 1000} s`), readyMs);
    child.on('message', (message) => {
      if (
        typeof message !== 'object' ||
        message === null ||
        !('type' in message) ||
        message.type !== 'ready'
      )
        return;
      clearTimeout(timer);
      resolve(/** @type {ReadyInfo[N]} */ (/** @type {unknown} */ (message)));
    });
    void exited.then(({ code, signal }) => {
      clearTimeout(timer);
      resolve(`stopped while starting (${signal ?? `exit code ${code}`})`);
    });
  });
  if (typeof ready === 'string') {
    await kill9();
    throw new Sentence(`The ${name} ${ready}. Its last words:\n${running.tail()}`);
  }
  return { ...running, ready };
}

/** @param {string} file @returns {string} its last lines */
function tailOf(file) {
  try {
    return readFileSync(file, 'utf8').trim().split('\n').slice(-12).join('\n');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw error;
  }
}
