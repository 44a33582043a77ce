import {
  FAILURES,
  instantOfId,
  NotFound,
  type ProviderKind,
  type PushTarget,
  type Uuid,
} from '@app/domain';
import type { Database } from './database.js';

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
   * FAILED pushes, newest first, then the unaddressable users in the order of the request.
   *
   * @param page.before what `next` of the page before was.
   * @throws NotFound
   */
  async list(
    accountId: Uuid,
    operationId: Uuid,
    page: { limit: number; before: string | null },
  ): Promise<OperationErrorsPage> {
    const [operation] = await this.db.query<{ last_push_id: Uuid; users: string[] }>(
      `SELECT last_push_id, unaddressable_users AS users FROM operations WHERE account_id = $1 AND id = $2`,
      [accountId, operationId],
    );
    if (operation === undefined) throw new NotFound('There is no such resource.');
    const { before, limit } = page;
    const atUsers = before?.startsWith(USER) === true;
    const failed = atUsers
      ? []
      : await this.failed(
          accountId,
          operationId,
          before ?? null,
          operation.last_push_id,
          limit + 1,
        );
    const items = failed.slice(0, limit);
    if (failed.length > limit) return { items, next: items.at(-1)?.pushId ?? null };

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
    before: Uuid | null,
    last: Uuid,
    limit: number,
  ): Promise<OperationError[]> {
    const rows = await this.db.query<FailedRow>(
      `SELECT id, provider, token, variables, error_code, error_message, settled_at
       FROM push_notifications
       WHERE account_id = $1 AND error_code IS NOT NULL AND operation_id = $2 AND status = 'FAILED'
         AND id > $2 AND id <= $3 AND ($4::uuid IS NULL OR id < $4)
       ORDER BY id DESC LIMIT $5`,
      [accountId, operationId, last, before, limit],
    );
    return rows.map((row) => ({
      pushId: row.id,
      to: { provider: row.provider, token: row.token, variables: row.variables },
      code: row.error_code,
      message: row.error_message ?? '',
      at: row.settled_at,
    }));
  }
}
