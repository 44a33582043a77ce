import type { Uuid } from '@app/domain';
import type { CredentialRepository, OpenedCredential } from '@app/persistence';
import type { ProviderCredential } from '@app/providers';
import { LRUCache } from 'lru-cache';

/** How long an opened credential is used before its row is looked at again. */
const FRESH_MS = 10_000;

/** Opened credentials in memory: one read and one decryption for thousands of pushes. */
export class Credentials {
  private readonly cache: LRUCache<Uuid, { credential: ProviderCredential | null }, Uuid>;

  /** @param perf the clock of the cache, for tests. */
  constructor(
    repository: Pick<CredentialRepository, 'open'>,
    perf: { now: () => number } = performance,
  ) {
    this.cache = new LRUCache({
      max: 200,
      ttl: FRESH_MS,
      ttlResolution: 0,
      perf,
      // Who waits for a read that is forgotten meanwhile has its answer; nobody else does.
      ignoreFetchAbort: true,
      fetchMethod: async (id, _stale, { context: accountId }) => {
        const opened = await repository.open(accountId, id);
        return { credential: opened === null ? null : toProviderCredential(opened) };
      },
    });
  }

  /**
   * @param fresh its row is looked at, whatever is remembered.
   * @returns null when the credential was deleted.
   * @throws Unavailable; Error when its secret does not open.
   */
  async get(accountId: Uuid, id: Uuid, fresh = false): Promise<ProviderCredential | null> {
    const entry = await this.cache.fetch(id, { context: accountId, forceRefresh: fresh });
    return entry?.credential ?? null;
  }

  /** The next one who asks looks at its row. */
  forget(id: Uuid): void {
    this.cache.delete(id);
  }

  /** Some of them changed: the next one who asks for any looks at its row. */
  forgetAll(): void {
    this.cache.clear();
  }
}

/** The secret is what the providers' own parser made of the upload: sealed since, so unaltered. */
function toProviderCredential({
  id,
  version,
  credentialType,
  secret,
}: OpenedCredential): ProviderCredential {
  return { id, version, type: credentialType, content: secret } as ProviderCredential;
}
