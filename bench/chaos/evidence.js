/** What is left behind by a run: rows, ledger, and the counters that the sweep had to repair meanwhile. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { TypeID } from 'typeid-js';
import { COUNTERS } from './check.js';
import { ledgerFile, LOST_LEASES } from './house.js';

/** @import { Json } from '../../scripts/types.js' */
/** @import { Evidence, House, OperationRow, PushRow } from './types.js' */
/** @import { caller } from './caller.js' */

/** Metric of the workers: what the sweep mended, by its rules. */
const REPAIRS = /^fanfare_sweep_faults_total\{[^}]*rule="([\w-]+)"[^}]*\} (\d+)$/gm;

/** Of the rules those that say: a counter was wrong. */
const WRONG = /-wrong$/;

/** The one that says: a push had no job any more. */
const LOST_JOB = 'push-lost';

/** @param {string} metrics of a worker @returns {Map<string, number>} how often each rule of the sweep had to mend something */
export const repairsIn = (metrics) =>
  new Map([...metrics.matchAll(REPAIRS)].map(([, rule = '', count]) => [rule, Number(count)]));

const LOOK_MS = 500;

/** @param {(name: string) => string} valueOf */
const counters = (valueOf) =>
  `jsonb_build_object(${COUNTERS.map((name) => `'${name}', ${valueOf(name)}`).join(', ')})`;

/** Operations under way whose counters are not their rows: in one statement, so at one instant. */
export const WRONG_COUNTERS = `
SELECT o.id, ${counters((name) => `o.${name}`)} AS counters, r.rows
FROM (SELECT * FROM operations WHERE completed_at IS NULL ORDER BY id DESC LIMIT 20) o CROSS JOIN LATERAL (
  SELECT ${counters((name) => `count(*) FILTER (WHERE p.status = '${name.toUpperCase()}')`)} AS rows
  FROM push_notifications p WHERE p.operation_id = o.id AND p.id > o.id AND p.id <= o.last_push_id
) r
WHERE r.rows <> ${counters((name) => `o.${name}`)}`;

/**
 * Watches what is not seen at the end: what the sweep repairs, by the metrics of the workers, and counters that are not
 * their rows.
 * @param {Pick<House, 'workers' | 'query'>} house
 */
export function watch({ workers, query }) {
  /** Of each process, the last ones: one that died takes its counts with it. @type {Map<number, Map<string, number>>} */
  const seen = new Map();
  /** @type {Set<string>} */
  const wrong = new Set();
  let isOver = false;
  const look = async () => {
    try {
      for (const { id, counters, rows } of await query(WRONG_COUNTERS))
        wrong.add(`${id}: ${JSON.stringify(counters)}, and its rows ${JSON.stringify(rows)}`);
    } catch {
      // PostgreSQL is away at the moment.
    }
    for (const { running } of workers) {
      try {
        const answer = await fetch(`http://127.0.0.1:${running.ready.metricsPort}/metrics`, {
          signal: AbortSignal.timeout(LOOK_MS),
        });
        seen.set(running.pid, repairsIn(await answer.text()));
      } catch {
        // Killed or frozen at the moment.
      }
    }
  };
  const watching = (async () => {
    while (!isOver) {
      await look();
      await sleep(LOOK_MS);
    }
  })();
  return {
    /** @returns {Promise<{ wrong: string[], lostJobs: number }>} a sentence for each counter, and a number of jobs */
    async end() {
      isOver = true;
      await watching;
      await look();
      const repairs = [...seen].flatMap(([pid, counts]) =>
        [...counts].map(([rule, count]) => ({ pid, rule, count })),
      );
      return {
        wrong: [
          ...wrong,
          ...repairs
            .filter(({ rule }) => WRONG.test(rule))
            .flatMap(({ pid, rule, count }) =>
              new Array(count).fill(`the sweep repaired a counter: ${rule} (process ${pid})`),
            ),
        ],
        lostJobs: repairs
          .filter(({ rule }) => rule === LOST_JOB)
          .reduce((sum, { count }) => sum + count, 0),
      };
    },
  };
}

