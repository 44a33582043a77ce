import { randomInt } from 'node:crypto';
import {
  BLAMING_RESETS,
  type Attempt,
  type OperationSettings,
  type Pause,
  type ProviderKind,
  type Uuid,
} from '@app/domain';
import type { PoolClient } from 'pg';
import { changeWindows } from './credential-windows.js';
import { sqlState, type Database, type Statement } from './database.js';
import { jsonInstant, keptAttempts } from './kept-attempts.js';
import { LOCK_OPERATIONS, LOCK_PARTS } from './locks.js';
import { toOperationSettings, type OperationSettingsRow } from './operation-settings.js';

/** A push that this process holds the lease of, with all that deliver needs. */
export interface ClaimedPush {
  id: Uuid;
  accountId: Uuid;
  operationId: Uuid;
  provider: ProviderKind;
  credentialId: Uuid;
  token: string;
  variables: Record<string, string> | null;
  /** The fence: a settlement is valid for this claim only. */
  lease: number;
  /** The claim before ended without a settlement: what it did is unknown. */
  leaseLost: boolean;
  attemptCount: number;
  unknownCount: number;
  /** One of the kept attempts since its last redrive ended in a reset that blames this push. */
  wasBlamed: boolean;
  /** Of those that counted: its retry window begins there. */
  firstAttemptAt: Date | null;
  expiresAt: Date;
  /** Its credential is paused, and this push tries whether it works again. */
  probing: boolean;
  /** By the database's clock, cut to the millisecond: no attempt of this claim began earlier. */
  claimedAt: Date;
  /** How long it had been due when its lease was taken: since it was accepted, its time came, or its last try put it off. Milliseconds. */
  waitedMs: number;
  /** Its operation was canceled while the claim before was in flight, which ended without a word. */
  isCanceled: boolean;
}

/** Why a push was not claimed. */
export type NotClaimed =
  /** SENT, FAILED, CANCELED, gone, or its credential is paused: its job ends. */
  | { state: 'over' }
  /** Not due yet, or somebody else's lease is live: its job waits that long. */
  | { state: 'wait'; waitMs: number };

export type ClaimResult = { state: 'claimed'; push: ClaimedPush } | NotClaimed;

/** One push's next state, as `settle` decided it, for the lease that was claimed. */
export interface PushSettlement {
  id: Uuid;
  operationId: Uuid;
  lease: number;
  to: 'SENT' | 'FAILED' | 'QUEUED';
  /** For QUEUED: milliseconds from now until it is due again. */
  dueInMs: number;
  /** To be kept on the push, oldest first. */
  attempts: readonly Attempt[];
  /** Counted among `attempts`. */
  countedAttempts: number;
  unknownAttempts: number;
  errorCode: number | null;
  errorMessage: string | null;
  providerMessageId: string | null;
  /** When the job that claimed it was added to the queue; the first one is kept. */
  dispatchedAt: Date;
  credentialId: Uuid;
  /** What it heard concerns everything of its credential. */
  pause: (Pause & { version: number }) | null;
  /** What a probe says of its credential; null: it was none. */
  probe: 'works' | 'refused' | 'unclear' | null;
}

export interface Settled {
  /** Pushes that changed. */
  changed: ReadonlySet<Uuid>;
  /**
   * Pushes that were to come back, and are CANCELED with their operation instead; by an earlier commit of the same
   * batch too, whose answer was lost.
   */
  canceled: ReadonlySet<Uuid>;
  /** Credentials that are paused by a settlement of the batch: the jobs of theirs end. */
  paused: ReadonlySet<Uuid>;
}

interface ClaimRow {
  id: Uuid;
  account_id: Uuid;
  operation_id: Uuid;
  provider: ProviderKind;
  credential_id: Uuid;
  token: string;
  variables: Record<string, string> | null;
  lease: number;
  lease_lost: boolean;
  attempt_count: number;
  unknown_count: number;
  was_blamed: boolean;
  first_attempt_at: Date | null;
  expires_at: Date;
  probing: boolean;
  claimed_at: Date;
  waited_ms: number;
  is_canceled: boolean | null;
}

const IS_BLAMED = BLAMING_RESETS.map((reason) => `@.reason == "${reason}"`).join(' || ');

/** Both instants are the database's. A redrive forgives what was before. */
const WAS_BLAMED = `jsonb_path_exists(attempts, '$[*] ? (@.at >= $since && (${IS_BLAMED}))', jsonb_build_object('since',
    coalesce(${jsonInstant('redriven_at')}, '')))`;

/** Read once a statement, by an index that is empty when nothing is paused. */
const PAUSED = `ARRAY(SELECT credential_id FROM credential_windows WHERE paused_until IS NOT NULL)`;
const PROBES = `ARRAY(SELECT probe FROM credential_windows WHERE paused_until IS NOT NULL AND probe IS NOT NULL)`;

