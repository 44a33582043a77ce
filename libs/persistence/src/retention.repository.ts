import type { Uuid } from '@app/domain';
import type { Database } from './database.js';

/**
 * $1 examine above this id, $2 days, $3 at most so many. An operation's pushes lie between its own id and
 * its last push's, so that looking for one of them is a look into the index of one or two partitions,
 * and none where those are gone; LIMIT keeps the planner from hashing all pushes instead.
 * A redrive may have come between, so the state is looked at again under the lock; who waits for it finds
 * nothing. Locked by somebody: its turn comes with the next round.
 */
const FORGET = `
WITH examined AS MATERIALIZED (
  SELECT o.id, o.account_id, o.last_push_id, o.completed_at FROM operations o
  WHERE o.id > $1 AND o.id < lowest_id_at(now() - make_interval(days => $2)) ORDER BY o.id LIMIT $3
), ended AS MATERIALIZED (
  SELECT e.id FROM examined e LEFT JOIN LATERAL (
    SELECT true AS found FROM push_notifications p
    WHERE p.account_id = e.account_id AND p.id > e.id AND p.id <= e.last_push_id AND p.operation_id = e.id LIMIT 1
  ) kept ON true
  WHERE e.completed_at < now() - make_interval(days => $2) AND kept.found IS NULL
), locked AS MATERIALIZED (
  SELECT o.id FROM operations o JOIN ended USING (id)
  WHERE o.completed_at < now() - make_interval(days => $2) ORDER BY o.id FOR UPDATE OF o SKIP LOCKED
), parts AS (
  DELETE FROM operation_parts WHERE operation_id IN (SELECT id FROM locked)
), gone AS (
  DELETE FROM operations WHERE id IN (SELECT id FROM locked) RETURNING id
)
SELECT (SELECT count(*) FROM gone)::int AS gone,
  (SELECT count(*) FROM examined) < $3 AS "isLast",
  (SELECT id FROM examined ORDER BY id DESC LIMIT 1) AS last`;

export interface Forgotten {
  /** How many operations were removed. */
  gone: number;
  /** Where the next call goes on; null when all were looked at. */
  next: Uuid | null;
}

/** Whoever comes first after `$1` milliseconds takes the round; the others see its mark. */
const TAKE_ROUND = `
INSERT INTO sweep_state AS s (name, value) VALUES ('retention-round', now()::text)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
WHERE s.value::timestamptz < now() - make_interval(secs => $1 / 1000.0)
RETURNING true AS mine`;

/** Operations go after their last push, with their parts. */
export class RetentionRepository {
  constructor(private readonly db: Database) {}

  /** @returns whether no other worker has begun a round within `everyMs`, and none will now. */
  async takeRound(everyMs: number): Promise<boolean> {
    const [row] = await this.db.query<{ mine: boolean }>(TAKE_ROUND, [everyMs]);
    return row?.mine === true;
  }

  /**
   * Looks at the next ≤ `limit` operations made more than `retentionDays` ago, in the order of their
   * ids, and removes those that ended so long ago and have no push any more.
   *
   * @param after where the call before stopped.
   */
  async forgetOperations(
    retentionDays: number,
    after: Uuid | null,
    limit: number,
  ): Promise<Forgotten> {
    const [row] = await this.db.query<{ gone: number; isLast: boolean; last: Uuid | null }>(
      FORGET,
      [after ?? '00000000-0000-0000-0000-000000000000', retentionDays, limit],
    );
    if (row === undefined) return { gone: 0, next: null };
    return { gone: row.gone, next: row.isLast ? null : row.last };
  }
}
