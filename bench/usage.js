/** What a process and its children took: CPU and memory, read from Linux's /proc. */
import { readdirSync, readFileSync } from 'node:fs';
import { codeOf } from '../scripts/sentence.js';

/** Of a clock tick in /proc: 100 a second on every Linux that Node runs on. */
const TICK_MS = 10;

/**
 * @typedef {object} Times
 * @property {number} parent
 * @property {number} ownMs user and system
 * @property {number} endedChildrenMs of children that ended and were waited for
 */

/** @param {number} pid @returns {Times | undefined} undefined when it is gone */
function timesOf(pid) {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The name before may hold spaces and brackets; the fields begin behind its last bracket.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [, parent = 0] = fields;
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15);
  return {
    parent,
    ownMs: (user + system) * TICK_MS,
    endedChildrenMs: (endedUser + endedSystem) * TICK_MS,
  };
}

/** @param {number} pid @returns {number} CPU milliseconds since it began, without its children */
export const cpuMs = (pid) => timesOf(pid)?.ownMs ?? 0;

/** @param {number} pid @returns {number} with its children, also those that ended: PostgreSQL has one a connection */
export function familyCpuMs(pid) {
  const times = timesOf(pid);
  if (times === undefined) return 0;
  const living = childrenOf(pid).reduce((sum, child) => sum + familyCpuMs(child), 0);
  return times.ownMs + times.endedChildrenMs + living;
}

/** @param {number} pid @returns {number[]} */
function childrenOf(pid) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => timesOf(each)?.parent === pid);
}

/** @param {number} pid @returns {number} the most memory that it has held since it began, in bytes */
export function peakBytes(pid) {
  const line = /^VmHWM:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`) ?? '');
  return Number(line?.[1] ?? 0) * 1024;
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(codeOf(error))) return undefined;
    throw error;
  }
}

/** @param {number} bytes @returns {number} whole megabytes */
export const megabytes = (bytes) => Math.round(bytes / 2 ** 20);
