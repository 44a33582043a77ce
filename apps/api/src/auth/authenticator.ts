import { createHash, timingSafeEqual } from 'node:crypto';
import { Unauthorized } from '@app/domain';
import type { Uuid } from '@app/domain';
import type { AccountFinder } from '@app/persistence';
import { LRUCache } from 'lru-cache';
import { basicCredentials } from './basic-credentials.js';

/** How long a changed token may still be taken. */
const CACHE_MS = 5_000;
const CACHED_ACCOUNTS = 10_000;
const NO_HASH = Buffer.alloc(32);

export class Authenticator {
  private readonly hashes = new LRUCache<Uuid, Buffer>({ max: CACHED_ACCOUNTS, ttl: CACHE_MS });

  constructor(private readonly accounts: Pick<AccountFinder, 'findTokenHash'>) {}

  /**
   * @param header the `Authorization` header.
   * @returns the account it proves.
   * @throws Unauthorized when it proves none; Unavailable when that cannot be found out.
   */
  async authenticate(header: string | undefined): Promise<Uuid> {
    const credentials = basicCredentials(header);
    if (credentials === null) throw new Unauthorized('Account id and auth token are needed.');
    const { accountId, token } = credentials;
    const known = await this.hashOf(accountId);
    // An unknown account takes the same time as a wrong token.
    const same = timingSafeEqual(hashToken(token), known ?? NO_HASH);
    if (known === null || !same) throw new Unauthorized('Account id or auth token is wrong.');
    return accountId;
  }

  private async hashOf(accountId: Uuid): Promise<Buffer | null> {
    const cached = this.hashes.get(accountId);
    if (cached !== undefined) return cached;
    const hash = await this.accounts.findTokenHash(accountId);
    if (hash !== null) this.hashes.set(accountId, hash);
    return hash;
  }
}

/** Tokens are long random values: a plain SHA-256 is enough to keep them. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest();
}
