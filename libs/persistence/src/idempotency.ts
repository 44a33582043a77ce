import { KeyReused, type Uuid } from '@app/domain';
import type { PoolClient, QueryResultRow } from 'pg';
import type { Done, Once } from './ports.js';

/** How long a key is remembered. */
export const KEPT_HOURS = 24;

/**
 * $1 account, $2 key, $3 fingerprint, $4 resource. Waits for a transaction that has the same key in
 * hand: no row comes back when that one was committed, ours when it was not.
 */
const TAKE_KEY = `
INSERT INTO idempotency_keys (account_id, key, fingerprint, resource_id)
VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING true AS taken`;

/** Runs one statement: a pool, or one connection inside its transaction. */
export type Run = <R extends QueryResultRow>(text: string, values: unknown[]) => Promise<R[]>;

/**
 * What a request under this key led to before.
 *
 * @returns null when there was none.
 * @throws KeyReused when it was another request.
 */
export async function findDone(run: Run, accountId: Uuid, once: Once): Promise<Done | null> {
  const [row] = await run<{ fingerprint: Buffer; resource_id: Uuid }>(
    'SELECT fingerprint, resource_id FROM idempotency_keys WHERE account_id = $1 AND key = $2',
    [accountId, once.key],
  );
  if (row === undefined) return null;
  if (!row.fingerprint.equals(once.fingerprint)) {
    throw new KeyReused('The Idempotency-Key was used for another request.');
  }
  return { id: row.resource_id, replayed: true };
}

/**
 * Takes the key inside a transaction; it is the first that the transaction writes.
 *
 * @returns null when the key is ours now, else what the first request under it led to.
 * @throws KeyReused
 */
export async function takeKey(
  client: PoolClient,
  accountId: Uuid,
  once: Once,
  resourceId: Uuid,
): Promise<Done | null> {
  const run: Run = async <R extends QueryResultRow>(text: string, values: unknown[]) =>
    (await client.query<R>(text, values)).rows;
  for (;;) {
    const taken = await run(TAKE_KEY, [accountId, once.key, once.fingerprint, resourceId]);
    if (taken.length > 0) return null;
    const done = await findDone(run, accountId, once);
    // Forgotten between the two statements: it is free again.
    if (done !== null) return done;
  }
}
