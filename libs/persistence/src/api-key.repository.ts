import { instantOfId, newId, type ApiKey, type Scope, type Uuid } from '@app/domain';
import { orUnavailable, type Database } from './database.js';
import { pageOf } from './paging.js';
import type { ApiKeyFinder, NewApiKey, Page, PageRequest, StoredApiKey } from './ports.js';

const PUBLIC = { id: true, name: true, scopes: true } as const;

export class ApiKeyRepository implements ApiKeyFinder {
  constructor(private readonly db: Database) {}

  async create(accountId: Uuid, { name, scopes, secretHash }: NewApiKey): Promise<ApiKey> {
    const row = await orUnavailable(() =>
      this.db.prisma.apiKey.create({
        data: {
          id: newId(),
          accountId,
          name,
          scopes: [...scopes],
          secretHash: new Uint8Array(secretHash),
        },
        select: PUBLIC,
      }),
    );
    return toApiKey(row);
  }

  async find(accountId: Uuid, id: Uuid): Promise<ApiKey | null> {
    const row = await orUnavailable(() =>
      this.db.prisma.apiKey.findFirst({ where: { accountId, id }, select: PUBLIC }),
    );
    return row === null ? null : toApiKey(row);
  }

  /** Newest first. */
  async list(accountId: Uuid, page: PageRequest): Promise<Page<ApiKey>> {
    const rows = await orUnavailable(() =>
      this.db.prisma.apiKey.findMany({
        where: { accountId, ...(page.before === null ? {} : { id: { lt: page.before } }) },
        orderBy: { id: 'desc' },
        take: page.limit + 1,
        select: PUBLIC,
      }),
    );
    return pageOf(rows, page.limit, toApiKey);
  }

  /** @returns false when there is no such key. */
  async delete(accountId: Uuid, id: Uuid): Promise<boolean> {
    const { count } = await orUnavailable(() =>
      this.db.prisma.apiKey.deleteMany({ where: { accountId, id } }),
    );
    return count > 0;
  }

  async findApiKey(id: Uuid): Promise<StoredApiKey | null> {
    const row = await orUnavailable(() => this.db.prisma.apiKey.findFirst({ where: { id } }));
    if (row === null) return null;
    const { accountId, scopes, secretHash } = row;
    return { accountId, scopes, secretHash: Buffer.from(secretHash) };
  }
}

function toApiKey({ id, name, scopes }: { id: Uuid; name: string; scopes: Scope[] }): ApiKey {
  return { id, name, scopes, createdAt: instantOfId(id) };
}
