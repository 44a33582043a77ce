/**
 * The checker: reads what the caller was promised, what PostgreSQL says and what arrived at the providers, and
 * tells whether the three agree. Pure, so that it can be shown that it finds what it is there for.
 *
 * - lost: an accepted push that has no row, or ended in no final state, or is SENT and never arrived.
 * - unaccounted: a counter that is not its rows; rows or arrivals that no accepted request asked for; an arrival
 *   for a push that is not SENT and has no unknown try to explain it; one before its time, or of a scheduled operation
 *   that was canceled before; a push that arrived under two ids, or in the wrong environment of Apple; one that the provider
 *   refused more often than it was tried; one to a token that is good, or whose trouble passes, that is FAILED, and
 *   nothing that was broken explains it; one to a token that is refused, with another end; one that is CANCELED, and
 *   nobody asked for that; a good token that its user lost; where nothing was broken, a try of a good token whose outcome
 *   is unknown, and a job that was gone.
 * - duplicates: pushes that the provider accepted more than once; outside the window when one of these arrivals lies in the
 *   time of no try that was accepted or whose outcome is unknown, and of no lease that ran out, or more than one in the same.
 */
import { LATEST_BEGIN_MS, LEASE_MS } from './times.js';

/** @import { AcceptedRequest, Arrival, DoneFault, Evidence, Finding, FindingKind, Judgement, PushRow } from './types.js' */

const ENDED = /** @type {const} */ (['SENT', 'FAILED', 'CANCELED']);
/** States that an operation counts. */
export const COUNTERS = /** @type {const} */ ([
  'scheduled',
  'queued',
  'sent',
  'failed',
  'canceled',
]);

/** Codes of docs/errors.md. */
const UNREGISTERED = 71_001;
const INVALID_TOKEN = 71_002;
const EXPIRED = 71_008;
const OUTCOME_UNKNOWN = 71_010;
const THIRD_PARTY_AUTH = 71_011;

/** Of libs/domain's retry policy: so many tries of unknown outcome, or so many that broke their connection, are the end. */
const MAX_UNKNOWN = 3;
const MAX_BLAMED = 2;
const BLAMING = /^RST_(PROTOCOL|INTERNAL)_ERROR$/;

/**
 * A fault is felt a while longer: connections step back, and a machine that does too much at once is late with its answers to pings.
 */
const FELT_MS = 15_000;

/** Those that hold back what was written to a connection: it arrives when they are over, and so much later at the latest. */
const HOLDING = ['worker-freeze', 'simulator-freeze', 'black-hole'];
const HELD_MS = 2_000;

/** Instants of several processes of one machine, rounded. */
const ROUNDED_MS = 50;

/** Behaviours of the simulator that a provider refuses, and the code of their pushes; none: APNs knows no such thing. */
const REFUSED =
  /** @type {Readonly<Record<string, Readonly<Record<PushRow['provider'], number | null>>>>} */ ({
    unregistered: { FCM: UNREGISTERED, APN: UNREGISTERED },
    expired: { FCM: UNREGISTERED, APN: UNREGISTERED },
    stale: { FCM: UNREGISTERED, APN: UNREGISTERED },
    badtoken: { FCM: INVALID_TOKEN, APN: INVALID_TOKEN },
    mismatch: { FCM: INVALID_TOKEN, APN: INVALID_TOKEN },
    thirdparty: { FCM: THIRD_PARTY_AUTH, APN: null },
  });

/** What a provider says of a credential it hears again in the same try, with a new access token. */
const OF_THE_CREDENTIAL = [401, 403];

/** Of a push no more attempts are kept. */
const ATTEMPTS_KEPT = 20;

/** Of a stale token Apple says since when, Google does not. @param {Pick<PushRow, 'token' | 'provider'>} row */
const isStale = ({ token, provider }) => behaviourOf(token) === 'stale' && provider === 'APN';

