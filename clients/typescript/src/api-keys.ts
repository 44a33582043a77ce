import type {
  ApiKey,
  ApiKeyCreate,
  ApiKeyCreated,
  ApiKeyList,
  ListApiKeysQuery,
  ResourceAccepted,
} from './contract.js';
import type { Listing } from './listing.js';
import { pathOf } from './requests.js';
import type { Query, Requests } from './requests.js';
import type { CallOptions } from './transport.js';

const ROOT = 'ApiKeys';

export class ApiKeys {
  constructor(private readonly requests: Requests) {}

  /** The secret is in this answer and nowhere else. Repeated only after a 429. */
  create(key: ApiKeyCreate, options?: CallOptions): Promise<ApiKeyCreated> {
    return this.requests.make(ROOT, key, options);
  }

  /** Newest first. */
  list(query: Query<ListApiKeysQuery> = {}, options?: CallOptions): Listing<ApiKeyList, ApiKey> {
    return this.requests.list(ROOT, query, ({ apiKeys }: ApiKeyList) => apiKeys, options);
  }

  fetch(id: string, options?: CallOptions): Promise<ApiKey> {
    return this.requests.get(pathOf(ROOT, id), options);
  }

  revoke(id: string, options?: CallOptions): Promise<ResourceAccepted> {
    return this.requests.change('DELETE', pathOf(ROOT, id), undefined, options);
  }
}
