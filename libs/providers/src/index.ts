import { systemClock } from '@app/domain';
import type { Clock, Random } from '@app/domain';
import { ApnsProvider } from './apns/provider.js';
import type { Warn } from './apns/provider.js';
import { MemoryApnsTokenStore } from './apns/token-store.js';
import { FcmProvider } from './fcm/provider.js';
import type {
  ApnCredential,
  ApnsTokenStore,
  FcmCredential,
  Provider,
  ProviderOptions,
} from './port.js';
import { Transport } from './transport.js';

export { MemoryApnsTokenStore, needsMinting } from './apns/token-store.js';
export type { Warn } from './apns/provider.js';
export * from './port.js';

/** What the adapters are given from outside; each has a default. */
export interface ProviderDeps {
  /** Where all replicas share their APNs tokens. Default: this process alone. */
  apnsTokens?: ApnsTokenStore;
  clock?: Clock;
  random?: Random;
  /** Told when an answer shows a fault of our own. Default: silence. */
  warn?: Warn;
}

/** Every adapter by the name that a recipient carries. */
export interface Providers {
  FCM: Provider<FcmCredential>;
  APN: Provider<ApnCredential>;
}

/** The one registry: a new provider is one folder and one line here. */
export function createProviders(options: ProviderOptions, deps: ProviderDeps = {}): Providers {
  const { clock = systemClock, random = Math.random, warn = () => {} } = deps;
  const apnsTokens = deps.apnsTokens ?? new MemoryApnsTokenStore(clock);
  const transport = new Transport(options, random);
  return {
    FCM: new FcmProvider(options, transport, clock),
    APN: new ApnsProvider(options, transport, clock, apnsTokens, warn),
  };
}