/** Whether providers say so of it. @param {string} token */
const isDead = (token) => REFUSED[behaviourOf(token)]?.FCM === UNREGISTERED;

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
  const refusals = Map.groupBy(evidence.refusals, ({ token }) => token);
  const registered = new Set(evidence.registered);
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
      judgeArrivals(row, arrived, evidence.faults, find);
      judgeEnvironment(row, arrived, request, find);
      judgeTimes(row, arrived, request, find);
      judgeTries(row, refusals.get(token) ?? [], find);
      judgeRefused(row, refusals.get(token) ?? [], request, { ...evidence, registered }, find);
      if (evidence.faults.length === 0) judgeUndisturbed(row, request, find);
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
  if (evidence.faults.length === 0 && evidence.lostJobs > 0)
    find('unaccounted', `${evidence.lostJobs} jobs were gone, and nothing was broken`);
  for (const token of evidence.unresolved.flat()) expected.add(token);
  for (const [token, { length }] of arrivals)
    if (!expected.has(token)) find('unaccounted', `${token} arrived ${length} times, not accepted`);
  for (const [token, [row]] of rows)
    if (!expected.has(token) && row !== undefined)
      find('unaccounted', `${describe(row)}: of no accepted request`);
  judgeCounters(evidence, find);
  const stillRegistered = new Set(evidence.stillRegistered);
  for (const token of registered)
    if (!stillRegistered.has(token) && (!isDead(token) || (rows.get(token) ?? []).some(isStale)))
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
 * @param {PushRow} row @param {Arrival[]} arrived @param {DoneFault[]} faults
 * @param {(kind: FindingKind, what: string) => void} find
 */
function judgeArrivals(row, arrived, faults, find) {
  const late = unexplained(row, arrived, faults);
  const when = late.map(({ atMs }) => new Date(atMs).toISOString()).join(', ');
  const isDouble = row.status === 'SENT' && arrived.length > 1;
  if (late.length > 0)
    find(
      isDouble ? 'duplicatesOutsideWindow' : 'unaccounted',
      `${describe(row)}: arrived ${arrived.length} times, and no try or lost lease explains ${when}`,
    );
  const ids = new Set(arrived.flatMap(({ id }) => (id === null ? [] : [id])));
  if (ids.size > 0 && !(ids.size === 1 && ids.has(row.id)))
    find('unaccounted', `${describe(row)}: arrived as ${[...ids].join(', ')}`);
}

/**
 * A push may have arrived once within the try that was accepted, when it is SENT, once within each whose outcome is unknown,
 * and once within each lease that ran out. The attempt that stands for such a lease is not counted beside it.
 * @param {PushRow} row @param {Arrival[]} arrived @param {DoneFault[]} faults
 * @returns {Arrival[]} those that none of them explains
 */
function unexplained({ status, lostLeases, attempts }, arrived, faults) {
  const spans = [
    ...attempts.flatMap(({ outcome, reason = '', at, latencyMs }) => {
      const isAccepted = outcome === 'accepted' && status === 'SENT';
      const isUnknown = outcome === 'unknown' && !['lease-lost', OUR_FAULT].includes(reason);
      if (!isAccepted && !isUnknown) return [];
      // Written down is the instant of the claim, and what passed since it was answered.
      const fromMs = Date.parse(at);
      return [{ fromMs, toMs: fromMs + LATEST_BEGIN_MS + latencyMs }];
    }),
    ...lostLeases.map((toMs) => ({ fromMs: toMs - LEASE_MS, toMs })),
  ]
    .map(({ fromMs, toMs }) => ({
      fromMs: fromMs - ROUNDED_MS,
      toMs: ROUNDED_MS + heldUntil(fromMs, toMs, faults),
    }))
    .sort((a, b) => a.toMs - b.toMs);
  return arrived
    .toSorted((a, b) => a.atMs - b.atMs)
    .filter(({ atMs }) => {
      const at = spans.findIndex(({ fromMs, toMs }) => fromMs <= atMs && atMs <= toMs);
      if (at >= 0) spans.splice(at, 1);
      return at < 0;
    });
}

/** Until when something may arrive that was written between the two. @param {number} fromMs @param {number} toMs @param {DoneFault[]} faults */
function heldUntil(fromMs, toMs, faults) {
  const holding = faults.filter(
    (fault) => HOLDING.includes(fault.kind) && fault.fromMs <= toMs && fault.toMs >= fromMs,
  );
  return Math.max(toMs, ...holding.map((fault) => fault.toMs + HELD_MS));
}

/**
 * What was scheduled arrives no sooner, and not at all when it was canceled before.
 * @param {PushRow} row @param {Arrival[]} arrived @param {AcceptedRequest} request
 * @param {(kind: FindingKind, what: string) => void} find
 */
function judgeTimes(row, arrived, { sendAtMs, canceled, canceledAtMs }, find) {
  if (sendAtMs === null) return;
  const early = arrived.find(({ atMs }) => atMs < sendAtMs - ROUNDED_MS);
  if (early !== undefined)
    find('unaccounted', `${describe(row)}: arrived ${sendAtMs - early.atMs} ms before its time`);
  const isCanceled = canceled === 'all' && canceledAtMs !== null && canceledAtMs < sendAtMs;
  if (isCanceled && row.status !== 'CANCELED')
    find('unaccounted', `${describe(row)}: its operation was canceled before its time`);
}

