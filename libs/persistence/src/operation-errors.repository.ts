import {
  FAILURES,
  instantOfId,
  NotFound,
  type ProviderKind,
  type PushTarget,
  type Uuid,
} from '@app/domain';
import type { Database } from './database.js';
import { findPushes } from './examined-pushes.js';
import type { Page, PageRequest } from './ports.js';

/** Why one recipient of an operation got nothing. */
export interface OperationError {
  /** Null for a user that no push was made for. */
  pushId: Uuid | null;
  to: PushTarget | { userId: string };
  code: number;
  message: string;
  at: Date;
}

export interface OperationErrorsPage {
  items: OperationError[];
  /** Where the next page goes on, null on the last. */
  next: string | null;
}

interface FailedRow {
  id: Uuid;
  provider: ProviderKind;
  token: string;
  variables: Record<string, string> | null;
  error_code: number;
  error_message: string | null;
  settled_at: Date;
}

/** Below a push's id lie the older pushes, then the users: `user:<place in the request>`. */
const USER = 'user:';

export class OperationErrorsRepository {
  constructor(private readonly db: Database) {}

  /**
   * FAILED pushes, newest first, then the unaddressable users in the order of the request. Looks at no more
   * than 20,000 rows: a page may be short.
   *
   * @param page.before what `next` of the page before was.
   * @throws NotFound
   */
  async list(
    accountId: Uuid,
    operationId: Uuid,
    page: { limit: number; before: string | null },
  ): Promise<OperationErrorsPage> {
    const [operation] = await this.db.query<{ users: string[] }>(
      `SELECT unaddressable_users AS users FROM operations WHERE account_id = $1 AND id = $2`,
      [accountId, operationId],
    );
    if (operation === undefined) throw new NotFound('There is no such resource.');
    const { before, limit } = page;
    const atUsers = before?.startsWith(USER) === true;
    const { items, next } = atUsers
      ? { items: [], next: null }
      : await this.failed(accountId, operationId, { limit, before });
    // The page is full, or as many rows were looked at as may be.
    if (next !== null) return { items, next };

    const first = atUsers ? Number(before?.slice(USER.length)) : 0;
    const end = first + limit - items.length;
    const at = instantOfId(operationId);
    const { code, sentence: message } = FAILURES.UNADDRESSABLE;
    const users = operation.users
      .slice(first, end)
      .map((userId): OperationError => ({ pushId: null, to: { userId }, code, message, at }));
    return {
      items: [...items, ...users],
      next: end < operation.users.length ? `${USER}${end}` : null,
    };
  }

  private async failed(
    accountId: Uuid,
    operationId: Uuid,
    page: PageRequest,
  ): Promise<Page<OperationError>> {
    const { items, next } = await findPushes<FailedRow>(
      this.db,
      accountId,
      { operationId, status: 'FAILED', errorCode: 'any' },
      page,
      'p.id, p.provider, p.token, p.variables, p.error_code, p.error_message, p.settled_at',
    );
    return {
      items: items.map((row) => ({
        pushId: row.id,
        to: { provider: row.provider, token: row.token, variables: row.variables },
        code: row.error_code,
        message: row.error_message ?? '',
        at: row.settled_at,
      })),
      next,
    };
  }
}
