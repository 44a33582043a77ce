import { Conflict, instantOfId, type App, type Uuid } from '@app/domain';
import { lockAccount } from './account-lock.js';
import { orUnavailable, type Database } from './database.js';
import { idRange, pageOf } from './paging.js';
import type { AppFilter, Page, PageRequest } from './ports.js';

interface AppRow {
  id: Uuid;
  name: string;
  is_default: boolean;
  updated_at: Date;
  default_credentials: App['defaultCredentials'];
}

const SELECT = `
SELECT a.id, a.name, a.is_default, a.updated_at, coalesce((
    SELECT json_agg(json_build_object('credentialType', c.credential_type, 'credentialId', c.id)
      ORDER BY c.credential_type)
    FROM credentials c
    WHERE c.account_id = a.account_id AND c.app_name = a.name AND c.is_default AND c.deleted_at IS NULL
  ), '[]') AS default_credentials
FROM apps a WHERE a.account_id = $1`;

/** Apps are made and deleted with their credentials: see `CredentialRepository`. */
export class AppRepository {
  constructor(private readonly db: Database) {}

  async find(accountId: Uuid, name: string): Promise<App | null> {
    const [row] = await this.db.query<AppRow>(`${SELECT} AND a.name = $2`, [accountId, name]);
    return row === undefined ? null : toApp(row);
  }

  /** Newest first. */
  async list(accountId: Uuid, filter: AppFilter, page: PageRequest): Promise<Page<App>> {
    const rows = await this.db.query<AppRow>(
      `${SELECT} AND ($2::uuid IS NULL OR a.id < $2) AND ($3::uuid IS NULL OR a.id >= $3)
         AND ($4::uuid IS NULL OR a.id < $4) AND ($5::boolean IS NULL OR a.is_default = $5)
       ORDER BY a.id DESC LIMIT $6`,
      [accountId, page.before, ...idRange(filter), filter.isDefault ?? null, page.limit + 1],
    );
    return pageOf(rows, page.limit, toApp);
  }

  /**
   * Moves the default mark here, or says that it is not here.
   *
   * @returns false when there is no such App.
   * @throws Conflict for `false` on the default: the mark only moves by setting it elsewhere.
   */
  async setDefault(accountId: Uuid, name: string, isDefault: boolean): Promise<boolean> {
    return orUnavailable(() =>
      this.db.prisma.$transaction(async (tx) => {
        await lockAccount(tx, accountId);
        const app = await tx.app.findFirst({ where: { accountId, name } });
        if (app === null) return false;
        if (app.isDefault === isDefault) return true;
        if (!isDefault) {
          throw new Conflict('This is the default App: make another one the default instead.');
        }
        const updatedAt = new Date();
        await tx.app.updateMany({
          where: { accountId, isDefault: true },
          data: { isDefault: false, updatedAt },
        });
        await tx.app.updateMany({
          where: { accountId, name },
          data: { isDefault: true, updatedAt },
        });
        return true;
      }),
    );
  }
}

function toApp(row: AppRow): App {
  return {
    name: row.name,
    isDefault: row.is_default,
    defaultCredentials: row.default_credentials,
    createdAt: instantOfId(row.id),
    updatedAt: row.updated_at,
  };
}
