import { expired, FAILURES, type Attempt, type ProviderKind, type Uuid } from '@app/domain';
import { changeWindows } from './credential-windows.js';
import type { Database } from './database.js';
import { DISPATCHED_AT } from './dispatched-at.js';
import { jsonInstant, keptAttempts } from './kept-attempts.js';
import type { CommandRow } from './locks.js';

export interface ExpireOptions {
  /** Our own retries end so long after the first attempt, waiting included. */
  retryWindowMs: number;
  /** How long a claim holds a push. */
  leaseMs: number;
  /** Operations that one look goes through. */
  operations: number;
  /** Pushes that it reads of those whose time may be over, and that it ends at most. */
  pushes: number;
}

export interface Expiry {
  /** Where the next look goes on; null: at the beginning. */
  next: Uuid | null;
  /** Pushes that ended. */
  expired: number;
}

/**
 * Unfinished operations in the order of their ids, and whether a push of theirs may be over: a redrive
 * only makes one live longer. What was looked through without a find rests until something may be over. $1 after,
 * $2 limit, $3 retry window in seconds. What tells instants from ids costs more than reading a row: it is asked once
 * a time to live.
 */
const LOOK = `
WITH looked AS MATERIALIZED (
  SELECT id, queued, ttl_seconds, scheduled_for, nothing_over_until FROM operations
  WHERE status = 'PROCESSING' AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2
), lives AS MATERIALIZED (
  SELECT ttl_seconds, lowest_id_at(now() - make_interval(secs => ttl_seconds)) AS over FROM looked
  GROUP BY ttl_seconds
)
SELECT id, queued, coalesce(nothing_over_until <= now(), true)
  AND ((ttl_seconds > 0 AND id < over
      AND (scheduled_for IS NULL OR scheduled_for <= now() - make_interval(secs => ttl_seconds)))
    OR id < (SELECT lowest_id_at(now() - make_interval(secs => $3)))) AS due
FROM looked JOIN lives USING (ttl_seconds) ORDER BY id`;

/**
 * When a push is over, of $n seconds retry window. One of ttlSeconds 0 waits that long for its one attempt, from the
 * instant at which it was wanted.
 */
const overAt = (window: string) => `least(first_attempt_at + make_interval(secs => ${window}),
  expires_at + make_interval(secs => CASE WHEN o.ttl_seconds = 0 THEN ${window} ELSE 0 END))`;

const isOver = (window: string) => `
  status = 'QUEUED' AND (lease_until IS NULL OR lease_until < clock_timestamp()) AND ${overAt(window)} <= now()`;

/** Those that really have something that is over: the others need no lock. */
const FIND = `
SELECT o.id FROM operations o
WHERE o.id = ANY($1::uuid[]) AND EXISTS (
  SELECT FROM push_notifications
  WHERE operation_id = o.id AND id > o.id AND id <= o.last_push_id AND ${isOver('$2')})`;

/**
 * Until when nothing of them is over, all of their pushes read without a lock: what is tried first after this look is over a
 * window later. An hour at most, since the window may be configured anew. One in somebody's hand is not ended before
 * its lease.
 */
const UNTIL = `
SELECT o.id, o.nothing_over_until AS seen, least(now() + least(make_interval(secs => $2), interval '1 hour'), (
  SELECT min(greatest(${overAt('$2')}, lease_until)) FROM push_notifications
  WHERE operation_id = o.id AND id > o.id AND id <= o.last_push_id AND status = 'QUEUED')) AS until
FROM operations o WHERE id = ANY($1::uuid[])`;

/**
 * Keeps it, unless other pushes of theirs were queued meanwhile: redrive and begin write their own instant. (Those of a version
 * before this rule do not: what they queue is looked at within the hour.)
 */
const NOTE = `
UPDATE operations o SET nothing_over_until = u.until
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS u (id, seen, until)
WHERE o.id = u.id AND o.id = ANY($1::uuid[]) AND o.nothing_over_until IS NOT DISTINCT FROM u.seen`;

const LOCK_OPERATIONS = `
SELECT id FROM operations WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED`;

const LOCK_PARTS = `
SELECT operation_id, provider FROM operation_parts WHERE operation_id = ANY($1::uuid[])
ORDER BY credential_id, operation_id FOR UPDATE SKIP LOCKED`;

/** What is being claimed is in flight and passed by. */
const LOCK_PUSHES = `
SELECT p.id, p.late FROM unnest($1::uuid[], $2::provider_kind[]) AS q (operation_id, provider)
JOIN operations o ON o.id = q.operation_id
CROSS JOIN LATERAL (
  SELECT id, NOT (o.ttl_seconds > 0 AND expires_at <= now()) AS late FROM push_notifications
  WHERE operation_id = q.operation_id AND provider = q.provider AND id > o.id AND id <= o.last_push_id
    AND ${isOver('$3')}
  ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED
) p
LIMIT $4`;

/** As a worker that claims such a push keeps it. */
const LOST_LEASE: Omit<Attempt, 'at'> = {
  outcome: 'unknown',
  reason: 'lease-lost',
  latencyMs: 0,
  counted: true,
};

/** By the database's clock, which gave the lease. */
const CLAIMED_AT = jsonInstant('least(p.lease_until - make_interval(secs => $8), now())');

const DATED_LOST_LEASE = `jsonb_build_array($7::jsonb || jsonb_build_object('at', ${CLAIMED_AT}))`;

/**
 * $1 ids, $2 whether its retry window closed before it expired, $3 code and $4 words for expired, $5
 * and $6 for late, $7 the attempt that a lease which ran out stands for, $8 how many seconds a lease is long: it was
 * tried when it was claimed.
 */
