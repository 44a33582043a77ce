/**
 * The checker: reads what the caller was promised, what PostgreSQL says and what arrived at the providers, and
 * tells whether the three agree. Pure, so that it can be shown that it finds what it is there for.
 *
 * - lost: an accepted push that has no row, or ended in no final state, or is SENT and never arrived.
 * - unaccounted: a counter that is not its rows; rows or arrivals that no accepted request asked for; an arrival
 *   for a push that is not SENT and has no unknown try to explain it; a push that arrived under two ids, or in the wrong
 *   environment of Apple; one to a token that is good, or whose trouble passes, that is FAILED, and nothing that was
 *   broken explains it; one that is CANCELED, and nobody asked for that; a good token that its user lost.
 * - duplicates: pushes that the provider accepted more than once; outside the window when more often than
 *   tries of unknown outcome and leases that ran out explain.
 */

/** @import { AcceptedRequest, Arrival, DoneFault, Evidence, Finding, FindingKind, Judgement, PushRow } from './types.js' */

const ENDED = /** @type {const} */ (['SENT', 'FAILED', 'CANCELED']);
const COUNTERS = /** @type {const} */ (['scheduled', 'queued', 'sent', 'failed', 'canceled']);

/** Codes of docs/errors.md. */
const EXPIRED = 71_008;
const OUTCOME_UNKNOWN = 71_010;

/** Of libs/domain's retry policy: so many tries of unknown outcome, or so many that broke their connection, are the end. */
const MAX_UNKNOWN = 3;
const MAX_BLAMED = 2;
const BLAMING = /^RST_(PROTOCOL|INTERNAL)_ERROR$/;

/** A fault is felt a while longer: connections that step back, leases that run out. */
const FELT_MS = 15_000;

/** Behaviours of the simulator that a provider calls a dead token for. */
const DEAD = ['unregistered', 'expired', 'stale'];

/** Those that are fine, and those whose trouble passes by itself (docs/simulator.md)… */
const FINE = ['ok', 'slow'];
const PASSING = ['refuse', 'goaway', 'unavailable', 'internal', 'throttle', 'quota', 'expiredjwt'];
/** …and those that are told by `x<times>` when theirs does: so many tries of theirs end unknown, whatever else is broken. */
const TIMES_UNKNOWN = ['reset', 'timeout', 'answer'];

/** What our own worker says when a send of it threw: a fault of ours, that explains nothing. */
const OUR_FAULT = 'internal';

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

  for (const request of evidence.accepted) {
    const { key, operationId, tokens } = request;
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
      judgeEnvironment(row, arrived, request, find);
      if (
        isSentAtLast(token) &&
        row.status === 'FAILED' &&
        !isExplained(row, request, evidence.faults)
      )
        find(
          'unaccounted',
          `${describe(row)}: FAILED with ${row.errorCode}, and nothing explains it`,
        );
    }
    const canceled = tokens.filter((token) => rows.get(token)?.[0]?.status === 'CANCELED').length;
    const asked = { none: 0, one: 1, all: tokens.length }[request.canceled];
    if (canceled > asked)
      find(
        'unaccounted',
        `${key}: ${canceled} are CANCELED, and the request to cancel was of ${request.canceled}`,
      );
  }
  for (const token of evidence.unresolved.flat()) expected.add(token);
  for (const [token, { length }] of arrivals)
    if (!expected.has(token)) find('unaccounted', `${token} arrived ${length} times, not accepted`);
  for (const [token, [row]] of rows)
    if (!expected.has(token) && row !== undefined)
      find('unaccounted', `${describe(row)}: of no accepted request`);
  judgeCounters(evidence, find);
  const stillRegistered = new Set(evidence.stillRegistered);
  for (const token of evidence.registered)
    if (!stillRegistered.has(token) && !DEAD.includes(behaviourOf(token)))
      find('unaccounted', `${token} is no dead token, and its user has it no more`);

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
 * for each lease that ran out. The attempt that stands for such a lease is not counted beside it.
 * @param {PushRow} row
 */
