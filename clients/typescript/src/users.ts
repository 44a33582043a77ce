import type { ListUsersQuery, ResourceAccepted, User, UserList } from './contract.js';
import type { Listing } from './listing.js';
import { pathOf } from './requests.js';
import type { Query, Requests } from './requests.js';
import type { CallOptions } from './transport.js';

const ROOT = 'PushNotifications/Users';

/** Made by registering a device. */
export class Users {
  constructor(private readonly requests: Requests) {}

  /** Newest first. */
  list(query: Query<ListUsersQuery> = {}, options?: CallOptions): Listing<UserList, User> {
    return this.requests.list(ROOT, query, ({ users }: UserList) => users, options);
  }

  fetch(id: string, options?: CallOptions): Promise<User> {
    return this.requests.get(`${ROOT}/${pathOf(id)}`, options);
  }

  /** With all registrations. */
  delete(id: string, options?: CallOptions): Promise<ResourceAccepted> {
    return this.requests.change('DELETE', `${ROOT}/${pathOf(id)}`, undefined, options);
  }
}
