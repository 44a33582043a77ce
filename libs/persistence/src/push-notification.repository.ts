import {
  instantOfId,
  type Attempt,
  type OperationSettings,
  type Priority,
  type ProviderKind,
  type PushNotification,
  type PushStatus,
  type Tags,
  type Uuid,
} from '@app/domain';
import type { Database } from './database.js';
import type {
  Page,
  PageRequest,
  PushNotificationFilter,
  PushNotificationWithContent,
} from './ports.js';
import { rowRange } from './row-range.js';

/** A request looks at no more rows than this, whatever its filters; a page may then be short. */
export const MAX_EXAMINED_ROWS = 20_000;

interface PushRow {
  id: Uuid;
  operation_id: Uuid;
  status: PushStatus;
  provider: ProviderKind;
  token: string;
  variables: Record<string, string> | null;
  credential_id: Uuid;
  attempt_count: number;
  provider_message_id: string | null;
  error_code: number | null;
  error_message: string | null;
  updated_at: Date;
  priority: Priority;
  sound: string | null;
  scheduled_for: Date | null;
  tags: Tags | null;
}

interface PushWithContentRow extends PushRow {
  content: OperationSettings['content'];
  ttl_seconds: number;
  collapse_key: string | null;
  badge: number | null;
  overrides: OperationSettings['overrides'];
  attempts: Attempt[];
  dispatched_at: Date | null;
  redriven_at: Date | null;
  settled_at: Date | null;
}

const COLUMNS = `p.id, p.operation_id, p.status, p.provider, p.token, p.variables, p.credential_id,
  p.attempt_count, p.provider_message_id, p.error_code, p.error_message, p.updated_at,
  o.priority, o.sound, o.scheduled_for, p.tags`;

/** Its first settlement brings it; until then its part tells whether the cursor has passed it. */
const DISPATCHED_AT = `coalesce(p.dispatched_at,
  CASE WHEN p.status = 'QUEUED' AND p.id <= q.dispatched_through THEN q.dispatched_at END)`;

/**
 * The newest rows that a page may be made of, by one of three indexes: of the account, of what failed in
 * it, or of the user. An operation's pushes lie between its own id and its last push's, so they need no
 * index of their own. See `RowRange` for the form of the bounds.
 */
function examinedRows(
  accountId: Uuid,
  filter: PushNotificationFilter,
  before: Uuid | null,
  limit: number,
) {
  const { operationId, userId, errorCode } = filter;
  const values: unknown[] = [accountId];
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
  const sql = `SELECT * FROM push_notifications WHERE ${conditions.join(' AND ')}
    ORDER BY ${range.order} LIMIT ${limit}`;
  return { sql, values };
}

export class PushNotificationRepository {
  constructor(private readonly db: Database) {}

  async find(accountId: Uuid, id: Uuid): Promise<PushNotificationWithContent | null> {
    const [row] = await this.db.query<PushWithContentRow>(
      `SELECT ${COLUMNS}, o.content, o.ttl_seconds, o.collapse_key, o.badge, o.overrides,
         p.attempts, ${DISPATCHED_AT} AS dispatched_at, p.redriven_at, p.settled_at
       FROM push_notifications p JOIN operations o ON o.id = p.operation_id
       LEFT JOIN operation_parts q ON q.operation_id = p.operation_id AND q.provider = p.provider
       WHERE p.account_id = $1 AND p.id = $2`,
      [accountId, id],
    );
    if (row === undefined) return null;
    const settings: OperationSettings = {
      content: row.content,
      priority: row.priority,
      sound: row.sound,
      ttlSeconds: row.ttl_seconds,
      collapseKey: row.collapse_key,
      badge: row.badge,
      overrides: row.overrides,
    };
    const { attempts, dispatched_at: dispatchedAt, redriven_at, settled_at } = row;
    const history = { attempts, dispatchedAt, redrivenAt: redriven_at, settledAt: settled_at };
    return { push: toPush(row), settings, history };
  }

  /**
   * Newest first. Looks at no more than 20,000 rows: with rare filters a page may be short, even
   * empty, and still has `next`.
   */
  async list(
    accountId: Uuid,
    filter: PushNotificationFilter,
    page: PageRequest,
  ): Promise<Page<PushNotification>> {
    const filtered =
      filter.operationId !== undefined ||
      filter.status !== undefined ||
      filter.provider !== undefined ||
      filter.tags !== undefined ||
      filter.errorCode !== undefined;
    // Where every row is given out, the planner shall know how few are wanted: it would sort them else.
    const { sql: examinedSql, values } = examinedRows(
      accountId,
      filter,
      page.before,
      filtered ? MAX_EXAMINED_ROWS : page.limit + 1,
    );
    const more = (at: number) => `$${values.length + at}`;
    const rows = await this.db.query<PushRow>(
      `SELECT ${COLUMNS}
       FROM (
         SELECT * FROM (${examinedSql}) examined
         WHERE (${more(1)}::uuid IS NULL OR operation_id = ${more(1)})
           AND (${more(2)}::push_status IS NULL OR status = ${more(2)})
           AND (${more(3)}::provider_kind IS NULL OR provider = ${more(3)})
           AND (${more(4)}::jsonb[] IS NULL OR tags @> ALL (${more(4)}))
           AND (${more(5)}::int IS NULL OR error_code = ${more(5)})
         LIMIT ${more(6)}
       ) p JOIN operations o ON o.id = p.operation_id
       ORDER BY p.id DESC`,
      [
        ...values,
        filter.operationId ?? null,
        filter.status ?? null,
        filter.provider ?? null,
        filter.tags?.map((tag) => JSON.stringify(Object.fromEntries([tag]))) ?? null,
        filter.errorCode ?? null,
        page.limit + 1,
      ],
    );
    const items = rows.slice(0, page.limit).map(toPush);
    const last = items.at(-1)?.id ?? null;
    if (rows.length > page.limit) return { items, next: last };
    if (!filtered) return { items, next: null };
    const [examined] = await this.db.query<{ rows: number; last: Uuid | null }>(
      `SELECT count(*)::int AS rows, (array_agg(p.id ORDER BY p.id))[1] AS last FROM (${examinedSql}) p`,
      values,
    );
    if (examined === undefined || examined.rows < MAX_EXAMINED_ROWS) return { items, next: null };
    // Rows added since the first statement move the second one's end up: never past what was given out.
    const next =
      last !== null && examined.last !== null && last < examined.last ? last : examined.last;
    return { items, next };
  }
}

function toPush(row: PushRow): PushNotification {
  return {
    id: row.id,
    operationId: row.operation_id,
    status: row.status,
    target: { provider: row.provider, token: row.token, variables: row.variables },
    credentialId: row.credential_id,
    priority: row.priority,
    sound: row.sound,
    createdAt: instantOfId(row.id),
    updatedAt: row.updated_at,
    scheduledFor: row.scheduled_for,
    attempts: row.attempt_count,
    providerMessageId: row.provider_message_id,
    error:
      row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
    tags: row.tags,
  };
}