function explained({ status, lostLeases, attempts }) {
  const sent = status === 'SENT' ? 1 : 0;
  const unknown = attempts.filter(
    ({ outcome, reason = '' }) =>
      outcome === 'unknown' && !['lease-lost', OUR_FAULT].includes(reason),
  ).length;
  return sent + unknown + lostLeases;
}

/**
 * Whether a push that should arrive at last may be FAILED: its outcome was unknown too often, or the one try that it had
 * came to nothing, and each time something was broken, or it was the trouble of its token. The tokens of the rough break
 * connections themselves.
 * @param {PushRow} row @param {AcceptedRequest} request @param {DoneFault[]} faults
 */
function isExplained({ token, errorCode, attempts }, { app, ttlSeconds }, faults) {
  const isFelt = (/** @type {PushRow['attempts'][number]} */ { at, latencyMs }) => {
    const from = Date.parse(at);
    const to = from + latencyMs;
    return faults.some(({ fromMs, toMs }) => from <= toMs + FELT_MS && to >= fromMs);
  };
  const isRough = app === 'rough' || app === 'lingering';
  const others = attempts.filter(({ reason }) => reason !== OUR_FAULT);
  let own = timesUnknown(token);
  const unknown = others.filter(
    (attempt) => attempt.outcome === 'unknown' && (isRough || isFelt(attempt) || own-- > 0),
  );
  const blamed = unknown.filter(({ reason = '' }) => BLAMING.test(reason));
  switch (errorCode) {
    case OUTCOME_UNKNOWN:
      return unknown.length >= MAX_UNKNOWN || blamed.length >= MAX_BLAMED;
    case EXPIRED:
      return (
        ttlSeconds === 0 &&
        others.some(
          (attempt) =>
            ['unknown', 'retry', 'credential'].includes(attempt.outcome) &&
            (isRough || isFelt(attempt) || !FINE.includes(behaviourOf(token))),
        )
      );
    default:
      return false;
  }
}

/** @param {string} token */
const behaviourOf = (token) => token.split('.')[1] ?? '';

/** How many tries a token lets end unknown before it is good. @param {string} token */
function timesUnknown(token) {
  if (!TIMES_UNKNOWN.includes(behaviourOf(token))) return 0;
  return Number(/\.x(\d+)\./.exec(token)?.[1] ?? 0);
}

/** Whether a token takes its push in the end, however rough it is at first. @param {string} token */
const isSentAtLast = (token) =>
  [...FINE, ...PASSING].includes(behaviourOf(token)) || timesUnknown(token) > 0;

/**
 * @param {PushRow} row @param {Arrival[]} arrived @param {AcceptedRequest} request
 * @param {(kind: FindingKind, what: string) => void} find
 */
function judgeEnvironment(row, arrived, { app }, find) {
  const apns = app === 'sandbox' ? 'apnsSandbox' : 'apns';
  const right = row.provider === 'FCM' ? 'fcm' : apns;
  const wrong = arrived.find(({ provider }) => provider !== right);
  if (wrong !== undefined)
    find('unaccounted', `${describe(row)}: arrived at ${wrong.provider}, not at ${right}`);
}

/**
 * @param {Evidence} evidence
 * @param {(kind: FindingKind, what: string) => void} find
 */
function judgeCounters({ accepted, operations, pushes, wrongCounters, outstanding }, find) {
  const known = new Map(operations.map((row) => [row.id, row]));
  const rows = Map.groupBy(pushes, ({ operationId }) => operationId);
  for (const { operationId, tokens, strangers } of accepted) {
    const operation = known.get(operationId);
    const expected = tokens.length + strangers;
    if (operation === undefined) find('lost', `${operationId}: there is no operation`);
    else if (operation.total !== expected || operation.unaddressable !== strangers)
      find(
        'unaccounted',
        `${operationId}: total ${operation.total} with ${operation.unaddressable} unaddressable of ${expected} recipients`,
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
const describe = ({ token, id, status, lease, lostLeases, unknownCount, attempts }) =>
  `${token} (${id}, ${status}, ${lease} claims, ${lostLeases} lost, ${unknownCount} unknown, ` +
  `${attempts.map(({ outcome, reason = '' }) => `${outcome} ${reason}`.trim()).join(' → ') || 'no attempts'})`;
