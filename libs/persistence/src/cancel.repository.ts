import { canceled, Conflict, type Uuid } from '@app/domain';
import { changeWindows } from './credential-windows.js';
import type { Database } from './database.js';
import { DISPATCHED_AT } from './dispatched-at.js';
import { lockOperation, type CommandRow } from './locks.js';
import type { CommandTarget } from './ports.js';

/**
 * $1 account, $2 operation, $3 its last push, $4 one push or null. A row that somebody else has
 * locked is being claimed: in flight, so passed by. One whose lease ran out may have arrived all the same:
 * `lease_lost` keeps that. What is in flight and comes back without an end is canceled by its settlement, once
 * all of the operation is (`cancel_wanted`). `freed` is what dispatch had counted.
 */
const CANCEL = `
WITH target AS MATERIALIZED (
  SELECT id, status FROM push_notifications
  WHERE account_id = $1 AND operation_id = $2 AND id > $2 AND id <= $3 AND ($4::uuid IS NULL OR id = $4)
    AND status IN ('${canceled.from.join("', '")}')
    AND (lease_until IS NULL OR lease_until < clock_timestamp())
  ORDER BY id FOR UPDATE SKIP LOCKED
), canceled AS (
  UPDATE push_notifications p
  SET status = '${canceled.to}', settled_at = now(), updated_at = now(), lease_until = NULL,
    lease_lost = (p.lease_until IS NOT NULL), dispatched_at = ${DISPATCHED_AT}
  FROM target t WHERE p.id = t.id AND p.id > $2 AND p.id <= $3 AND ($4::uuid IS NULL OR p.id = $4)
  RETURNING p.id, p.provider, t.status AS was
), counted AS (
  UPDATE operations o
  SET scheduled = o.scheduled - d.scheduled, queued = o.queued - d.queued,
    canceled = o.canceled + d.scheduled + d.queued, updated_at = now(),
    cancel_wanted = o.cancel_wanted OR $4::uuid IS NULL,
    completed_at = CASE WHEN o.scheduled + o.queued = d.scheduled + d.queued THEN now() ELSE o.completed_at END
  FROM (
    SELECT count(*) FILTER (WHERE was = 'SCHEDULED') AS scheduled, count(*) FILTER (WHERE was = 'QUEUED') AS queued
    FROM canceled
  ) d
  WHERE o.id = $2
), freed AS (
  SELECT q.credential_id, count(*) AS rows
  FROM canceled c JOIN operation_parts q
    ON q.operation_id = $2 AND q.provider = c.provider AND c.id <= q.dispatched_through
  WHERE c.was = 'QUEUED' GROUP BY q.credential_id
)
SELECT (SELECT count(*) FROM canceled)::int AS rows,
  (SELECT jsonb_object_agg(credential_id, -rows) FROM freed) AS windows`;

export class CancelRepository {
  constructor(private readonly db: Database) {}

  /**
   * Cancels what is not sent yet and not being sent right now, with the counters, in one
   * transaction.
   *
   * @returns how many pushes were canceled.
   * @throws NotFound; Conflict when nothing is left to cancel; Unavailable.
   */
  async cancel(accountId: Uuid, target: CommandTarget): Promise<number> {
    return this.db.transaction(async (client) => {
      const { id, lastPushId } = await lockOperation(client, accountId, target);
      const { rows } = await client.query<CommandRow>(CANCEL, [
        accountId,
        id,
        lastPushId,
        'pushId' in target ? target.pushId : null,
      ]);
      const { rows: count = 0, windows = null } = rows[0] ?? {};
      if (count === 0) {
        throw new Conflict('Nothing is left to cancel: it is over or being sent right now.');
      }
      await changeWindows(client, new Map(Object.entries(windows ?? {})));
      return count;
    });
  }
}