/** A lease that the caller itself took, by a claim of before whose answer never came: nothing was sent under it. */
const IS_OWN = `(lease_until IS NOT NULL AND claim = ($5::int[])[array_position($4::uuid[], id)])`;

// Touches columns that are in no index: a HOT update. Only a push with an unknown attempt has its
// attempts looked through. IS TRUE leaves the primary key as the only way to the rows: the index of what is QUEUED looks
// short to a planner that knows nothing of the table yet, and is as long as the backlog.
const CLAIM: Statement = {
  name: 'claim',
  text: `
UPDATE push_notifications
SET lease_lost = CASE WHEN ${IS_OWN} THEN lease_lost ELSE lease_until IS NOT NULL END,
  lease_until = now() + make_interval(secs => $2), lease = lease + 1,
  claim = coalesce(($5::int[])[array_position($4::uuid[], id)], $3::int)
WHERE id = ANY($1::uuid[])
  AND (status = 'QUEUED' AND due_at <= now() AND (lease_until IS NULL OR lease_until < now() OR ${IS_OWN})
    AND (credential_id <> ALL (${PAUSED}) OR id = ANY (${PROBES}))) IS TRUE
RETURNING id, account_id, operation_id, provider, credential_id, token, variables, lease, lease_lost,
  attempt_count, unknown_count, first_attempt_at, expires_at, now() AS claimed_at,
  (extract(epoch FROM clock_timestamp() - due_at) * 1000)::float8 AS waited_ms,
  (unknown_count > 0 AND ${WAS_BLAMED}) AS was_blamed,
  id = ANY (${PROBES}) AS probing,
  CASE WHEN lease_lost THEN (SELECT cancel_wanted FROM operations o WHERE o.id = operation_id) ELSE false END
    AS is_canceled`,
};

/** For pushes that were not claimed when the reason cannot be read. */
const UNKNOWN_WAIT_MS = 1_000;

const WHY_NOT = `
SELECT id, ceil(extract(epoch FROM greatest(due_at, lease_until) - now()) * 1000)::int AS wait_ms
FROM push_notifications WHERE id = ANY($1::uuid[])
  AND (status = 'QUEUED' AND (credential_id <> ALL (${PAUSED}) OR id = ANY (${PROBES}))) IS TRUE`;

/**
 * A batch of settlements with its counters. Fenced by lease and state, so that a batch that is
 * repeated after a lost COMMIT answer changes nothing; the counters follow from the rows that
 * really changed.
 *
 * ANY finds the partitions and rows by the primary key. `held` hides how few rows hold a lease from
 * the planner: expecting one row it joined by a nested loop, whose cost grows with the square of the
 * batch (500 settlements: 98 ms, with a merge join 9 ms).
 */
const SETTLE: Statement = {
  name: 'settle',
  text: `
WITH settled AS (
  UPDATE push_notifications p
  SET status = s.status,
    due_at = CASE WHEN s.status = 'QUEUED' THEN now() + make_interval(secs => s.due_in_ms / 1000.0) ELSE p.due_at END,
    lease_until = NULL,
    attempts = CASE WHEN s.tried IS NULL THEN p.attempts ELSE ${keptAttempts('p.attempts', 's.tried')} END,
    attempt_count = p.attempt_count + s.counted,
    unknown_count = p.unknown_count + s.unknown,
    first_attempt_at = CASE WHEN s.counted = 0 THEN p.first_attempt_at ELSE coalesce(p.first_attempt_at, now()) END,
    error_code = s.error_code, error_message = s.error_message,
    provider_message_id = s.provider_message_id,
    dispatched_at = coalesce(p.dispatched_at, s.dispatched_at),
    updated_at = now(),
    settled_at = CASE WHEN s.status = 'QUEUED' THEN NULL ELSE now() END
  FROM (
    SELECT *, attempts::jsonb AS tried, true AS held
    FROM unnest($1::uuid[], $2::int[], $3::push_status[], $4::float8[], $5::text[], $6::int[], $7::int[],
        $8::int[], $9::text[], $10::text[], $11::timestamptz[])
      AS u (id, lease, status, due_in_ms, attempts, counted, unknown, error_code, error_message, provider_message_id,
        dispatched_at)
    OFFSET 0
  ) s
  WHERE p.id = s.id AND p.id = ANY($1::uuid[]) AND p.lease = s.lease
    AND (p.lease_until IS NOT NULL AND p.status = 'QUEUED') = s.held
  RETURNING p.id, p.operation_id, p.provider, p.credential_id, p.status
), operation_deltas AS (
  SELECT operation_id, count(*) FILTER (WHERE status = 'SENT') AS sent,
    count(*) FILTER (WHERE status = 'FAILED') AS failed, count(*) FILTER (WHERE status = 'CANCELED') AS canceled,
    count(*) AS ended
  FROM settled WHERE status <> 'QUEUED' GROUP BY operation_id
), counted AS (
  UPDATE operations o
  SET queued = o.queued - d.ended, sent = o.sent + d.sent, failed = o.failed + d.failed,
    canceled = o.canceled + d.canceled, updated_at = now(),
    completed_at = CASE WHEN o.queued - d.ended + o.scheduled = 0 THEN now() ELSE o.completed_at END
  FROM operation_deltas d WHERE o.id = d.operation_id
)
SELECT s.id, s.operation_id, s.provider, s.credential_id, s.status,
  s.status <> 'QUEUED' AND NOT coalesce((
    SELECT s.id <= q.dispatched_through FROM operation_parts q
    WHERE q.operation_id = s.operation_id AND q.provider = s.provider), false) AS beyond
FROM settled s`,
};

