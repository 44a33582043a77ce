import type { Uuid } from '@app/domain';
import type { Prisma } from './generated/client.js';

/**
 * Changes to the Apps and credentials of one account take turns: limits and defaults are read before
 * they are set. Held until the transaction ends; sends and registrations do not wait for it.
 */
export async function lockAccount(tx: Prisma.TransactionClient, accountId: Uuid): Promise<void> {
  await tx.$queryRaw`SELECT 1 FROM accounts WHERE id = ${accountId}::uuid FOR UPDATE`;
}
