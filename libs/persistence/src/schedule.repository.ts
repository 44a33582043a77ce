import { begun, type Uuid } from '@app/domain';
import { SMALL_LANE_LIMIT } from './accept-statement.js';
import type { Database } from './database.js';
import { DISPATCH_LANES, type DispatchLane } from './dispatch.repository.js';
import { LOCK_PARTS } from './locks.js';

/**
 * Looked at for whose turn it is. Where more are due, all accounts that have something scheduled are gone through, whatever
 * its time.
 */
const DUE_LOOKED_AT = 1_000;

/** What of it was scheduled has not begun as a whole, though its counter may say so. */
const NOT_DONE = `(begun_through IS NULL OR begun_through < last_push_id)`;

/** As a lane has it. */
const IS_SMALL = `total - unaddressable <= ${SMALL_LANE_LIMIT}`;

/** Asked by every worker once a second; mostly nothing is due. */
const DUE = `
SELECT account_id, ${IS_SMALL} AS small FROM operations
WHERE scheduled > 0 AND scheduled_for <= now() AND ${NOT_DONE} ORDER BY scheduled_for LIMIT ${DUE_LOOKED_AT}`;

/** Each has an index of its own, of which this is the condition. */
const WAITS: Record<DispatchLane, string> = {
  small: `scheduled > 0 AND ${IS_SMALL}`,
  bulk: `scheduled > 0 AND total - unaddressable > ${SMALL_LANE_LIMIT}`,
};

/**
 * Accounts of which something is due, found by a loose index scan: the cost follows the number of accounts that have
 * something scheduled, not that of their operations. Where they are more than $1, chance decides: nobody is passed by for
 * long, and several workers seldom choose the same ones.
 */
const dueAccounts = (lane: DispatchLane) => `
WITH RECURSIVE heads AS (
  (SELECT account_id, scheduled_for FROM operations WHERE ${WAITS[lane]}
   ORDER BY account_id, scheduled_for LIMIT 1)
  UNION ALL
  (SELECT next.account_id, next.scheduled_for FROM heads CROSS JOIN LATERAL (
     SELECT account_id, scheduled_for FROM operations WHERE ${WAITS[lane]} AND account_id > heads.account_id
     ORDER BY account_id, scheduled_for LIMIT 1) next)
)
SELECT account_id FROM heads WHERE scheduled_for <= now() ORDER BY random() LIMIT $1`;

/**
 * Of each account ($1) the $2 that are due for longest. Locked by somebody: the next one has its turn. So this
 * waits for nobody.
 */
const lockDue = (lane: DispatchLane) => `
SELECT o.* FROM unnest($1::uuid[]) AS a (account_id) CROSS JOIN LATERAL (
  SELECT id, account_id, scheduled, coalesce(begun_through, id) AS begun_through, last_push_id FROM operations
  WHERE ${WAITS[lane]} AND account_id = a.account_id AND scheduled_for <= now() AND ${NOT_DONE}
  ORDER BY scheduled_for LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
) o`;

/** In the order of the ids, so that no cursor has passed them. */
const DUE_PUSHES = `
SELECT p.id, o.id AS operation_id FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::int[])
  AS o (id, account_id, begun_through, last_push_id, most)
CROSS JOIN LATERAL (
  SELECT id FROM push_notifications
  WHERE account_id = o.account_id AND operation_id = o.id AND id > o.begun_through AND id <= o.last_push_id
    AND status = '${begun.from[0]}'
  ORDER BY id LIMIT o.most
) p`;

const BEGIN = `
WITH begun AS (
  UPDATE push_notifications SET status = '${begun.to}', updated_at = now()
  WHERE id = ANY($1::uuid[]) AND status = '${begun.from[0]}' RETURNING id, operation_id, provider
), counted AS (
  UPDATE operations o SET scheduled = o.scheduled - d.rows, queued = o.queued + d.rows, begun_through = d.through,
    nothing_over_until = clock_timestamp(), updated_at = now()
  FROM (
    SELECT operation_id, count(*) AS rows, (array_agg(id ORDER BY id DESC))[1] AS through FROM begun
    GROUP BY operation_id
  ) d
  WHERE o.id = d.operation_id
), parts AS (
  UPDATE operation_parts q SET pending = true
  FROM (SELECT DISTINCT operation_id, provider FROM begun) d
  WHERE q.operation_id = d.operation_id AND q.provider = d.provider
)
SELECT count(*)::int AS rows FROM begun`;