/** Of what ended beyond its part's cursor: what still lies there, and so is not counted. */
const UNCOUNTED = `
SELECT e.id FROM unnest($1::uuid[], $2::uuid[], $3::provider_kind[]) AS e (id, operation_id, provider)
JOIN operation_parts q USING (operation_id, provider)
WHERE q.dispatched_through IS NULL OR e.id > q.dispatched_through`;

/** A number for one claim. That another one of the same push has it too is one chance in two thousand million. */
export const claimName = (): number => randomInt(1, 2 ** 31);

export class DeliveryRepository {
  constructor(private readonly db: Database) {}

  /**
   * Takes the leases of those of `ids` that are due and free, in one statement; what is not taken
   * is looked at once, batched.
   *
   * @param leaseMs how long the lease lives, by the database's clock.
   * @param name of this claim, see `claimName`.
   * @param unanswered pushes among `ids` that the caller has claimed before without an answer, with the
   *   name of that claim, which stays theirs. Was it committed, the lease is the caller's own and is taken again.
   * @returns one result for each id, in the order of `ids`.
   */
  async claim(
    ids: readonly Uuid[],
    leaseMs: number,
    name = claimName(),
    unanswered: ReadonlyMap<Uuid, number> = new Map(),
  ): Promise<ClaimResult[]> {
    const rows = await this.db.query<ClaimRow>(CLAIM, [
      ids,
      leaseMs / 1000,
      name,
      [...unanswered.keys()],
      [...unanswered.values()],
    ]);
    const results = new Map<Uuid, ClaimResult>(
      rows.map((row) => [row.id, { state: 'claimed', push: toClaimedPush(row) }]),
    );
    const missed = ids.filter((id) => !results.has(id));
    if (missed.length > 0) {
      for (const { id, wait_ms: waitMs } of await this.whyNot(missed)) {
        results.set(id, { state: 'wait', waitMs: Math.max(waitMs, 0) });
      }
    }
    // An id may stand here twice (its job was added again after the queue forgot it): one claim.
    const answered = new Set<Uuid>();
    return ids.map((id) => {
      if (answered.has(id)) return { state: 'wait', waitMs: leaseMs };
      answered.add(id);
      return results.get(id) ?? { state: 'over' };
    });
  }

  /** The claim has committed: not even a failure here may lose the leases that it took. */
  private async whyNot(ids: readonly Uuid[]): Promise<{ id: Uuid; wait_ms: number }[]> {
    try {
      return await this.db.query<{ id: Uuid; wait_ms: number }>(WHY_NOT, [ids]);
    } catch {
      return ids.map((id) => ({ id, wait_ms: UNKNOWN_WAIT_MS }));
    }
  }

