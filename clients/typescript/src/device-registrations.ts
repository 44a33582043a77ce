import type {
  DeviceRegistration,
  DeviceRegistrationList,
  ListDeviceRegistrationsQuery,
  Register,
  ResourceAccepted,
} from './contract.js';
import type { Listing } from './listing.js';
import { pathOf } from './requests.js';
import type { Query, Requests } from './requests.js';
import type { CallOptions } from './transport.js';

const ROOT = 'PushNotifications/DeviceRegistrations';

export class DeviceRegistrations {
  constructor(private readonly requests: Requests) {}

  /** The same token again makes no new device, so a repetition is harmless. */
  register(device: Register, options?: CallOptions): Promise<ResourceAccepted> {
    return this.requests.ask(ROOT, device, options);
  }

  /** Of one user, newest first. */
  list(
    query: Query<ListDeviceRegistrationsQuery>,
    options?: CallOptions,
  ): Listing<DeviceRegistrationList, DeviceRegistration> {
    return this.requests.list(
      ROOT,
      query,
      ({ deviceRegistrations }: DeviceRegistrationList) => deviceRegistrations,
      options,
    );
  }

  fetch(id: string, options?: CallOptions): Promise<DeviceRegistration> {
    return this.requests.get(`${ROOT}/${pathOf(id)}`, options);
  }

  /** Ends pushes to its user in its App. */
  delete(id: string, options?: CallOptions): Promise<ResourceAccepted> {
    return this.requests.change('DELETE', `${ROOT}/${pathOf(id)}`, undefined, options);
  }
}
