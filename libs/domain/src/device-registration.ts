import type { Uuid } from './ids.js';
import type { ProviderKind } from './push-notification.js';

/** The devices of a user in an App: one a pair, never without a device. */
export interface DeviceRegistration {
  id: Uuid;
  appName: string;
  userId: Uuid;
  /** First registered first. */
  devices: { token: string; provider: ProviderKind }[];
}

export const MAX_DEVICES_PER_REGISTRATION = 50;