/** A counter that says more than there is keeps nothing behind it from its turn. */
const PASS_BY = `UPDATE operations SET begun_through = last_push_id WHERE id = ANY($1::uuid[])`;

/** Accounts whose turn it is in one transaction. */
const MAX_ACCOUNTS: Record<DispatchLane, number> = { small: 100, bulk: 10 };

/** Operations of an account that a turn holds. One large one uses up a turn by itself: the next is left to other workers. */
const operationsOf = (lane: DispatchLane, accounts: number) =>
  lane === 'bulk' ? 1 : Math.floor(MAX_ACCOUNTS[lane] / accounts);

interface DueRow {
  id: Uuid;
  account_id: Uuid;
  scheduled: number;
  begun_through: Uuid;
  last_push_id: Uuid;
}

export class ScheduleRepository {
  constructor(private readonly db: Database) {}

  /**
   * Lets scheduled pushes begin whose time has come: a chunk of small operations, then one of large ones, a
   * transaction each. In both an account gets as much as any other. Several workers may do so at once.
   *
   * @param limit at most so many pushes a transaction.
   * @param onBegun some began, and are committed.
   * @returns how many began; after 0 nothing is due, or others are at it.
   */
  async beginDue(limit: number, onBegun: () => void = () => undefined): Promise<number> {
    const due = await this.db.query<{ account_id: Uuid; small: boolean }>(DUE);
    if (due.length === 0) return 0;
    let rows = 0;
    for (const lane of DISPATCH_LANES) {
      const started = await this.begin(lane, await this.whoseTurn(lane, due, limit), limit);
      if (started > 0) onBegun();
      rows += started;
    }
    return rows;
  }

  private async whoseTurn(
    lane: DispatchLane,
    due: readonly { account_id: Uuid; small: boolean }[],
    limit: number,
  ): Promise<Uuid[]> {
    const most = Math.min(MAX_ACCOUNTS[lane], limit);
    const all = new Set(
      due.filter(({ small }) => small === (lane === 'small')).map((row) => row.account_id),
    );
    if (due.length < DUE_LOOKED_AT && all.size <= most) return [...all];
    const rows = await this.db.query<{ account_id: Uuid }>(dueAccounts(lane), [most]);
    return rows.map((row) => row.account_id);
  }

  private async begin(
    lane: DispatchLane,
    accounts: readonly Uuid[],
    limit: number,
  ): Promise<number> {
    if (accounts.length === 0) return 0;
    return this.db.transaction(async (client) => {
      const { rows: locked } = await client.query<DueRow>(lockDue(lane), [
        accounts,
        operationsOf(lane, accounts.length),
      ]);
      const turns = shared(locked, Math.floor(limit / accounts.length));
      if (turns.length === 0) return 0;
      const pushes = await client.query<{ id: Uuid; operation_id: Uuid }>(DUE_PUSHES, [
        turns.map((turn) => turn.id),
        turns.map((turn) => turn.account_id),
        turns.map((turn) => turn.begun_through),
        turns.map((turn) => turn.last_push_id),
        turns.map((turn) => turn.most),
      ]);
      const begun = new Set(pushes.rows.map((row) => row.operation_id));
      const empty = turns.filter(({ id }) => !begun.has(id));
      if (empty.length > 0) await client.query(PASS_BY, [empty.map(({ id }) => id)]);
      await client.query(LOCK_PARTS, [turns.map((turn) => turn.id)]);
      const { rows } = await client.query<{ rows: number }>(BEGIN, [
        pushes.rows.map(({ id }) => id),
      ]);
      return rows[0]?.rows ?? 0;
    });
  }
}

/** How many pushes of each operation begin: in their order, up to `share` of an account. */
function shared(due: readonly DueRow[], share: number): (DueRow & { most: number })[] {
  const left = new Map(due.map((row) => [row.account_id, share]));
  return due.flatMap((row) => {
    const rest = left.get(row.account_id) ?? 0;
    const most = Math.min(row.scheduled, rest);
    left.set(row.account_id, rest - most);
    return most > 0 ? [{ ...row, most }] : [];
  });
}
