/**
 * Runs a real PostgreSQL from npm's binaries: no unix socket, a free port on 127.0.0.1, random passwords.
 * The package's own class is not used: its exit hook ends the process, and a stale `postmaster.pid` makes it
 * reject with `undefined`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { guard } from './guardian.js';
import { isAlive } from './lock.js';
import { as, dataFolder, postgresBinaries, PROGRAM_ENV, RUN_AS } from './postgres-binaries.js';
import { register } from './running.js';
import { codeOf, Sentence } from './sentence.js';

/** @import { PostgresOptions, PostgresPasswords, RunningPostgres, StopMode } from './types.js' */

export const DATABASE = 'fanfare';
const READY_MS = 60_000;

/** SIGINT: roll back and stop. SIGQUIT: stop now, recover at the next start. */
const SIGNALS = /** @type {const} */ ({ fast: 'SIGINT', immediate: 'SIGQUIT' });

/** Settings for one machine and one developer; `fsync` stays on unless the cluster is thrown away. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '128MB',
  max_wal_size: '2GB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_locks_per_transaction: '256',
  jit: 'off',
  log_checkpoints: 'off',
  log_min_messages: 'warning',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/** @returns {PostgresPasswords} */
export const randomPasswords = () => ({ super: secret(), owner: secret(), app: secret() });

const secret = () => randomBytes(24).toString('base64url');

/** @returns {Promise<number>} a port of 127.0.0.1 that was free a moment ago */
export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        resolve(typeof address === 'object' && address !== null ? address.port : 0),
      );
    });
  });

/**
 * Starts PostgreSQL and makes roles and database when they are missing. A postmaster of ours that was left
 * over on the same data is stopped first.
 * @param {PostgresOptions} [options]
 * @returns {Promise<RunningPostgres>}
 * @throws {Sentence}
 */
export async function startPostgres(options = {}) {
  const { log = () => {}, settings = {}, uid = RUN_AS } = options;
  const ephemeral = options.dataDir === undefined;
  const passwords = options.passwords ?? randomPasswords();
  const { bin, moved: movedPrograms } = postgresBinaries({ uid });
  if (movedPrograms !== undefined)
    log(
      `PostgreSQL's programs run from ${movedPrograms}: the user that runs them cannot reach the checkout.`,
    );
  const home = ephemeral ? temporaryHome(uid) : undefined;
  const place = home === undefined ? dataFolder(options.dataDir ?? '', uid) : { dir: home };
  if (place.moved !== undefined)
    log(
      `PostgreSQL's data is kept in ${place.moved}: the user that runs it cannot reach ${options.dataDir ?? ''}.`,
    );
  const server = new Server(bin, place.dir, uid, {
    ...SETTINGS,
    ...(ephemeral ? { fsync: 'off' } : {}),
    ...settings,
  });
  const dismiss = guard(...lastWill(server.data, ephemeral ? place.dir : ''));
  const stop = async (/** @type {StopMode} */ mode) => {
    await server.stop(mode);
    await dismiss();
    unregister();
    if (home !== undefined) rmSync(home, { recursive: true, force: true });
  };
  const unregister = register({
    rank: 'store',
    stop: () => stop(ephemeral ? 'immediate' : 'fast'),
    kill: () => stop('immediate'),
  });
  try {
    await server.stopLeftOver(log);
    server.initialise(passwords.super, ephemeral);
    await server.start();
    await makeRoles(server.url('postgres', passwords.super, 'postgres'), passwords);
  } catch (error) {
    await stop('immediate');
    throw error;
  }
  return {
    port: server.port,
    dataDir: server.data,
    superUrl: server.url('postgres', passwords.super, 'postgres'),
    ownerUrl: server.url('fanfare_owner', passwords.owner),
    appUrl: server.url('fanfare_app', passwords.app),
    get pid() {
      return server.child?.pid;
    },
    get died() {
      return server.died;
    },
    kill9: () => server.kill9(),
    restart: () => server.restart(),
    stop: ({ mode = ephemeral ? 'immediate' : 'fast' } = {}) => stop(mode),
  };
}

/** @param {number | undefined} uid */
function temporaryHome(uid) {
  const home = mkdtempSync(join(tmpdir(), 'fanfare-pg-'));
  if (uid !== undefined) chownSync(home, uid, uid);
  return home;
}