/**
 * The provider answers each try once: a refusal too many is a push that was handed over without a trace.
 * @param {PushRow} row @param {Arrival[]} refused
 * @param {(kind: FindingKind, what: string) => void} find
 */
function judgeTries(row, refused, find) {
  const { attempts, lostLeases } = row;
  if (attempts.length >= ATTEMPTS_KEPT) return;
  const answers = refused.filter(({ status }) => !OF_THE_CREDENTIAL.includes(status)).length;
  const tries =
    attempts.filter(({ outcome, reason }) => outcome !== 'accepted' && reason !== 'lease-lost')
      .length + lostLeases.length;
  if (answers > tries)
    find('unaccounted', `${describe(row)}: refused ${answers} times, tried ${tries} times`);
}

/**
 * What a provider refuses fails with its words, and nobody makes them up. A device that was registered after the instant at
 * which Apple saw its token die is not that one: its token is wrong, and stays.
 * @param {PushRow} row @param {Arrival[]} refused @param {AcceptedRequest} request
 * @param {{ faults: DoneFault[], registered: ReadonlySet<string> }} run
 * @param {(kind: FindingKind, what: string) => void} find
 */
function judgeRefused(row, refused, request, { faults, registered }, find) {
  const isNewer = isStale(row) && registered.has(row.token);
  const code = isNewer ? INVALID_TOKEN : (REFUSED[behaviourOf(row.token)]?.[row.provider] ?? null);
  if (code === null) return;
  if (row.status === 'SENT') find('unaccounted', `${describe(row)}: its provider refuses it`);
  if (row.status !== 'FAILED' || isExplained(row, request, faults)) return;
  if (row.errorCode !== code)
    find('unaccounted', `${describe(row)}: FAILED with ${row.errorCode}, not with ${code}`);
  if (refused.length === 0)
    find('unaccounted', `${describe(row)}: FAILED, and its provider never said so`);
}

/**
 * Of a push that nothing disturbed, nor the trouble of its token; one that is slow may come near its deadline where the machine
 * is slow too.
 * @param {PushRow} row @param {AcceptedRequest} request
 * @param {(kind: FindingKind, what: string) => void} find
 */
function judgeUndisturbed(row, request, find) {
  if (isRough(request) || behaviourOf(row.token) !== 'ok') return;
  if (row.attempts.some(({ outcome }) => outcome === 'unknown') || row.lostLeases.length > 0)
    find('unaccounted', `${describe(row)}: nothing was broken, and its outcome was unknown`);
}

/**
 * Whether a push that should arrive at last may be FAILED: its outcome was unknown too often, or the one try that it had
 * came to nothing, and each time something was broken, or it was the trouble of its token. The tokens of the rough break
 * connections themselves.
 * @param {PushRow} row @param {AcceptedRequest} request @param {DoneFault[]} faults
 */
function isExplained({ token, errorCode, attempts, lostLeases }, request, faults) {
  const { ttlSeconds } = request;
  const isFeltBetween = (/** @type {number} */ from, /** @type {number} */ to) =>
    faults.some(({ fromMs, toMs }) => from <= toMs + FELT_MS && to >= fromMs);
  const isFelt = (/** @type {PushRow['attempts'][number]} */ { at, latencyMs, reason }) => {
    // It comes near its deadline by itself, and a busy machine does the rest.
    if (behaviourOf(token) === 'slow' && reason === 'deadline') return true;
    // Its attempt says when that was found out.
    if (reason === 'lease-lost')
      return lostLeases.some((end) => isFeltBetween(end - LEASE_MS, end));
    return isFeltBetween(Date.parse(at), Date.parse(at) + latencyMs);
  };
  const others = attempts.filter(({ reason }) => reason !== OUR_FAULT);
  let own = timesUnknown(token);
  const unknown = others.filter(
    (attempt) =>
      attempt.outcome === 'unknown' && (isRough(request) || isFelt(attempt) || own-- > 0),
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
            (isRough(request) || isFelt(attempt) || !FINE.includes(behaviourOf(token))),
        )
      );
    default:
      return false;
  }
}

/** Its tokens break connections themselves. @param {AcceptedRequest} request */
const isRough = ({ app }) => app === 'rough' || app === 'lingering';

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
  `${token} (${id}, ${status}, ${lease} claims, ${lostLeases.length} lost, ${unknownCount} unknown, ` +
  `${attempts.map(({ outcome, reason = '' }) => `${outcome} ${reason}`.trim()).join(' → ') || 'no attempts'})`;
