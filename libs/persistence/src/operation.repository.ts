import {
  InvalidRequest,
  instantOfId,
  lowestIdAt,
  newId,
  PROVIDERS,
  type Operation,
  type OperationStatus,
  type Tags,
  type Uuid,
} from '@app/domain';
import { sqlState, type Database } from './database.js';
import { findDone } from './idempotency.js';
import type { Done, NewOperation, Once, OperationFilter, Page, PageRequest } from './ports.js';

/** Operations with up to so many recipients pass bulk. */
export const SMALL_LANE_LIMIT = 100;

/** @param taken condition on which the rows are written. */
const operation = (taken: string) => `
operation AS (
  INSERT INTO operations (id, account_id, content, priority, sound, ttl_seconds, collapse_key,
    scheduled_for, recipients, unaddressable_users, total, unaddressable, scheduled, queued,
    last_push_id, completed_at, badge, overrides, tags)
  SELECT $1::uuid, $2::uuid, $3::jsonb, $4::priority, $5, $6::int, $7, $8::timestamptz, $9::int, $10::text[], $11::int,
    $12::int, $13::int, $14::int, $15::uuid, CASE WHEN $11::int = $12::int THEN now() END, $16::int, $17::jsonb, $18::jsonb
  WHERE ${taken}
), parts AS (
  INSERT INTO operation_parts (operation_id, provider, account_id, credential_id, lane, pending)
  SELECT $1::uuid, part.provider, $2::uuid, part.credential_id, $19::lane, $8::timestamptz IS NULL
  FROM unnest($20::provider_kind[], $21::uuid[]) AS part (provider, credential_id) WHERE ${taken}
), turn AS (
  INSERT INTO dispatch_turns (account_id, lane) SELECT $2::uuid, $19::lane WHERE $11::int > $12::int AND ${taken}
  ON CONFLICT DO NOTHING
)`;

const pushes = (taken: string) => `
  INSERT INTO push_notifications (id, account_id, operation_id, provider, credential_id, token,
    variables, status, due_at, expires_at, tags, user_id)
  SELECT push.id, $2::uuid, $1::uuid, push.provider,
    CASE push.provider WHEN 'FCM' THEN $22::uuid ELSE $23::uuid END, push.token, push.variables::jsonb,
    CASE WHEN $8::timestamptz IS NULL THEN 'QUEUED' ELSE 'SCHEDULED' END::push_status,
    (SELECT coalesce($8::timestamptz, now())),
    (SELECT greatest($8::timestamptz, now()) + make_interval(secs => $6::int)),
    coalesce(push.tags::jsonb, $24::jsonb), push.user_id
  FROM unnest($25::uuid[], $26::provider_kind[], $27::text[], $28::text[], $29::text[], $30::uuid[])
    AS push (id, provider, token, variables, tags, user_id)
  WHERE ${taken}`;

/**
 * Everything of a send in one statement, so that one round trip is one transaction: after it
 * returns, nothing can be lost; when it fails, nothing is there.
 */
const ACCEPT = `WITH ${operation('true')} ${pushes('true')}`;

/** The key is the first row of the same transaction: without it nothing is written. */
const ACCEPT_ONCE = `
WITH key AS (
  INSERT INTO idempotency_keys (account_id, key, fingerprint, resource_id) VALUES ($2::uuid, $31, $32, $1::uuid)
  ON CONFLICT DO NOTHING RETURNING true
), ${operation('EXISTS (SELECT FROM key)')}, pushes AS (${pushes('EXISTS (SELECT FROM key)')})
SELECT EXISTS (SELECT FROM key) AS taken`;

interface OperationRow {
  id: Uuid;
  status: OperationStatus;
  total: number;
  recipients: number;
  unaddressable: number;
  scheduled: number;
  queued: number;
  sent: number;
  failed: number;
  canceled: number;
  updated_at: Date;
  tags: Tags | null;
  scheduled_for: Date | null;
  completed_at: Date | null;
}

const COLUMNS = `id, status, total, recipients, unaddressable, scheduled, queued, sent, failed, canceled, updated_at,
  tags, scheduled_for, completed_at`;

export class OperationRepository {
  constructor(private readonly db: Database) {}

  /**
   * Commits a send: the Operation, its parts and all its push notifications, in one transaction.
   *
   * @param once makes repetitions of the request harmless: of equal ones, also at the same time,
   *   only the first is written, and all get its id.
   * @returns the operation's id, once everything is durable.
   * @throws KeyReused; Unavailable when PostgreSQL cannot take it. Nothing is written then, unless
   *   the connection broke while the commit was answered.
   */
  async accept(accountId: Uuid, operation: NewOperation, once?: Once): Promise<Done> {
    // Made before the pushes' ids: it is the lower end of their range, last_push_id the upper.
    const id = newId();
    const values = acceptValues(id, accountId, operation);
    for (;;) {
      const [row] = await this.insert(
        once === undefined ? ACCEPT : ACCEPT_ONCE,
        once === undefined ? values : [...values, once.key, once.fingerprint],
      );
      if (once === undefined || row?.taken === true) return { id, replayed: false };
      const done = await this.findDone(accountId, once);
      // Forgotten between the two statements: the key is free again.
      if (done !== null) return done;
    }
  }

