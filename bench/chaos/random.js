/**
 * Randomness that a seed brings back: equal seeds give equal numbers, and what one part draws does not move
 * what another part draws.
 */
import { createHash } from 'node:crypto';

/** @param {number} seed @param {string} name of the part that draws */
export function seeded(seed, name) {
  let state = createHash('sha256').update(`${seed} ${name}`).digest().readUInt32LE(0);

  /** mulberry32. @returns {number} in [0, 1) */
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };

  /** A whole number, both ends included. @param {number} from @param {number} to */
  const int = (from, to) => from + Math.floor(next() * (to - from + 1));

  return {
    next,
    int,
    /** Around `mean`, memoryless, as arrivals are. @param {number} mean */
    gap: (mean) => -Math.log(1 - next()) * mean,
    /** @template T @param {readonly T[]} list @returns {T} */
    pick: (list) => /** @type {T} */ (list[int(0, list.length - 1)]),
    /** @template T @param {readonly T[]} list @returns {T[]} */
    shuffled: (list) => {
      const mixed = [...list];
      for (let at = mixed.length - 1; at > 0; at--) {
        const other = int(0, at);
        const kept = /** @type {T} */ (mixed[at]);
        mixed[at] = /** @type {T} */ (mixed[other]);
        mixed[other] = kept;
      }
      return mixed;
    },
    /**
     * One after another in a random order, then all of them again: nothing is left out for long.
     * @template T @param {readonly T[]} list @returns {() => T}
     */
    bag(list) {
      /** @type {T[]} */
      let rest = [];
      return () => {
        if (rest.length === 0) rest = this.shuffled(list);
        return /** @type {T} */ (rest.pop());
      };
    },
  };
}
