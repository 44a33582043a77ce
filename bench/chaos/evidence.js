/** What is left behind by a run: rows, ledger, and the counters that the sweep had to repair meanwhile. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { TypeID } from 'typeid-js';
import { ledgerFile, LOST_LEASES } from './house.js';

/** @import { Json } from '../../scripts/types.js' */
/** @import { Arrival, Evidence, House, OperationRow, PushRow } from './types.js' */
/** @import { caller } from './caller.js' */

/** Metric of the workers, and the rules that say: a counter was wrong. */
const REPAIRS = /^fanfare_sweep_faults_total\{[^}]*rule="([\w-]*wrong[\w-]*)"[^}]*\} (\d+)$/gm;
const LOOK_MS = 500;

/**
 * Watches the metrics of the workers: a wrong counter that the sweep repairs is not seen at the end.
 * @param {Pick<House, 'workers'>} house
 */
export function watchRepairs({ workers }) {
  /** Highest count by process and rule: a process that died takes its count with it. @type {Map<string, number>} */
  const seen = new Map();
  let isOver = false;
  const look = async () => {
    for (const { running } of workers) {
      try {
        const answer = await fetch(`http://127.0.0.1:${running.ready.metricsPort}/metrics`, {
          signal: AbortSignal.timeout(LOOK_MS),
        });
        for (const [, rule, count] of (await answer.text()).matchAll(REPAIRS))
          seen.set(`${rule} (process ${running.pid})`, Number(count));
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
    /** @returns {Promise<string[]>} a sentence for each repair */
    async end() {
      isOver = true;
      await watching;
      await look();
      return [...seen].flatMap(([what, count]) =>
        new Array(count).fill(`the sweep repaired a counter: ${what}`),
      );
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
 * @param {Pick<Evidence, 'unresolved' | 'faults'> & { repairs: string[] }} run
 * @returns {Promise<Evidence>}
 */
export async function collect(house, client, { unresolved, faults, repairs }) {
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
           coalesce(l.n, 0)::int AS "lostLeases", unknown_count AS "unknownCount",
           error_code AS "errorCode", attempts,
           (extract(epoch FROM settled_at) * 1000)::float8 AS "settledAtMs"
         FROM push_notifications p LEFT JOIN (
           SELECT push_id, count(*) AS n FROM ${LOST_LEASES} GROUP BY push_id) l ON l.push_id = p.id`,
      )
    ),
    faults,
    registered: client.registered,
    stillRegistered: devices.map((/** @type {Json} */ row) => row.token),
    arrivals: readArrivals(readFileSync(ledgerFile(house.dir), 'utf8')),
    wrongCounters: [...client.wrongCounters, ...repairs],
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

/** @param {string} text of the simulator's ledger @returns {Arrival[]} what was accepted */
export function readArrivals(text) {
  return text.split('\n').flatMap((line) => {
    if (line === '') return [];
    const { provider, token, id, accepted } = JSON.parse(line);
    return accepted ? [{ provider, token, id }] : [];
  });
}
