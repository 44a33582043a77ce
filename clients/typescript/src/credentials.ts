import type {
  Credential,
  CredentialCheck,
  CredentialContent,
  CredentialCreate,
  CredentialList,
  DefaultChange,
  ListCredentialsQuery,
  ResourceAccepted,
} from './contract.js';
import type { Listing } from './listing.js';
import { pathOf } from './requests.js';
import type { Query, Requests } from './requests.js';
import type { CallOptions } from './transport.js';

const ROOT = 'PushNotifications/Credentials';

export class Credentials {
  constructor(private readonly requests: Requests) {}

  /** Each call makes another one, so it is repeated only where the gateway refused it unseen (429). */
  create(credential: CredentialCreate, options?: CallOptions): Promise<ResourceAccepted> {
    return this.requests.make(ROOT, credential, options);
  }

  /** Newest first. */
  list(
    query: Query<ListCredentialsQuery> = {},
    options?: CallOptions,
  ): Listing<CredentialList, Credential> {
    return this.requests.list(
      ROOT,
      query,
      ({ credentials }: CredentialList) => credentials,
      options,
    );
  }

  /** Never the secret. */
  fetch(id: string, options?: CallOptions): Promise<Credential> {
    return this.requests.get(`${ROOT}/${pathOf(id)}`, options);
  }

  update(id: string, change: DefaultChange, options?: CallOptions): Promise<ResourceAccepted> {
    return this.requests.change('PATCH', `${ROOT}/${pathOf(id)}`, change, options);
  }

  /** Puts a new secret in place; sends in flight finish on the old one. */
  rotate(id: string, content: CredentialContent, options?: CallOptions): Promise<ResourceAccepted> {
    return this.requests.change('PUT', `${ROOT}/${pathOf(id)}/Content`, content, options);
  }

  /** Asks the provider whether it works. @throws FanfareError with status 503 when no worker can say in time. */
  check(id: string, options?: CallOptions): Promise<CredentialCheck> {
    return this.requests.ask(`${ROOT}/${pathOf(id)}/Check`, undefined, options);
  }

  delete(id: string, options?: CallOptions): Promise<ResourceAccepted> {
    return this.requests.change('DELETE', `${ROOT}/${pathOf(id)}`, undefined, options);
  }
}
