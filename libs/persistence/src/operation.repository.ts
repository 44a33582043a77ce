import {
  InvalidRequest,
  instantOfId,
  lowestIdAt,
  newId,
  PROVIDERS,
  type Operation,
  type OperationStatus,
  type Uuid,
} from '@app/domain';
import { sqlState, type Database } from './database.js';
import type { NewOperation, OperationFilter, Page, PageRequest } from './ports.js';

/** Operations with up to so many recipients pass bulk. */
export const SMALL_LANE_LIMIT = 100;

/**
 * Everything of a send in one statement, so that one round trip is one transaction: after it
 * returns, nothing can be lost; when it fails, nothing is there.
 */
const ACCEPT = `
WITH operation AS (
  INSERT INTO operations (id, account_id, content, priority, sound, ttl_seconds, collapse_key,
    scheduled_for, recipients, unaddressable_users, total, unaddressable, scheduled, queued,
    last_push_id, completed_at)
  VALUES ($1::uuid, $2::uuid, $3, $4, $5, $6::int, $7, $8::timestamptz, $9, $10, $11::int, $12::int, $13, $14, $15,
    CASE WHEN $11::int = $12::int THEN now() END)
), parts AS (
  INSERT INTO operation_parts (operation_id, provider, account_id, credential_id, lane, pending)
  SELECT $1::uuid, part.provider, $2::uuid, part.credential_id, $16::lane, $8::timestamptz IS NULL
  FROM unnest($17::provider_kind[], $18::uuid[]) AS part (provider, credential_id)
), turn AS (
  INSERT INTO dispatch_turns (account_id, lane) SELECT $2::uuid, $16::lane WHERE $11::int > $12::int
  ON CONFLICT DO NOTHING
)
INSERT INTO push_notifications (id, account_id, operation_id, provider, credential_id, token,
  variables, status, due_at, expires_at)
SELECT push.id, $2::uuid, $1::uuid, push.provider, push.credential_id, push.token, push.variables::jsonb,
  CASE WHEN $8::timestamptz IS NULL THEN 'QUEUED' ELSE 'SCHEDULED' END::push_status,
  coalesce($8::timestamptz, now()),
  greatest(coalesce($8::timestamptz, now()), now()) + make_interval(secs => $6::int)
FROM unnest($19::uuid[], $20::provider_kind[], $21::uuid[], $22::text[], $23::text[])
  AS push (id, provider, credential_id, token, variables)`;

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
}

const COLUMNS =
  'id, status, total, recipients, unaddressable, scheduled, queued, sent, failed, canceled, updated_at';

export class OperationRepository {
  constructor(private readonly db: Database) {}

  /**
   * Commits a send: the Operation, its parts and all its push notifications, in one transaction.
   *
   * @returns the operation's id, once everything is durable.
   * @throws Unavailable when PostgreSQL cannot take it. Nothing is written then, unless the connection
   *   broke while the commit was answered.
   */
  async accept(accountId: Uuid, operation: NewOperation): Promise<Uuid> {
    const { settings, pushes, unaddressable, credentials } = operation;
    // Made before the pushes' ids: it is the lower end of their range, last_push_id the upper.
    const id = newId();
    const count = pushes.length;
    const ids = new Array<Uuid>(count);
    const providers = new Array<string>(count);
    const credentialIds = new Array<Uuid | undefined>(count);
    const tokens = new Array<string>(count);
    const variables = new Array<string | null>(count);
    for (const [at, push] of pushes.entries()) {
      ids[at] = newId();
      providers[at] = push.provider;
      credentialIds[at] = credentials[push.provider];
      tokens[at] = push.token;
      variables[at] = push.variables === null ? null : JSON.stringify(push.variables);
    }
    const partProviders = PROVIDERS.filter((provider) => providers.includes(provider));
    const scheduled = operation.scheduledFor !== null;
    try {
      await this.db.query(ACCEPT, [
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
        operation.recipients <= SMALL_LANE_LIMIT ? 'small' : 'bulk',
        partProviders,
        partProviders.map((provider) => credentials[provider]),
        ids,
        providers,
        credentialIds,
        tokens,
        variables,
      ]);
    } catch (error) {
      // Data that PostgreSQL cannot hold (a NUL, half a surrogate pair) is the caller's to mend.
      if (sqlState(error)?.startsWith('22') === true) {
        throw new InvalidRequest([
          { message: 'The request holds text that cannot be stored.', context: '$' },
        ]);
      }
      throw error;
    }
    return id;
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

function toOperation(row: OperationRow): Operation {
  const { id, status, updated_at: updatedAt, ...stats } = row;
  return { id, status, stats, createdAt: instantOfId(id), updatedAt };
}
