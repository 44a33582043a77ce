/** Starts a `redis-server` of our own: a free port on 127.0.0.1, data in a fresh temp folder, nothing evicted. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from './embedded-postgres.js';
import { guard } from './guardian.js';
import { register } from './running.js';
import { codeOf, Sentence } from './sentence.js';

/** @import { RedisOptions, RunningRedis } from './types.js' */

/**
 * @param {RedisOptions} [options]
 * @returns {Promise<RunningRedis>}
 * @throws {Sentence} there is no `redis-server` on this machine, or it does not start
 */
export async function startRedis({ command = 'redis-server', appendOnly = true } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'fanfare-redis-'));
  const dismiss = guard(
    'pid=$(cat "$1/pid" 2>/dev/null); [ -z "$pid" ] || kill -9 "$pid"; rm -rf "$1"',
    [dir],
  );
  const redis = new Redis(command, dir, appendOnly);
  const stop = async () => {
    await redis.end('SIGKILL'); // the folder goes with it: there is nothing to save
    await dismiss();
    unregister();
    rmSync(dir, { recursive: true, force: true });
  };
  const unregister = register({ rank: 'store', stop, kill: stop });
  try {
    await redis.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port: redis.port,
    url: `redis://127.0.0.1:${redis.port}`,
    get pid() {
      return redis.child?.pid;
    },
    kill9: () => redis.end('SIGKILL'),
    restart: async ({ empty = false } = {}) => {
      await redis.end('SIGTERM');
      if (empty) rmSync(join(dir, 'appendonlydir'), { recursive: true, force: true });
      await redis.start();
    },
    stop,
  };
}

class Redis {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  child;
  port = 0;
  ended = Promise.resolve();

  /** @param {string} command @param {string} dir @param {boolean} appendOnly */
  constructor(command, dir, appendOnly) {
    this.command = command;
    this.dir = dir;
    this.appendOnly = appendOnly;
  }

  /** Starts on a free port, or again on the port that it had. */
  async start() {
    const again = this.port !== 0;
    for (let attempt = 1; ; attempt += 1) {
      if (!again) this.port = await freePort();
      const failure = await this.launch();
      if (failure === undefined) return;
      if (attempt === 5 || !/in use/i.test(failure))
        throw new Sentence(`redis-server did not start: ${failure}`);
    }
  }

  /** @returns {Promise<string | undefined>} its last line when it ended at once */
  launch() {
    const settings = {
      port: this.port,
      bind: '127.0.0.1',
      dir: this.dir,
      pidfile: join(this.dir, 'pid'),
    };
    const policy = {
      'maxmemory-policy': 'noeviction',
      save: '',
      appendonly: this.appendOnly ? 'yes' : 'no',
    };
    const child = spawn(
      this.command,
      Object.entries({ ...settings, ...policy }).flatMap(([name, value]) => [
        `--${name}`,
        String(value),
      ]),
      // A session of its own: Ctrl-C must reach the starter only, which stops things in order.
      { detached: true, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    this.child = child;
    this.ended = new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    return new Promise((resolve, reject) => {
      let last = '';
      child.once('error', (error) => {
        const missing =
          'There is no redis-server on this machine: install Redis, or run without --redis.';
        reject(codeOf(error) === 'ENOENT' ? new Sentence(missing) : error);
      });
      child.once('exit', () => resolve(last));
      createInterface({ input: child.stdout }).on('line', (line) => {
        last = line;
        if (!/ready to accept connections/i.test(line)) return;
        child.unref();
        if ('unref' in child.stdout && typeof child.stdout.unref === 'function')
          child.stdout.unref();
        resolve(undefined);
      });
    });
  }

  /** @param {'SIGTERM' | 'SIGKILL'} signal */
  async end(signal) {
    const child = this.child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    child.kill(signal);
    await this.ended;
  }
}
