/** The faults of a run: which, when, how long. A matter of seed, length and kinds alone. */
import { seeded } from './random.js';

/** @import { ChaosOptions, PlannedFault } from './types.js' */

/** Before the first fault there is something to disturb, and after the last something is left to do. */
const FIRST = 0.08;
const LAST = 0.9;

/** Milliseconds between two faults, on average: as close as the time asks for, never closer than makes sense. */
const CLOSEST_MS = 400;
const WIDEST_MS = 5_000;

/**
 * Every kind once, in a random order, then every kind again.
 * @param {Pick<ChaosOptions, 'seed' | 'seconds' | 'kinds'>} options
 * @returns {PlannedFault[]}
 */
export function planFaults({ seed, seconds, kinds }) {
  if (kinds.length === 0) return [];
  const random = seeded(seed, 'faults');
  const next = random.bag(kinds);
  const [first, last] = [seconds * 1_000 * FIRST, seconds * 1_000 * LAST];
  const meanMs = Math.min(WIDEST_MS, Math.max(CLOSEST_MS, (last - first) / kinds.length));
  const count = Math.round((last - first) / meanMs);
  const faults = [];
  for (let at = 0; at < count; at++) {
    faults.push({
      atMs: Math.round(first + (at + random.next()) * meanMs),
      kind: next(),
      choice: random.next(),
      length: random.next(),
    });
  }
  return faults;
}

/**
 * One at a time for each part of the house: who comes while another has it waits.
 * @returns {(parts: readonly string[], work: () => Promise<void>) => Promise<void>}
 */
export function turns() {
  /** @type {Map<string, Promise<unknown>>} */
  const last = new Map();
  return async (parts, work) => {
    const before = Promise.allSettled(parts.map((part) => last.get(part)));
    const mine = before.then(work);
    const settled = mine.catch(() => {});
    for (const part of parts) last.set(part, settled);
    await mine;
  };
}
