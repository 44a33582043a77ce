import { Conflict, redriven, type Uuid } from '@app/domain';
import { changeWindows } from './credential-windows.js';
import type { Database } from './database.js';
import { takeKey } from './idempotency.js';
import { lockOperation, type CommandRow } from './locks.js';
import type { CommandTarget, Done, Once } from './ports.js';

/**
 * $1 account, $2 operation, $3 its last push, $4 one push or null. The cursors go back to below the
 * lowest of the rows, and `uncounted` is what dispatch had counted above that; all of it is read from
 * before the rows change, since a statement sees one snapshot.
 */
const REDRIVE = `
WITH target AS MATERIALIZED (
  SELECT id, provider FROM push_notifications
  WHERE account_id = $1 AND error_code IS NOT NULL AND operation_id = $2 AND status = '${redriven.from[0]}'
    AND id > $2 AND id <= $3 AND ($4::uuid IS NULL OR id = $4)
), lowest AS (
  SELECT DISTINCT ON (provider) provider, id FROM target ORDER BY provider, id
), uncounted AS (
  SELECT q.credential_id, count(*) AS rows
  FROM lowest l JOIN operation_parts q ON q.operation_id = $2 AND q.provider = l.provider
  JOIN push_notifications p ON p.operation_id = $2 AND p.provider = l.provider AND p.status = 'QUEUED'
    AND p.id > l.id AND p.id <= q.dispatched_through AND p.id > $2 AND p.id <= $3
  GROUP BY q.credential_id
), rewound AS (
  UPDATE operation_parts q
  SET pending = true,
    dispatched_through = CASE WHEN q.dispatched_through >= l.id THEN (
      SELECT p.id FROM push_notifications p
      WHERE p.account_id = $1 AND p.operation_id = $2 AND p.id > $2 AND p.id < l.id AND p.id <= $3
      ORDER BY p.id DESC LIMIT 1
    ) ELSE q.dispatched_through END
  FROM lowest l WHERE q.operation_id = $2 AND q.provider = l.provider
), redriven AS (
  UPDATE push_notifications p
  SET status = '${redriven.to}', due_at = now(), attempt_count = 0, unknown_count = 0, first_attempt_at = NULL,
    lease_until = NULL, lease_lost = false, error_code = NULL, error_message = NULL, settled_at = NULL,
    redriven_at = now(),
    expires_at = now() + make_interval(secs => (SELECT ttl_seconds FROM operations WHERE id = $2)),
    updated_at = now()
  FROM target t WHERE p.id = t.id AND p.id > $2 AND p.id <= $3 AND ($4::uuid IS NULL OR p.id = $4)
  RETURNING p.id
), counted AS (
  UPDATE operations o
  SET failed = o.failed - d.rows, queued = o.queued + d.rows, cancel_wanted = false, nothing_over_until = clock_timestamp(),
    updated_at = now(),
    completed_at = CASE WHEN d.rows > 0 THEN NULL ELSE o.completed_at END
  FROM (SELECT count(*) AS rows FROM redriven) d WHERE o.id = $2
)
SELECT (SELECT count(*) FROM redriven)::int AS rows,
  (SELECT jsonb_object_agg(credential_id, -rows) FROM uncounted) AS windows`;

export class RedriveRepository {
  constructor(private readonly db: Database) {}

  /**
   * Has what FAILED sent again, as the same rows, in one transaction with the counters.
   *
   * @param once makes repetitions of the request harmless.
   * @throws NotFound; Conflict when nothing is FAILED; KeyReused; Unavailable.
   */
  async redrive(accountId: Uuid, target: CommandTarget, once?: Once): Promise<Done> {
    const id = 'pushId' in target ? target.pushId : target.operationId;
    return this.db.transaction(async (client) => {
      const done = once === undefined ? null : await takeKey(client, accountId, once, id);
      if (done !== null) return done;
      const operation = await lockOperation(client, accountId, target);
      const { rows } = await client.query<CommandRow>(REDRIVE, [
        accountId,
        operation.id,
        operation.lastPushId,
        'pushId' in target ? id : null,
      ]);
      const { rows: count = 0, windows = null } = rows[0] ?? {};
      if (count === 0) throw new Conflict('Nothing of it has failed.');
      await changeWindows(client, new Map(Object.entries(windows ?? {})));
      return { id, replayed: false };
    });
  }
}
