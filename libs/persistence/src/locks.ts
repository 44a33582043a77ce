import { NotFound, type Uuid } from '@app/domain';
import type { PoolClient } from 'pg';
import type { Statement } from './database.js';

/*
 * The lock order of the house, in one place; without it two batches over the same operations
 * deadlock:
 *
 *   operations by id → push rows → dispatch turns → parts by credential → credential windows
 *
 * Settle, begin, cancel and redrive start with the operation, so of one operation only one of them
 * is at work. A claim holds push rows and nothing else, and cancel passes by what is being claimed,
 * so it may have the parts already when it comes to the rows. Dispatch starts with its turn and
 * takes neither operations nor push rows.
 */

/** Several at once. `cancel_wanted`: nothing of it is tried again. */
export const LOCK_OPERATIONS: Statement = {
  name: 'lock-operations',
  text: `
SELECT id, cancel_wanted FROM operations WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE`,
};

/**
 * Who holds the parts of an operation knows which of its QUEUED pushes count as outstanding: those
 * at or below the cursor, and no dispatcher moves it.
 */
export const LOCK_PARTS = `
SELECT FROM operation_parts WHERE operation_id = ANY($1::uuid[])
ORDER BY credential_id, operation_id FOR UPDATE`;

export interface LockedOperation {
  id: Uuid;
  /** Upper end of the ids of its pushes. */
  lastPushId: Uuid;
}

/** What a command did. */
export interface CommandRow {
  /** Pushes that changed. */
  rows: number;
  /** Change of `outstanding` by credential; null when there is none. */
  windows: Record<Uuid, number> | null;
}

/**
 * Locks the operation of a command, with its parts.
 *
 * @throws NotFound
 */
export async function lockOperation(
  client: PoolClient,
  accountId: Uuid,
  target: { operationId: Uuid } | { pushId: Uuid },
): Promise<LockedOperation> {
  const [column, value] =
    'pushId' in target
      ? [
          '(SELECT operation_id FROM push_notifications WHERE account_id = $1 AND id = $2)',
          target.pushId,
        ]
      : ['$2', target.operationId];
  const { rows } = await client.query<{ id: Uuid; last_push_id: Uuid }>(
    `SELECT id, last_push_id FROM operations WHERE account_id = $1 AND id = ${column}
     FOR NO KEY UPDATE`,
    [accountId, value],
  );
  const [row] = rows;
  if (row === undefined) throw new NotFound('There is no such resource.');
  await client.query(LOCK_PARTS, [[row.id]]);
  return { id: row.id, lastPushId: row.last_push_id };
}
