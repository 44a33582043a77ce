import { createHash, timingSafeEqual } from 'node:crypto';
import { SCOPES, Unauthorized } from '@app/domain';
import type { Scope, Uuid } from '@app/domain';
import type { AccountFinder, ApiKeyFinder } from '@app/persistence';
import { LRUCache } from 'lru-cache';
import { basicCredentials } from './basic-credentials.js';
import type { BasicCredentials } from './basic-credentials.js';

/** How long a changed token or a revoked key may still be taken. */
const CACHE_MS = 5_000;
const CACHED_CALLERS = 10_000;
const NO_HASH = Buffer.alloc(32);

/** Whom a request proved to come from. */
export interface Caller {
  accountId: Uuid;
  /** What was used; rate limits count by it. */
  kind: BasicCredentials['kind'];
  /** The account's id, or the key's. */
  id: Uuid;
  /** The auth token may do everything. */
  scopes: readonly Scope[];
}

interface Known {
  caller: Caller;
  hash: Buffer;
}

export class Authenticator {
  private readonly known: LRUCache<Uuid, Known>;

  /** @param perf the clock of the cache, for tests. */
  constructor(
    private readonly accounts: Pick<AccountFinder, 'findTokenHash'>,
    private readonly apiKeys: ApiKeyFinder,
    perf: { now: () => number } = performance,
  ) {
    this.known = new LRUCache({ max: CACHED_CALLERS, ttl: CACHE_MS, ttlResolution: 0, perf });
  }

  /**
   * @param header the `Authorization` header.
   * @returns the caller it proves.
   * @throws Unauthorized when it proves none; Unavailable when that cannot be found out.
   */
  async authenticate(header: string | undefined): Promise<Caller> {
    const credentials = basicCredentials(header);
    if (credentials === null) {
      throw new Unauthorized('Account id and auth token, or API key and its secret, are needed.');
    }
    const known = await this.find(credentials);
    // An unknown caller takes the same time as a wrong secret.
    const same = timingSafeEqual(hashToken(credentials.secret), known?.hash ?? NO_HASH);
    if (known === null || !same) throw new Unauthorized('Id or secret is wrong.');
    return known.caller;
  }

  private async find({ kind, id }: BasicCredentials): Promise<Known | null> {
    const cached = this.known.get(id);
    if (cached?.caller.kind === kind) return cached;
    const known = kind === 'account' ? await this.findAccount(id) : await this.findKey(id);
    if (known !== null) this.known.set(id, known);
    return known;
  }

  private async findAccount(id: Uuid): Promise<Known | null> {
    const hash = await this.accounts.findTokenHash(id);
    return hash === null
      ? null
      : { caller: { accountId: id, kind: 'account', id, scopes: SCOPES }, hash };
  }

  private async findKey(id: Uuid): Promise<Known | null> {
    const key = await this.apiKeys.findApiKey(id);
    if (key === null) return null;
    const { accountId, scopes, secretHash } = key;
    return { caller: { accountId, kind: 'apiKey', id, scopes }, hash: secretHash };
  }
}

/** Tokens are long random values: a plain SHA-256 is enough to keep them. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest();
}
