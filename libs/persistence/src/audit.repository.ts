import type { Uuid } from '@app/domain';
import type { Database } from './database.js';

export interface Audit {
  /** Where the next one goes on; null: at the beginning. */
  next: Uuid | null;
  /** Operations, or parts, that were wrong. */
  wrong: number;
  /** Of those, how many are right now. */
  mended: number;
}

/** Operations whose pushes are all there: retention drops no younger ones. */
const NEXT = `
SELECT id, total FROM operations
WHERE id > greatest($1::uuid, lowest_id_at(now() - make_interval(days => $2))) ORDER BY id LIMIT $3`;

const COUNTED = `
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE status = 'SCHEDULED') AS scheduled,
    count(*) FILTER (WHERE status = 'QUEUED') AS queued, count(*) FILTER (WHERE status = 'SENT') AS sent,
    count(*) FILTER (WHERE status = 'FAILED') AS failed,
    count(*) FILTER (WHERE status = 'CANCELED') AS canceled
  FROM push_notifications
  WHERE account_id = o.account_id AND operation_id = o.id AND id > o.id AND id <= o.last_push_id
) r
WHERE o.id = ANY($1::uuid[])
  AND ((o.scheduled, o.queued, o.sent, o.failed, o.canceled)
      IS DISTINCT FROM (r.scheduled, r.queued, r.sent, r.failed, r.canceled)
    OR (o.completed_at IS NULL) <> (r.scheduled + r.queued > 0))`;

const WRONG = `SELECT o.id FROM operations o ${COUNTED}`;

const LOCK = 'SELECT FROM operations WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE';

/** Only what adds up to the total: where rows are missing no counter can say so. */
const MEND = `
WITH actual AS (SELECT o.id, r.* FROM operations o ${COUNTED})
UPDATE operations o SET scheduled = a.scheduled, queued = a.queued, sent = a.sent, failed = a.failed,
  canceled = a.canceled, updated_at = now(),
  completed_at = CASE WHEN a.scheduled + a.queued = 0 THEN coalesce(o.completed_at, now()) END
FROM actual a WHERE o.id = a.id
  AND a.scheduled + a.queued + a.sent + a.failed + a.canceled + o.unaddressable = o.total
RETURNING o.id`;

/**
 * $1 after, $2 limit. A part says where its QUEUED pushes are: `pending` above its cursor, `open` at or
 * below it. One that does not say so is looked at by nobody. Said once too often it costs one look. LATERAL and ANY look
 * parts up: joined, all that there ever were may be read.
 */
const MEND_PARTS = `
WITH looked AS (
  SELECT id, last_push_id FROM operations
  WHERE status = 'PROCESSING' AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2
), lost AS (
  SELECT q.* FROM looked o CROSS JOIN LATERAL (
    SELECT operation_id, provider FROM operation_parts q
    WHERE operation_id = o.id AND ((NOT pending AND EXISTS (
        SELECT FROM push_notifications
        WHERE operation_id = o.id AND provider = q.provider AND status = 'QUEUED'
          AND id > coalesce(q.dispatched_through, o.id) AND id <= o.last_push_id))
      OR (NOT open AND EXISTS (
        SELECT FROM push_notifications
        WHERE operation_id = o.id AND provider = q.provider AND status = 'QUEUED'
          AND id > o.id AND id <= q.dispatched_through)))
    FOR UPDATE SKIP LOCKED
  ) q
), mended AS (
  UPDATE operation_parts SET pending = true, open = open OR dispatched_through IS NOT NULL
  WHERE operation_id = ANY(ARRAY(SELECT operation_id FROM lost))
    AND (operation_id, provider) IN (SELECT operation_id, provider FROM lost) RETURNING true
)
SELECT (SELECT count(*) FROM looked)::int AS looked, (SELECT id FROM looked ORDER BY id DESC LIMIT 1) AS last,
  (SELECT count(*) FROM mended)::int AS mended`;

const BEFORE_ALL: Uuid = '00000000-0000-0000-0000-000000000000';

/** Looks whether what is counted and what is noted agrees with the rows, a few operations at a time. */
export class AuditRepository {
  constructor(private readonly db: Database) {}

  /**
   * Counters of operations against their pushes. Both change in the same transactions, so in one
   * snapshot any difference is a fault.
   *
   * @param after the `next` of the audit before.
   * @param limit operations, and pushes that are counted (of one operation at least).
   */
  async counters(
    after: Uuid | null,
    retentionDays: number,
    limit: { operations: number; pushes: number },
  ): Promise<Audit> {
    const rows = await this.db.query<{ id: Uuid; total: number }>(NEXT, [
      after ?? BEFORE_ALL,
      retentionDays,
      limit.operations,
    ]);
    const ids: Uuid[] = [];
    let pushes = 0;
    for (const { id, total } of rows) {
      if (ids.length > 0 && pushes + total > limit.pushes) break;
      ids.push(id);
      pushes += total;
    }
    const next = ids.length < limit.operations && ids.length === rows.length ? null : ids.at(-1);
    const wrong = await this.db.query<{ id: Uuid }>(WRONG, [ids]);
    const mended = wrong.length === 0 ? 0 : await this.mend(wrong.map(({ id }) => id));
    return { next: next ?? null, wrong: wrong.length, mended };
  }

  /**
   * Marks of parts against their pushes: a part that lost its cursor or its marks is dispatched again.
   *
   * @param after the `next` of the audit before.
   */
  async parts(after: Uuid | null, operations: number): Promise<Audit> {
    const [row] = await this.db.query<{ looked: number; last: Uuid | null; mended: number }>(
      MEND_PARTS,
      [after, operations],
    );
    const { looked = 0, last = null, mended = 0 } = row ?? {};
    return { next: looked < operations ? null : last, wrong: mended, mended };
  }

  /** Counts again under the operations' locks: what moved meanwhile is no fault. */
  private async mend(ids: readonly Uuid[]): Promise<number> {
    return this.db.transaction(async (client) => {
      await client.query(LOCK, [ids]);
      const { rows } = await client.query(MEND, [ids]);
      return rows.length;
    });
  }
}
