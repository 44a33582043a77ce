import {
  InvalidRequest,
  instantOfId,
  newId,
  type Operation,
  type OperationStatus,
  type Tags,
  type Uuid,
} from '@app/domain';
import { ACCEPT, ACCEPT_ONCE, acceptValues } from './accept-statement.js';
import { IN_INDEX_ORDER, sqlState, type Database } from './database.js';
import { findDone, takeKey } from './idempotency.js';
import { pageOf } from './paging.js';
import type { Done, NewOperation, Once, OperationFilter, Page, PageRequest } from './ports.js';
import { rowRange } from './row-range.js';
import { acceptUsers } from './user-pushes.js';

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
   * @throws InvalidRequest when its users make it too large; KeyReused; Unavailable when PostgreSQL
   *   cannot take it. Nothing is written then, unless the connection broke while the commit was answered.
   */
  async accept(accountId: Uuid, operation: NewOperation, once?: Once): Promise<Done> {
    // Made before the pushes' ids: it is the lower end of their range, last_push_id the upper.
    const id = newId();
    if (operation.users.length > 0) return this.acceptExpanded(id, accountId, operation, once);
    const values = acceptValues(id, accountId, operation);
    for (;;) {
      const [row] = await storable(() =>
        this.db.query<{ taken: boolean }>(
          once === undefined ? ACCEPT : ACCEPT_ONCE,
          once === undefined ? values : [...values, once.key, once.fingerprint],
        ),
      );
      if (once === undefined || row?.taken === true) return { id, replayed: false };
      const done = await this.findDone(accountId, once);
      // Forgotten between the two statements: the key is free again.
      if (done !== null) return done;
    }
  }

  /** With users it takes more statements; they are one transaction all the same. */
  private async acceptExpanded(
    id: Uuid,
    accountId: Uuid,
    operation: NewOperation,
    once?: Once,
  ): Promise<Done> {
    return storable(() =>
      this.db.transaction(async (client) => {
        const done = once === undefined ? null : await takeKey(client, accountId, once, id);
        if (done !== null) return done;
        const expanded = await acceptUsers(client, id, accountId, operation);
        await client.query({
          ...ACCEPT,
          values: acceptValues(id, accountId, operation, expanded),
        });
        return { id, replayed: false };
      }),
    );
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
    const { status } = filter;
    const values: unknown[] = [accountId];
    const range = rowRange(
      status === undefined ? 'account_id' : 'status',
      status === undefined ? '$1' : `$${values.push(status)}::operation_status`,
      { ...filter, before: page.before, values },
    );
    const { rows } = await this.db.transaction(
      (client) =>
        client.query<OperationRow>(
          `SELECT ${COLUMNS} FROM operations
           WHERE ${status === undefined ? '' : 'account_id = $1 AND '}${range.condition}
           ORDER BY ${range.order} LIMIT $${values.length + 1}`,
          [...values, page.limit + 1],
        ),
      IN_INDEX_ORDER,
    );
    return pageOf(rows, page.limit, toOperation);
  }
}

/** Data that PostgreSQL cannot hold (a NUL, half a surrogate pair) is the caller's to mend. */
async function storable<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (sqlState(error)?.startsWith('22') === true) {
      throw new InvalidRequest([
        { message: 'The request holds text that cannot be stored.', context: '$' },
      ]);
    }
    throw error;
  }
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
