/**
 * A lock file that names its owner, so that a dead owner's lock is taken over and a live one can be named.
 * Node has no flock; `link` is atomic and gives the file its content in the same instant.
 */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from './sentence.js';

/** @import { Owner } from './types.js' */

/**
 * Does the process run? One that has ended and waits to be reaped does not; where process 1 reaps nobody, as
 * in many containers, that is for ever.
 * @param {number} pid
 */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
  return process.platform !== 'linux' || !['Z', 'X', undefined].includes(statOf(pid)[STATE]);
}

/** Places after the program's name in /proc/<pid>/stat. */
const STATE = 0;
const START_TIME = 19;

/** @param {number} pid @returns {string[]} none when there is no such process */
function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold spaces and parentheses itself.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/**
 * When a process was born, so that a pid used again is not taken for the old owner.
 * @param {number} pid
 * @returns {string} '' when there is no such process
 */
export function bornAt(pid) {
  if (process.platform === 'linux') return statOf(pid)[START_TIME] ?? '';
  return spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
}

/** @param {string} path @returns {Owner | undefined} */
function ownerOf(path) {
  try {
    const owner = JSON.parse(readFileSync(path, 'utf8'));
    return typeof owner.pid === 'number' ? owner : undefined;
  } catch {
    return undefined;
  }
}

/** @param {Owner} owner */
const lives = (owner) => isAlive(owner.pid) && bornAt(owner.pid) === owner.born;

/**
 * Tries once to take the lock.
 * @param {string} path
 * @param {Owner} [self]
 * @returns {{ release: () => void } | { heldBy: number }}
 */
export function tryLock(path, self = { pid: process.pid, born: bornAt(process.pid) }) {
  const mine = `${path}.${self.pid}-${randomUUID()}`;
  writeFileSync(mine, JSON.stringify(self));
  try {
    for (;;) {
      if (link(mine, path)) return { release: () => release(path, self) };
      const owner = ownerOf(path);
      if (owner === undefined) continue; // released between the two calls
      if (lives(owner)) return { heldBy: owner.pid };
      takeOver(path, mine, owner);
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/**
 * Removes a dead owner's lock. Who may do it is settled by a second link, named after the dead owner, so
 * that of two that saw the death neither removes the lock that the other has taken since.
 * @param {string} path @param {string} mine @param {Owner} dead
 */
function takeOver(path, mine, dead) {
  const right = `${path}.dead-${dead.pid}-${dead.born.replace(/\W/g, '')}`;
  if (!link(mine, right)) {
    const heir = ownerOf(right);
    if (heir !== undefined && !lives(heir)) rmSync(right, { force: true });
    return;
  }
  const owner = ownerOf(path);
  if (owner?.pid === dead.pid && owner.born === dead.born) rmSync(path, { force: true });
  rmSync(right, { force: true });
}

/**
 * Waits for the lock.
 * @param {string} path
 * @param {(pid: number) => void} [onWait] called once with the holder's pid when there is something to wait for
 * @returns {Promise<() => void>} release
 */
export async function lock(path, onWait = () => {}) {
  for (let told = false; ; told = true) {
    const got = tryLock(path);
    if ('release' in got) return got.release;
    if (!told) onWait(got.heldBy);
    await sleep(50);
  }
}

/** @param {string} from @param {string} to @returns {boolean} false when `to` is there already */
function link(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** @param {string} path @param {Owner} self */
function release(path, self) {
  const owner = ownerOf(path);
  if (owner?.pid === self.pid && owner.born === self.born) rmSync(path, { force: true });
}
