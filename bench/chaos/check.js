/**
 * The checker: reads what the caller was promised, what PostgreSQL says and what arrived at the providers, and
 * tells whether the three agree. Pure, so that it can be shown that it finds what it is there for.
 *
 * - lost: an accepted push that has no row, or ended in no final state, or is SENT and never arrived.
 * - unaccounted: a counter that is not its rows; rows or arrivals that no accepted request asked for; an arrival
 *   for a push that is not SENT and has no unknown try to explain it; a push that arrived under two ids.
 * - duplicates: pushes that the provider accepted more than once; outside the window when more often than
 *   tries of unknown outcome and leases that ran out explain.
 */

/** @import { Arrival, Evidence, Finding, FindingKind, Judgement, PushRow } from './types.js' */

const ENDED = /** @type {const} */ (['SENT', 'FAILED', 'CANCELED']);
const COUNTERS = /** @type {const} */ (['scheduled', 'queued', 'sent', 'failed', 'canceled']);

/** A try keeps at most so many attempts. */
const KEPT_ATTEMPTS = 20;

/** @param {Evidence} evidence @returns {Judgement} */
export function judge(evidence) {
  /** @type {Finding[]} */
  const findings = [];
  const find = (/** @type {FindingKind} */ kind, /** @type {string} */ what) =>
    void findings.push({ kind, what });
  const arrivals = Map.groupBy(evidence.arrivals, ({ token }) => token);
  const rows = Map.groupBy(evidence.pushes, ({ token }) => token);
  const counts = { SENT: 0, FAILED: 0, CANCELED: 0 };
  let duplicates = 0;
  const expected = new Set(/** @type {string[]} */ ([]));

  for (const { key, operationId, tokens } of evidence.accepted) {
    for (const token of tokens) {
      expected.add(token);
      const [row, ...more] = rows.get(token) ?? [];
      if (row === undefined) {
        find('lost', `${token} of ${key}: accepted as ${operationId}, and there is no row`);
        continue;
      }
      if (more.length > 0) find('unaccounted', `${token} of ${key} has ${more.length + 1} rows`);
      if (row.operationId !== operationId)
        find('unaccounted', `${token} of ${key} lies in ${row.operationId}, not in ${operationId}`);
      const ended = ENDED.find((status) => status === row.status);
      const arrived = arrivals.get(token) ?? [];
      if (ended === undefined) find('lost', `${describe(row)}: not in a final state`);
      else counts[ended] += 1;
      if (row.status === 'SENT' && arrived.length === 0)
        find('lost', `${describe(row)}: never arrived`);
      if (arrived.length > 1) duplicates += 1;
      judgeArrivals(row, arrived, find);
    }
  }
  for (const token of evidence.unresolved.flat()) expected.add(token);
  for (const [token, { length }] of arrivals)
    if (!expected.has(token)) find('unaccounted', `${token} arrived ${length} times, not accepted`);
  for (const [token, [row]] of rows)
    if (!expected.has(token) && row !== undefined)
      find('unaccounted', `${describe(row)}: of no accepted request`);
  judgeCounters(evidence, find);

  const count = (/** @type {FindingKind} */ kind) =>
    findings.filter((finding) => finding.kind === kind).length;
  return {
    accepted: evidence.accepted.reduce((sum, { tokens }) => sum + tokens.length, 0),
    sent: counts.SENT,
    failed: counts.FAILED,
    canceled: counts.CANCELED,
    lost: count('lost'),
    unaccounted: count('unaccounted'),
    duplicates,
    duplicatesOutsideWindow: count('duplicatesOutsideWindow'),
    findings,
  };
}

/**
 * @param {PushRow} row @param {Arrival[]} arrived
 * @param {(kind: FindingKind, what: string) => void} find
 */
function judgeArrivals(row, arrived, find) {
  const unexplained = arrived.length - explained(row);
  if (unexplained > 0 && row.status === 'SENT')
    find('duplicatesOutsideWindow', `${describe(row)}: arrived ${arrived.length} times`);
  else if (unexplained > 0)
    find('unaccounted', `${describe(row)}: arrived ${arrived.length} times all the same`);
  const ids = new Set(arrived.flatMap(({ id }) => (id === null ? [] : [id])));
  if (ids.size > 0 && !(ids.size === 1 && ids.has(row.id)))
    find('unaccounted', `${describe(row)}: arrived as ${[...ids].join(', ')}`);
}

/**
 * How often a push may have arrived: once when it is SENT, once for each try whose outcome is unknown, and once
 * for each claim that was never settled. A claim that was settled has left an attempt; `lease-lost` among
 * them stands for the claim before.
 * @param {PushRow} row
 */
function explained({ status, lease, leaseLost, unknownCount, attempts }) {
  const sent = status === 'SENT' ? 1 : 0;
  if (unknownCount === 0 && !leaseLost) return sent;
  const lostLeases = attempts.filter(({ reason }) => reason === 'lease-lost').length;
  const settled = attempts.length - lostLeases;
  // Beyond what is kept nothing more can be told apart.
  const unsettled = attempts.length < KEPT_ATTEMPTS ? Math.max(0, lease - settled) : unknownCount;
  const unknown = attempts.filter(
    ({ outcome, reason }) => outcome === 'unknown' && reason !== 'lease-lost',
  ).length;
  return sent + unknown + unsettled;
}

/**
 * @param {Evidence} evidence
 * @param {(kind: FindingKind, what: string) => void} find
 */
function judgeCounters({ accepted, operations, pushes, wrongCounters, outstanding }, find) {
  const known = new Map(operations.map((row) => [row.id, row]));
  const rows = Map.groupBy(pushes, ({ operationId }) => operationId);
  for (const { operationId, tokens } of accepted) {
    const operation = known.get(operationId);
    if (operation === undefined) find('lost', `${operationId}: there is no operation`);
    else if (operation.total !== tokens.length)
      find(
        'unaccounted',
        `${operationId}: total ${operation.total} of ${tokens.length} recipients`,
      );
  }
  for (const operation of operations) {
    const counted = Map.groupBy(rows.get(operation.id) ?? [], ({ status }) => status.toLowerCase());
    for (const name of COUNTERS) {
      const { length } = counted.get(name) ?? [];
      if (operation[name] !== length)
        find(
          'unaccounted',
          `${operation.id}: ${name} is ${operation[name]}, its rows are ${length}`,
        );
    }
    const sum = COUNTERS.reduce((all, name) => all + operation[name], operation.unaddressable);
    if (sum !== operation.total)
      find('unaccounted', `${operation.id}: total is ${operation.total}, the sum is ${sum}`);
  }
  for (const what of wrongCounters) find('unaccounted', what);
  for (const left of outstanding)
    if (left !== 0) find('unaccounted', `a credential has ${left} outstanding pushes at the end`);
}

/** @param {PushRow} row */
const describe = ({ token, id, status, lease, unknownCount, attempts }) =>
  `${token} (${id}, ${status}, ${lease} claims, ${unknownCount} unknown, ` +
  `${attempts.map(({ outcome, reason = '' }) => `${outcome} ${reason}`.trim()).join(' → ') || 'no attempts'})`;