/** @param {House} house @returns {Promise<number>} pushes that are not in a final state */
export async function openPushes({ query }) {
  const [row] = await query(
    'SELECT coalesce(sum(scheduled + queued), 0)::int AS n FROM operations',
  );
  const [rows] = await query(
    `SELECT count(*)::int AS n FROM push_notifications WHERE status IN ('SCHEDULED', 'QUEUED')`,
  );
  return Math.max(row.n, rows.n);
}

/** @param {House} house @returns {Promise<string>} one of those pushes, as a word about what it waits for */
export async function openExample({ query }) {
  const [row] = await query(
    `SELECT p.token, p.status, p.lease, round(extract(epoch FROM p.due_at - now())) AS due,
       round(extract(epoch FROM p.lease_until - now())) AS held, p.attempts,
       p.id <= q.dispatched_through AS dispatched, w.outstanding, w."window", w.paused_until, w.pause_reason, p.provider
     FROM push_notifications p
     JOIN operation_parts q USING (operation_id, provider)
     JOIN credential_windows w ON w.credential_id = p.credential_id
     WHERE p.status IN ('SCHEDULED', 'QUEUED') ORDER BY p.due_at LIMIT 1`,
  );
  return JSON.stringify(row);
}

/**
 * @param {House} house @param {ReturnType<typeof caller>} client
 * @param {Pick<Evidence, 'unresolved' | 'faults' | 'lostJobs'> & { wrong: string[] }} run
 * @returns {Promise<Evidence>}
 */
export async function collect(house, client, { unresolved, faults, wrong, lostJobs }) {
  const devices = await house.query('SELECT token FROM devices');
  const windows = await house.query('SELECT outstanding FROM credential_windows');
  return {
    accepted: client.accepted.map((request) => ({
      ...request,
      operationId: TypeID.fromString(request.operationId).toUUID(),
    })),
    unresolved,
    operations: /** @type {OperationRow[]} */ (
      await house.query(
        'SELECT id, total, unaddressable, scheduled, queued, sent, failed, canceled FROM operations',
      )
    ),
    pushes: /** @type {PushRow[]} */ (
      await house.query(
        `SELECT p.id, operation_id AS "operationId", token, provider, status, lease,
           coalesce(l.ends, '{}') AS "lostLeases", unknown_count AS "unknownCount",
           error_code AS "errorCode", attempts,
           (extract(epoch FROM settled_at) * 1000)::float8 AS "settledAtMs"
         FROM push_notifications p LEFT JOIN (
           SELECT push_id, array_agg((extract(epoch FROM lease_until) * 1000)::float8) AS ends
           FROM ${LOST_LEASES} GROUP BY push_id) l ON l.push_id = p.id`,
      )
    ),
    faults,
    registered: client.registered,
    stillRegistered: devices.map((/** @type {Json} */ row) => row.token),
    ...readLedger(readFileSync(ledgerFile(house.dir), 'utf8')),
    wrongCounters: [...client.wrongCounters, ...wrong],
    lostJobs,
    outstanding: windows.map((/** @type {Json} */ row) => row.outstanding),
  };
}

/**
 * How long the gateway went on after the last request that it accepted, by the instants that it wrote down itself: a
 * load ends some moment before its seconds are over, and whoever waits for its end looks now and then.
 * @param {Pick<Evidence, 'operations' | 'pushes'>} evidence
 * @returns {number | null} milliseconds, 0 when all was settled before; null: something never was
 */
export function settledAfterMs({ operations, pushes }) {
  const lastAtMs = operations.reduce((last, { id }) => Math.max(last, instantOf(id)), 0);
  let settledAtMs = lastAtMs;
  for (const push of pushes) {
    if (push.settledAtMs === null) return null;
    settledAtMs = Math.max(settledAtMs, push.settledAtMs);
  }
  return settledAtMs - lastAtMs;
}

/** A UUID of version 7 begins with its milliseconds. @param {string} id */
const instantOf = (id) => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);

/** @param {string} text of the simulator's ledger @returns {Pick<Evidence, 'arrivals' | 'refusals'>} what it answered */
export function readLedger(text) {
  /** @type {Pick<Evidence, 'arrivals' | 'refusals'>} */
  const read = { arrivals: [], refusals: [] };
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const { provider, token, id, at, status, accepted } = JSON.parse(line);
    if (accepted) read.arrivals.push({ provider, token, id, atMs: at, status });
    else if (status > 0) read.refusals.push({ provider, token, id, atMs: at, status });
  }
  return read;
}
