import { begun, type Uuid } from '@app/domain';
import type { Database } from './database.js';
import { LOCK_PARTS } from './locks.js';

/** Locked by somebody: its turn comes with the next look. So this waits for nobody. */
const LOCK_DUE = `
SELECT id, account_id, last_push_id FROM operations
WHERE scheduled > 0 AND scheduled_for <= now()
ORDER BY scheduled_for LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED`;

/** In the order of the ids, so that no cursor has passed them. */
const DUE_PUSHES = `
SELECT p.id FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS o (id, account_id, last_push_id)
CROSS JOIN LATERAL (
  SELECT id FROM push_notifications
  WHERE account_id = o.account_id AND operation_id = o.id AND id > o.id AND id <= o.last_push_id
    AND status = '${begun.from[0]}'
  ORDER BY id LIMIT $4
) p
LIMIT $4`;

const BEGIN = `
WITH begun AS (
  UPDATE push_notifications SET status = '${begun.to}', updated_at = now()
  WHERE id = ANY($1::uuid[]) AND status = '${begun.from[0]}' RETURNING operation_id, provider
), counted AS (
  UPDATE operations o SET scheduled = o.scheduled - d.rows, queued = o.queued + d.rows, updated_at = now()
  FROM (SELECT operation_id, count(*) AS rows FROM begun GROUP BY operation_id) d WHERE o.id = d.operation_id
), parts AS (
  UPDATE operation_parts q SET pending = true
  FROM (SELECT DISTINCT operation_id, provider FROM begun) d
  WHERE q.operation_id = d.operation_id AND q.provider = d.provider
)
SELECT count(*)::int AS rows FROM begun`;

/** Operations that one transaction may hold. */
const MAX_OPERATIONS = 100;

export class ScheduleRepository {
  constructor(private readonly db: Database) {}

  /**
   * Lets scheduled pushes begin whose time has come, in one transaction. Several workers may do so
   * at once.
   *
   * @param limit at most so many pushes.
   * @returns how many began; after 0 nothing is due.
   */
  async beginDue(limit: number): Promise<number> {
    return this.db.transaction(async (client) => {
      const due = await client.query<{ id: Uuid; account_id: Uuid; last_push_id: Uuid }>(LOCK_DUE, [
        MAX_OPERATIONS,
      ]);
      if (due.rows.length === 0) return 0;
      const pushes = await client.query<{ id: Uuid }>(DUE_PUSHES, [
        due.rows.map((row) => row.id),
        due.rows.map((row) => row.account_id),
        due.rows.map((row) => row.last_push_id),
        limit,
      ]);
      const ids = pushes.rows.map(({ id }) => id);
      await client.query(LOCK_PARTS, [due.rows.map((row) => row.id)]);
      const begun = await client.query<{ rows: number }>(BEGIN, [ids]);
      return begun.rows[0]?.rows ?? 0;
    });
  }
}