/**
 * What the guardian does when the starter is gone: stop the postmaster of this data, whichever it is by then.
 * @param {string} data @param {string} remove a folder to remove, or ''
 * @returns {[string, string[]]}
 */
const lastWill = (data, remove) => [
  'pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null); ' +
    'if [ -n "$pid" ]; then kill -s "$2" "$pid"; n=0; ' +
    'while [ -e "$1/postmaster.pid" ] && kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done; fi; ' +
    '[ -z "$3" ] || rm -rf "$3"',
  [data, remove === '' ? 'INT' : 'QUIT', remove],
];

/** One postmaster on one data folder. */
class Server {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  child;
  port = 0;
  /** Settles when the postmaster of the moment has ended. @type {Promise<void>} */
  died = Promise.resolve();

  /** @param {string} bin @param {string} home @param {number | undefined} uid @param {Record<string, string>} settings */
  constructor(bin, home, uid, settings) {
    this.bin = bin;
    this.data = join(home, 'cluster');
    this.logFile = join(home, 'postgres.log');
    this.uid = uid;
    this.settings = settings;
  }

  /** @param {string} user @param {string} password */
  url(user, password, database = DATABASE) {
    return `postgresql://${user}:${password}@127.0.0.1:${this.port}/${database}`;
  }

  /** @param {string} password the superuser's @param {boolean} noSync */
  initialise(password, noSync) {
    if (existsSync(join(this.data, 'PG_VERSION'))) return this.checkVersion();
    const fresh = `${this.data}.new`; // renamed when complete: a killed initdb leaves nothing half-made
    rmSync(fresh, { recursive: true, force: true });
    const passwordFile = `${this.data}.password`;
    writeFileSync(passwordFile, password, { mode: 0o600 });
    if (this.uid !== undefined) chownSync(passwordFile, this.uid, this.uid);
    const result = spawnSync(
      join(this.bin, 'initdb'),
      [
        '-D',
        fresh,
        '-U',
        'postgres',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
      ]
        .concat([
          '--locale=C',
          '--locale-provider=builtin',
          '--builtin-locale=C.UTF-8',
          '--no-instructions',
        ])
        .concat(noSync ? ['--no-sync'] : []),
      { ...as(this.uid), cwd: '/', env: PROGRAM_ENV, encoding: 'utf8' },
    );
    rmSync(passwordFile, { force: true });
    if (result.status !== 0)
      throw new Sentence(
        `PostgreSQL could not make its data folder ${this.data}: ${lastLine(result.stderr)}`,
      );
    renameSync(fresh, this.data);
  }

  checkVersion() {
    const made = readFileSync(join(this.data, 'PG_VERSION'), 'utf8').trim();
    const programs = spawnSync(join(this.bin, 'postgres'), ['--version'], {
      ...as(this.uid),
      cwd: '/',
      encoding: 'utf8',
    });
    const ours = /(\d+)/.exec(programs.stdout)?.[1];
    if (made !== ours)
      throw new Sentence(
        `${this.data} was made by PostgreSQL ${made} and this is PostgreSQL ${ours}: move it away to begin anew.`,
      );
  }

  /** Starts on a free port, or again on the port that it had. */
  async start() {
    const again = this.port !== 0;
    const deadline = Date.now() + READY_MS;
    for (;;) {
      if (!again) this.port = await freePort();
      const failure = await this.launch(deadline);
      if (failure === undefined) return;
      // Another process took the port meanwhile, or the children of a killed postmaster still leave.
      const passing =
        /could not bind|could not create any TCP|shared memory block|lock file .* already exists/i;
      if (!passing.test(failure) || Date.now() > deadline)
        throw new Sentence(`PostgreSQL did not start: ${lastLine(failure)} (see ${this.logFile})`);
      await sleep(50);
    }
  }

