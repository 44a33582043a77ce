import { ApiKeys } from './api-keys.js';
import { Apps } from './apps.js';
import { Credentials } from './credentials.js';
import { DeviceRegistrations } from './device-registrations.js';
import { PushNotifications } from './push-notifications.js';
import { Requests } from './requests.js';
import { Transport } from './transport.js';
import type { TransportOptions } from './transport.js';
import { Users } from './users.js';

export type ClientOptions = TransportOptions &
  ({ accountId: string; authToken: string } | { apiKey: string; apiKeySecret: string });

/** One caller of one gateway. */
export class FanfareClient {
  readonly pushNotifications: PushNotifications;
  readonly deviceRegistrations: DeviceRegistrations;
  readonly credentials: Credentials;
  readonly apps: Apps;
  readonly users: Users;
  readonly apiKeys: ApiKeys;

  constructor(options: ClientOptions) {
    const requests = new Requests(new Transport(authorizationOf(options), options));
    this.pushNotifications = new PushNotifications(requests);
    this.deviceRegistrations = new DeviceRegistrations(requests);
    this.credentials = new Credentials(requests);
    this.apps = new Apps(requests);
    this.users = new Users(requests);
    this.apiKeys = new ApiKeys(requests);
  }
}

function authorizationOf(options: ClientOptions): string {
  const pair =
    'apiKey' in options
      ? `${options.apiKey}:${options.apiKeySecret}`
      : `${options.accountId}:${options.authToken}`;
  const bytes = new TextEncoder().encode(pair);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}
