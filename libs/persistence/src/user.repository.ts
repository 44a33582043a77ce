import { instantOfId, type User, type Uuid } from '@app/domain';
import type { Database } from './database.js';
import { pageOf } from './paging.js';
import type { Page, PageRequest } from './ports.js';

interface UserRow {
  id: Uuid;
  updated_at: Date;
  deleted_at: Date | null;
}

const COLUMNS = 'id, updated_at, deleted_at';

/** Users are made by registering a device: see `DeviceRepository`. */
export class UserRepository {
  constructor(private readonly db: Database) {}

  /** Also a deleted one: `deletedAt` says so. */
  async find(accountId: Uuid, id: Uuid): Promise<User | null> {
    const [row] = await this.db.query<UserRow>(
      `SELECT ${COLUMNS} FROM users WHERE account_id = $1 AND id = $2`,
      [accountId, id],
    );
    return row === undefined ? null : toUser(row);
  }

  /** Newest first, deleted ones among them. */
  async list(accountId: Uuid, page: PageRequest): Promise<Page<User>> {
    const rows = await this.db.query<UserRow>(
      `SELECT ${COLUMNS} FROM users WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2)
       ORDER BY id DESC LIMIT $3`,
      [accountId, page.before, page.limit + 1],
    );
    return pageOf(rows, page.limit, toUser);
  }

  /**
   * Marks the user deleted and drops all its registrations. Again: nothing changes.
   *
   * @returns false when there is no such user.
   */
  async delete(accountId: Uuid, id: Uuid): Promise<boolean> {
    return this.db.transaction(async (client) => {
      // The user's row first: whoever registers a device for it holds that, too.
      const { rowCount } = await client.query(
        `UPDATE users SET deleted_at = coalesce(deleted_at, now()),
           updated_at = CASE WHEN deleted_at IS NULL THEN now() ELSE updated_at END
         WHERE account_id = $1 AND id = $2`,
        [accountId, id],
      );
      await client.query(
        'DELETE FROM device_registrations WHERE account_id = $1 AND user_id = $2',
        [accountId, id],
      );
      return rowCount === 1;
    });
  }
}

function toUser(row: UserRow): User {
  return {
    id: row.id,
    createdAt: instantOfId(row.id),
    updatedAt: row.updated_at,
    deletedAt: row.deleted_at,
  };
}