const EXPIRE = `
WITH ended AS (
  UPDATE push_notifications p
  SET status = '${expired.to}', settled_at = now(), updated_at = now(), lease_until = NULL,
    error_code = CASE WHEN t.late THEN $5::int ELSE $3::int END,
    error_message = CASE WHEN t.late THEN $6 ELSE $4 END,
    attempts = CASE WHEN p.lease_until IS NULL THEN p.attempts
      ELSE ${keptAttempts('p.attempts', DATED_LOST_LEASE)} END,
    attempt_count = p.attempt_count + (p.lease_until IS NOT NULL)::int,
    unknown_count = p.unknown_count + (p.lease_until IS NOT NULL)::int,
    dispatched_at = ${DISPATCHED_AT}
  FROM unnest($1::uuid[], $2::boolean[]) AS t (id, late)
  WHERE p.id = t.id AND p.id = ANY($1::uuid[]) AND p.status = '${expired.from[0]}'
  RETURNING p.id, p.operation_id, p.provider
), counted AS (
  UPDATE operations o SET queued = o.queued - d.rows, failed = o.failed + d.rows, updated_at = now(),
    completed_at = CASE WHEN o.scheduled + o.queued = d.rows THEN now() ELSE o.completed_at END
  FROM (SELECT operation_id, count(*) AS rows FROM ended GROUP BY operation_id) d
  WHERE o.id = d.operation_id
), freed AS (
  SELECT q.credential_id, count(*) AS rows
  FROM ended e JOIN operation_parts q ON q.operation_id = e.operation_id AND q.provider = e.provider
    AND e.id <= q.dispatched_through
  GROUP BY q.credential_id
)
SELECT (SELECT count(*) FROM ended)::int AS rows,
  (SELECT jsonb_object_agg(credential_id, -rows) FROM freed) AS windows`;

/**
 * Ends pushes whose time is over while nobody runs their job: behind a pause, or with a queue that is
 * away. SCHEDULED ones are not among them: their life begins when they are due, and then they are
 * QUEUED at once.
 */
export class ExpireRepository {
  constructor(private readonly db: Database) {}

  /**
   * One look, and the end of what it finds, in one transaction that waits for nobody: what somebody
   * else has locked is left for the next round.
   *
   * @param after the `next` of the look before.
   */
  async expire(after: Uuid | null, options: ExpireOptions): Promise<Expiry> {
    const windowSeconds = options.retryWindowMs / 1_000;
    const looked = await this.db.query<{ id: Uuid; queued: number; due: boolean }>(LOOK, [
      after,
      options.operations,
      windowSeconds,
    ]);
    const due: Uuid[] = [];
    let queued = 0;
    let next = looked.length < options.operations ? null : (looked.at(-1)?.id ?? null);
    for (const [at, row] of looked.entries()) {
      if (!row.due) continue;
      if (due.length > 0 && queued + row.queued > options.pushes) {
        next = looked[at - 1]?.id ?? null;
        break;
      }
      due.push(row.id);
      queued += row.queued;
    }
    if (due.length === 0) return { next, expired: 0 };
    const found = await this.db.query<{ id: Uuid }>(FIND, [due, windowSeconds]);
    const ids = new Set(found.map(({ id }) => id));
    const others = due.filter((id) => !ids.has(id));
    if (others.length > 0) await this.note(others, windowSeconds);
    if (found.length === 0) return { next, expired: 0 };
    const ended = await this.end([...ids], options);
    return { next: ended < options.pushes ? next : after, expired: ended };
  }

  private async note(ids: readonly Uuid[], windowSeconds: number): Promise<void> {
    const rows = await this.db.query<{ id: Uuid; seen: Date | null; until: Date }>(UNTIL, [
      ids,
      windowSeconds,
    ]);
    await this.db.transaction(async (client) => {
      const locked = await client.query<{ id: Uuid }>(LOCK_OPERATIONS, [ids]);
      const free = new Set(locked.rows.map(({ id }) => id));
      const noted = rows.filter(({ id }) => free.has(id));
      await client.query(NOTE, [
        noted.map(({ id }) => id),
        noted.map(({ seen }) => seen),
        noted.map(({ until }) => until),
      ]);
    });
  }

  private async end(ids: Uuid[], options: ExpireOptions): Promise<number> {
    return this.db.transaction(async (client) => {
      const operations = await client.query<{ id: Uuid }>(LOCK_OPERATIONS, [ids]);
      const parts = await client.query<{ operation_id: Uuid; provider: ProviderKind }>(LOCK_PARTS, [
        operations.rows.map(({ id }) => id),
      ]);
      const pushes = await client.query<{ id: Uuid; late: boolean }>(LOCK_PUSHES, [
        parts.rows.map((part) => part.operation_id),
        parts.rows.map(({ provider }) => provider),
        options.retryWindowMs / 1_000,
        options.pushes,
      ]);
      if (pushes.rows.length === 0) return 0;
      const { EXPIRED, RETRIES_EXHAUSTED } = FAILURES;
      const { rows } = await client.query<CommandRow>(EXPIRE, [
        pushes.rows.map(({ id }) => id),
        pushes.rows.map(({ late }) => late),
        EXPIRED.code,
        EXPIRED.sentence,
        RETRIES_EXHAUSTED.code,
        RETRIES_EXHAUSTED.sentence,
        JSON.stringify(LOST_LEASE),
        options.leaseMs / 1_000,
      ]);
      const { rows: ended = 0, windows = null } = rows[0] ?? {};
      await changeWindows(client, new Map(Object.entries(windows ?? {})));
      return ended;
    });
  }
}
