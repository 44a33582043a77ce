/** The few figures that a table needs. */

/** @param {readonly number[]} values @returns {number} NaN of nothing */
export const median = (values) => percentile(values, 0.5);

/**
 * The smallest value that at least that share of all does not exceed.
 * @param {readonly number[]} values
 * @param {number} share 0 to 1
 * @returns {number} NaN of nothing
 */
export function percentile(values, share) {
  if (values.length === 0) return NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const at = Math.max(0, Math.ceil(share * sorted.length) - 1);
  return sorted[at] ?? NaN;
}

/** Of these the worst round counts: a median would hide what went wrong once. */
const WORST = new Set(['failed', 'duplicates', 'notAccepted', 'peakMb']);

/**
 * The median of each figure over several rounds, of what went wrong and of memory the maximum. Figures that are no numbers are those of the last round.
 * @template {object} T
 * @param {readonly T[]} rounds
 * @returns {T}
 */
export function mediansOf(rounds) {
  return /** @type {T} */ (
    mediansOfRecords(/** @type {readonly Record<string, unknown>[]} */ (rounds))
  );
}

/**
 * @param {readonly Record<string, unknown>[]} rounds
 * @param {boolean} [worst] all of it is one of `WORST`
 * @returns {Record<string, unknown>}
 */
function mediansOfRecords(rounds, worst = false) {
  const last = rounds.at(-1);
  if (last === undefined) throw new Error('There is no round.');
  return mapValues(last, (value, name) => {
    const all = rounds.map((round) => round[name]);
    const isWorst = worst || WORST.has(name);
    if (typeof value === 'number') {
      const values = /** @type {number[]} */ (all);
      return rounded(isWorst ? Math.max(...values) : median(values));
    }
    if (isRecord(value)) return mediansOfRecords(all.filter(isRecord), isWorst);
    return value;
  });
}

/**
 * The same names with other values.
 * @template {object} T
 * @template U
 * @param {T} record
 * @param {(value: T[keyof T], name: keyof T & string) => U} change
 * @returns {{ [K in keyof T]: U }}
 */
export function mapValues(record, change) {
  const names = /** @type {(keyof T & string)[]} */ (Object.keys(record));
  return /** @type {{ [K in keyof T]: U }} */ (
    Object.fromEntries(names.map((name) => [name, change(record[name], name)]))
  );
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
const isRecord = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Four digits that count. @param {number} value */
export function rounded(value) {
  return Number.isFinite(value) ? Number(value.toPrecision(4)) : value;
}
