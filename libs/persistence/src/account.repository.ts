import type { Uuid } from '@app/domain';
import { orUnavailable, type Database } from './database.js';
import type { AccountFinder } from './ports.js';

export class AccountRepository implements AccountFinder {
  constructor(private readonly db: Database) {}

  async findTokenHash(accountId: Uuid): Promise<Buffer | null> {
    const account = await orUnavailable(() =>
      this.db.prisma.account.findUnique({
        where: { id: accountId },
        select: { authTokenHash: true },
      }),
    );
    return account === null ? null : Buffer.from(account.authTokenHash);
  }

  async ensure(accountId: Uuid, tokenHash: Buffer): Promise<void> {
    const authTokenHash = new Uint8Array(tokenHash);
    await orUnavailable(() =>
      this.db.prisma.account.upsert({
        where: { id: accountId },
        create: { id: accountId, authTokenHash },
        update: { authTokenHash },
      }),
    );
  }
}