  /** @param {number} deadline @returns {Promise<string | undefined>} what it said when it ended at once */
  async launch(deadline) {
    const out = openSync(this.logFile, 'w', 0o600);
    const settings = Object.entries(this.settings).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]);
    // A session of its own: Ctrl-C in the terminal must reach the starter only, which stops things in order.
    const child = spawn(
      join(this.bin, 'postgres'),
      ['-D', this.data, '-p', String(this.port), ...settings],
      {
        ...as(this.uid),
        cwd: '/',
        env: PROGRAM_ENV,
        detached: true,
        stdio: ['ignore', out, out],
      },
    );
    closeSync(out);
    child.unref();
    this.child = child;
    let ended = false;
    this.died = new Promise((resolve) => {
      const end = () => {
        ended = true;
        resolve();
      };
      child.once('exit', end);
      child.once('error', end);
    });
    while (!ended) {
      if (this.says('ready', child.pid)) return undefined;
      if (Date.now() > deadline) {
        await this.stop('immediate');
        return 'it was not ready in time';
      }
      await sleep(10);
    }
    return readFileSync(this.logFile, 'utf8');
  }

  /** @param {string} status @param {number | undefined} pid */
  says(status, pid) {
    const lines = this.pidFile();
    return Number(lines[0]) === pid && (lines[7] ?? '').trim() === status;
  }

  /** @returns {string[]} the lines of `postmaster.pid`; none when there is no such file */
  pidFile() {
    try {
      return readFileSync(join(this.data, 'postmaster.pid'), 'utf8').split('\n');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  /** @param {(line: string) => void} log */
  async stopLeftOver(log) {
    const pid = Number(this.pidFile()[0] ?? 0);
    if (pid === 0) return;
    if (isAlive(pid) && this.isPostmaster(pid)) {
      log(`A PostgreSQL left over from before (pid ${pid}) is stopped first.`);
      for (const signal of /** @type {const} */ (['SIGINT', 'SIGQUIT', 'SIGKILL'])) {
        process.kill(pid, signal);
        const until = Date.now() + 5_000;
        while (isAlive(pid) && Date.now() < until) await sleep(20);
        if (!isAlive(pid)) break;
      }
    }
    // PostgreSQL itself takes any live process with that number for a postmaster and refuses to start.
    rmSync(join(this.data, 'postmaster.pid'), { force: true });
  }

  /** @param {number} pid */
  isPostmaster(pid) {
    const command =
      process.platform === 'linux'
        ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        : spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout;
    return command.includes(this.data);
  }

  /** @param {StopMode} mode */
  async stop(mode) {
    const child = this.child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    child.kill(SIGNALS[mode]);
    const timers = [
      setTimeout(() => child.kill('SIGQUIT'), 10_000),
      setTimeout(() => child.kill('SIGKILL'), 15_000),
    ];
    await this.died;
    timers.forEach((t) => clearTimeout(t));
  }

  /** Ends the postmaster as a crash would. Its children leave by themselves when they notice. */
  async kill9() {
    this.child?.ref();
    this.child?.kill('SIGKILL');
    await this.died;
  }

  /** Starts again on the same port and data, after kill9() or a stop. */
  async restart() {
    await this.stop('fast');
    await this.start();
  }
}

/** @param {string} text */
const lastLine = (text) =>
  text
    .trim()
    .split('\n')
    .findLast((line) => /FATAL|ERROR|error|LOG|HINT/.test(line)) ?? text.trim();

/**
 * @param {string} superUrl @param {PostgresPasswords} passwords
 */
async function makeRoles(superUrl, passwords) {
  const client = new pg.Client({ connectionString: superUrl });
  try {
    await client.connect();
  } catch (error) {
    if (codeOf(error) === '28P01')
      throw new Sentence(
        'The password kept for this PostgreSQL does not fit its data: both belong together, move the data away to begin anew.',
        { cause: error },
      );
    throw error;
  }
  try {
    for (const [role, password] of [
      ['fanfare_owner', passwords.owner],
      ['fanfare_app', passwords.app],
    ]) {
      const known = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role]);
      const verb = known.rowCount === 0 ? 'CREATE' : 'ALTER';
      await client.query(`${verb} ROLE ${role} LOGIN PASSWORD ${pg.escapeLiteral(password ?? '')}`);
    }
    const known = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (known.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE} OWNER fanfare_owner`);
    await client.query(`REVOKE ALL ON DATABASE ${DATABASE} FROM PUBLIC`);
    await client.query(`GRANT CONNECT, TEMPORARY ON DATABASE ${DATABASE} TO fanfare_app`);
  } finally {
    await client.end();
  }
}
