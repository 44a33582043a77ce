import type { App, AppList, DefaultChange, ListAppsQuery, ResourceAccepted } from './contract.js';
import type { Listing } from './listing.js';
import { pathOf } from './requests.js';
import type { Query, Requests } from './requests.js';
import type { CallOptions } from './transport.js';

const ROOT = 'PushNotifications/Apps';

/** Made by their first credential, deleted with their last. */
export class Apps {
  constructor(private readonly requests: Requests) {}

  /** Newest first. */
  list(query: Query<ListAppsQuery> = {}, options?: CallOptions): Listing<AppList, App> {
    return this.requests.list(ROOT, query, ({ apps }: AppList) => apps, options);
  }

  fetch(name: string, options?: CallOptions): Promise<App> {
    return this.requests.get(`${ROOT}/${pathOf(name)}`, options);
  }

  update(name: string, change: DefaultChange, options?: CallOptions): Promise<ResourceAccepted> {
    return this.requests.change('PATCH', `${ROOT}/${pathOf(name)}`, change, options);
  }
}