  /**
   * Commits a batch of settlements with the counters of their operations, in one transaction. A
   * settlement whose claim is no longer valid changes nothing.
   *
   * @throws Unavailable when PostgreSQL cannot take it now: the caller repeats the same batch.
   * @throws Error of SQLSTATE class 22 or 23 when a row of the batch cannot be stored; see
   *   `isBadRow`.
   */
  async settle(batch: readonly PushSettlement[]): Promise<Settled> {
    const operationIds = [...new Set(batch.map(({ operationId }) => operationId))];
    const columns = [
      batch.map((s) => s.id),
      batch.map((s) => s.lease),
      batch.map((s) => s.to),
      batch.map((s) => s.dueInMs),
      batch.map((s) => (s.attempts.length === 0 ? null : JSON.stringify(s.attempts))),
      batch.map((s) => s.countedAttempts),
      batch.map((s) => s.unknownAttempts),
      batch.map((s) => s.errorCode),
      batch.map((s) => s.errorMessage),
      batch.map((s) => s.providerMessageId),
      batch.map((s) => s.dispatchedAt),
    ];
    return this.db.transaction(async (client) => {
      const locked = await client.query<LockedRow>({ ...LOCK_OPERATIONS, values: [operationIds] });
      const unwanted = new Set(locked.rows.filter((row) => row.cancel_wanted).map(({ id }) => id));
      // The caller took it back while it was in flight, and it is not handed over.
      const canceled = new Set(
        batch
          .filter(({ to, operationId }) => to === 'QUEUED' && unwanted.has(operationId))
          .map(({ id }) => id),
      );
      const statuses = batch.map(({ id, to }) => (canceled.has(id) ? 'CANCELED' : to));
      const { rows } = await client.query<SettledRow>({
        ...SETTLE,
        values: columns.with(2, statuses),
      });
      const over = rows.filter(({ status }) => status !== 'QUEUED');
      const uncounted = await uncountedAmong(client, over);
      const ended = new Map<Uuid, number>();
      for (const { id, credential_id: credentialId } of over) {
        if (!uncounted.has(id)) ended.set(credentialId, (ended.get(credentialId) ?? 0) - 1);
      }
      const changed = new Set(rows.map(({ id }) => id));
      const pauses = batch.flatMap(({ id, credentialId, pause, probe }) =>
        pause !== null && changed.has(id)
          ? [{ ...pause, credentialId, pushId: id, probing: probe !== null }]
          : [],
      );
      return { changed, canceled, paused: await changeWindows(client, ended, pauses) };
    });
  }

  /**
   * What all pushes of an operation have in common, to render them.
   *
   * @returns one for each id, in their order; null for one that is gone.
   */
  async settings(operationIds: readonly Uuid[]): Promise<(SharedSettings | null)[]> {
    const rows = await this.db.query<SettingsRow>(SETTINGS, [operationIds]);
    const found = new Map(rows.map((row) => [row.id, toSettings(row)]));
    return operationIds.map((id) => found.get(id) ?? null);
  }
}

interface LockedRow {
  id: Uuid;
  cancel_wanted: boolean;
}

export type SharedSettings = OperationSettings & { scheduledFor: Date | null };

interface SettingsRow extends OperationSettingsRow {
  id: Uuid;
  scheduled_for: Date | null;
}

const SETTINGS: Statement = {
  name: 'settings',
  text: `
SELECT id, content, priority, sound, ttl_seconds, collapse_key, badge, overrides, scheduled_for
FROM operations WHERE id = ANY($1::uuid[])`,
};

function toSettings(row: SettingsRow): SharedSettings {
  return { ...toOperationSettings(row), scheduledFor: row.scheduled_for };
}

interface SettledRow {
  id: Uuid;
  operation_id: Uuid;
  provider: ProviderKind;
  credential_id: Uuid;
  status: string;
  /** It ended, and its part's cursor had not passed it. */
  beyond: boolean;
}

/**
 * Pushes that dispatch has not counted: they were in flight when their cursor went back, or a turn that
 * failed had handed them over all the same (a queue that answered too late, a COMMIT that was lost). A turn
 * may pass them at this moment, so the parts are locked before they are looked at again; who is behind the
 * cursor is counted for sure, for it goes back only under the lock of the operation.
 */
async function uncountedAmong(
  client: PoolClient,
  ended: readonly SettledRow[],
): Promise<ReadonlySet<Uuid>> {
  const rows = ended.filter(({ beyond }) => beyond);
  if (rows.length === 0) return new Set();
  await client.query(LOCK_PARTS, [[...new Set(rows.map((row) => row.operation_id))]]);
  const uncounted = await client.query<{ id: Uuid }>(UNCOUNTED, [
    rows.map(({ id }) => id),
    rows.map((row) => row.operation_id),
    rows.map(({ provider }) => provider),
  ]);
  return new Set(uncounted.rows.map(({ id }) => id));
}

/** SQLSTATE class 22 (data) or 23 (constraint): the batch holds a row that can never be stored. */
export function isBadRow(error: unknown): boolean {
  return /^2[23]/.test(sqlState(error) ?? '');
}

function toClaimedPush(row: ClaimRow): ClaimedPush {
  return {
    id: row.id,
    accountId: row.account_id,
    operationId: row.operation_id,
    provider: row.provider,
    credentialId: row.credential_id,
    token: row.token,
    variables: row.variables,
    lease: row.lease,
    leaseLost: row.lease_lost,
    attemptCount: row.attempt_count,
    unknownCount: row.unknown_count,
    wasBlamed: row.was_blamed,
    firstAttemptAt: row.first_attempt_at,
    expiresAt: row.expires_at,
    probing: row.probing,
    claimedAt: row.claimed_at,
    waitedMs: row.waited_ms,
    isCanceled: row.is_canceled === true,
  };
}
