import type { Uuid } from '@app/domain';
import { IN_INDEX_ORDER, type Database } from './database.js';
import { pageOf } from './paging.js';
import type { Page, PageRequest, PushNotificationFilter } from './ports.js';
import { rowRange } from './row-range.js';

/**
 * A request looks at no more rows of pushes than this, whatever its filters; a page may then be short.
 *
 * @see contract.md, Lists
 */
export const MAX_EXAMINED_ROWS = 20_000;
/**
 * Of these: the newest row of each partition, which tells where to begin. There is a partition a day: of 365 that
 * RETENTION_DAYS may be, 30 that a push may be scheduled ahead, 28 that it may live then, and those of the coming week;
 * what a worker that stands still does not retire comes on top.
 */
const NEWEST_OF_PARTITIONS = 450;

export interface ExaminedFilter extends Omit<PushNotificationFilter, 'errorCode'> {
  errorCode?: number | 'any' | undefined;
}

/**
 * A page of pushes, newest first. The rows that it may be made of come by one of three indexes: of the
 * account, of what failed in it, or of the user. An operation's pushes lie between its own id and its last
 * push's, so they need no index of their own. See `RowRange` for the form of the bounds, `IN_INDEX_ORDER`
 * for what keeps the planner from reading them all.
 *
 * @param columns of the push `p` and its operation `o`, `p.id` among them.
 * @throws Unavailable
 */
export async function findPushes<R extends { id: Uuid }>(
  db: Database,
  accountId: Uuid,
  filter: ExaminedFilter,
  page: PageRequest,
  columns: string,
): Promise<Page<R>> {
  const values: unknown[] = [accountId];
  const parameter = (value: unknown, type: string) => `$${values.push(value)}::${type}`;
  const source = sourceOf(filter, page.before, values);
  const conditions = conditionsOf(filter, parameter);
  const most = parameter(page.limit + 1, 'int');
  if (conditions.length === 0) {
    const { rows } = await db.transaction(
      (client) =>
        client.query<R>(
          `SELECT ${columns} FROM (SELECT * FROM ${source} LIMIT ${most}) p JOIN operations o ON o.id = p.operation_id`,
          values,
        ),
      IN_INDEX_ORDER,
    );
    return pageOf(newestFirst(rows), page.limit, (row) => row);
  }
  // What is found is read once more, by its id.
  const examinable = MAX_EXAMINED_ROWS - NEWEST_OF_PARTITIONS - (page.limit + 1);
  const { rows } = await db.transaction(
    (client) =>
      client.query<FoundRow<R>>(
        `WITH examined AS MATERIALIZED (
           SELECT id, operation_id, status, provider, tags, error_code FROM ${source}
           LIMIT ${examinable}
         ), found AS MATERIALIZED (
           SELECT id, operation_id FROM examined WHERE ${conditions.join(' AND ')} LIMIT ${most}
         ), ended AS MATERIALIZED (
           SELECT count(*)::int AS examined, (array_agg(id ORDER BY id))[1] AS examined_through
           FROM examined WHERE (SELECT count(*) FROM found) < ${most}
         )
         SELECT ended.*, page.* FROM ended LEFT JOIN (
           SELECT ${columns} FROM found
           CROSS JOIN LATERAL (SELECT * FROM push_notifications WHERE id = found.id LIMIT 1) p
           CROSS JOIN LATERAL (SELECT * FROM operations WHERE id = found.operation_id LIMIT 1) o
         ) page ON true`,
        values,
      ),
    IN_INDEX_ORDER,
  );
  const found = pageOf(newestFirst(rows.filter(isFound)), page.limit, (row) => row);
  const [ended] = rows;
  const isMore = ended?.examined === examinable;
  return { ...found, next: found.next ?? (isMore ? ended.examined_through : null) };
}

type FoundRow<R> = (R | { id: null }) & {
  /** Rows that were looked at, if those did not fill the page; else 0. */
  examined: number;
  /** The oldest of them. */
  examined_through: Uuid | null;
};

const isFound = <R extends { id: Uuid }>(row: FoundRow<R>): row is FoundRow<R> & R =>
  row.id !== null;

/**
 * Sorted here: where an ORDER BY is over a join, a planner that shall not sort walks a whole index instead.
 * UUIDs in lower case sort as text as they do in PostgreSQL.
 */
function newestFirst<R extends { id: Uuid }>(rows: readonly R[]): R[] {
  return [...rows].sort((a, b) => (a.id < b.id ? 1 : -1));
}

/** FROM, WHERE and ORDER BY of the rows that may be looked at; `values` begins with the account. */
function sourceOf(filter: ExaminedFilter, before: Uuid | null, values: unknown[]): string {
  const { operationId, userId, errorCode } = filter;
  const rangeOf = (id: Uuid) => ({
    // Its own id is none of its pushes'.
    from: id,
    through: (end: string) =>
      `(SELECT least(last_push_id, ${end}) FROM operations WHERE account_id = $1 AND id = $${values.push(id)}::uuid)`,
  });
  const range = rowRange(
    userId === undefined ? 'account_id' : 'user_id',
    userId === undefined ? '$1' : `$${values.push(userId)}::uuid`,
    {
      ...filter,
      before,
      within: operationId === undefined ? undefined : rangeOf(operationId),
      values,
    },
  );
  const conditions = [range.condition];
  // Said outright: from row comparisons PostgreSQL does not see that the partial indexes hold all.
  if (userId !== undefined) conditions.push('account_id = $1 AND user_id IS NOT NULL');
  if (errorCode !== undefined) conditions.push('error_code IS NOT NULL');
  return `push_notifications WHERE ${conditions.join(' AND ')} ORDER BY ${range.order}`;
}

/** What no index finds. */
function conditionsOf(
  { operationId, status, provider, tags, errorCode }: ExaminedFilter,
  parameter: (value: unknown, type: string) => string,
): string[] {
  const all = tags?.map((tag) => JSON.stringify(Object.fromEntries([tag])));
  return [
    operationId === undefined ? [] : `operation_id = ${parameter(operationId, 'uuid')}`,
    status === undefined ? [] : `status = ${parameter(status, 'push_status')}`,
    provider === undefined ? [] : `provider = ${parameter(provider, 'provider_kind')}`,
    all === undefined ? [] : `tags @> ALL (${parameter(all, 'jsonb[]')})`,
    typeof errorCode === 'number' ? `error_code = ${parameter(errorCode, 'int')}` : [],
  ].flat();
}