  /**
   * The operation that an equal request under this key was answered with.
   *
   * @returns null when there was none.
   * @throws KeyReused when the key was used for another request.
   */
  async findDone(accountId: Uuid, once: Once): Promise<Done | null> {
    return findDone((text, values) => this.db.query(text, values), accountId, once);
  }

  private async insert(text: string, values: unknown[]): Promise<{ taken: boolean }[]> {
    try {
      return await this.db.query<{ taken: boolean }>(text, values);
    } catch (error) {
      // Data that PostgreSQL cannot hold (a NUL, half a surrogate pair) is the caller's to mend.
      if (sqlState(error)?.startsWith('22') === true) {
        throw new InvalidRequest([
          { message: 'The request holds text that cannot be stored.', context: '$' },
        ]);
      }
      throw error;
    }
  }

  async find(accountId: Uuid, id: Uuid): Promise<Operation | null> {
    const [row] = await this.db.query<OperationRow>(
      `SELECT ${COLUMNS} FROM operations WHERE account_id = $1 AND id = $2`,
      [accountId, id],
    );
    return row === undefined ? null : toOperation(row);
  }

  /** Newest first. */
  async list(
    accountId: Uuid,
    filter: OperationFilter,
    page: PageRequest,
  ): Promise<Page<Operation>> {
    const rows = await this.db.query<OperationRow>(
      `SELECT ${COLUMNS} FROM operations
       WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($3::uuid IS NULL OR id >= $3)
         AND ($4::uuid IS NULL OR id < $4) AND ($5::operation_status IS NULL OR status = $5)
       ORDER BY id DESC LIMIT $6`,
      [accountId, page.before, ...idRange(filter), filter.status ?? null, page.limit + 1],
    );
    const more = rows.length > page.limit;
    const items = rows.slice(0, page.limit).map(toOperation);
    return { items, next: more ? (items.at(-1)?.id ?? null) : null };
  }
}

/** Dates as a half-open id range, since an id carries its creation to the millisecond. */
export function idRange(filter: {
  startDate?: Date | undefined;
  endDate?: Date | undefined;
}): [from: Uuid | null, to: Uuid | null] {
  return [
    filter.startDate === undefined ? null : lowestIdAt(filter.startDate),
    filter.endDate === undefined ? null : lowestIdAt(new Date(filter.endDate.getTime() + 1)),
  ];
}

function acceptValues(id: Uuid, accountId: Uuid, operation: NewOperation): unknown[] {
  const { settings, pushes, unaddressable, credentials, tags } = operation;
  const count = pushes.length;
  const ids = new Array<Uuid>(count);
  const providers = new Array<string>(count);
  const tokens = new Array<string>(count);
  const variables = new Array<string | null>(count);
  // What most sends have not: an empty array is filled up with NULL.
  const pushTags: (string | null)[] = [];
  const userIds: (Uuid | null)[] = [];
  for (const [at, push] of pushes.entries()) {
    ids[at] = newId();
    providers[at] = push.provider;
    tokens[at] = push.token;
    variables[at] = json(push.variables);
    if (push.tags !== undefined) pushTags[at] = JSON.stringify(push.tags);
    if (push.userId !== undefined) userIds[at] = push.userId;
  }
  const partProviders = PROVIDERS.filter((provider) => providers.includes(provider));
  const scheduled = operation.scheduledFor !== null;
  return [
    id,
    accountId,
    JSON.stringify(settings.content),
    settings.priority,
    settings.sound,
    settings.ttlSeconds,
    settings.collapseKey,
    operation.scheduledFor,
    operation.recipients,
    unaddressable,
    count + unaddressable.length,
    unaddressable.length,
    scheduled ? count : 0,
    scheduled ? 0 : count,
    ids.at(-1) ?? id,
    settings.badge,
    json(settings.overrides),
    json(tags),
    operation.recipients <= SMALL_LANE_LIMIT ? 'small' : 'bulk',
    partProviders,
    partProviders.map((provider) => credentials[provider]),
    credentials.FCM ?? null,
    credentials.APN ?? null,
    // Every push brings its own when one of them is a template.
    pushTags.length > 0 ? null : json(tags),
    ids,
    providers,
    tokens,
    variables,
    Array.from(pushTags, (value) => value ?? null),
    Array.from(userIds, (value) => value ?? null),
  ];
}

function json(value: object | null): string | null {
  return value === null ? null : JSON.stringify(value);
}

function toOperation(row: OperationRow): Operation {
  const { id, status, updated_at: updatedAt, tags, scheduled_for, completed_at, ...stats } = row;
  return {
    id,
    status,
    stats,
    createdAt: instantOfId(id),
    updatedAt,
    tags,
    scheduledFor: scheduled_for,
    completedAt: completed_at,
  };
}
