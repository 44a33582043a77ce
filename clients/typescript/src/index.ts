export { FanfareClient } from './client.js';
export type { ClientOptions } from './client.js';
export { FanfareConnectionError, FanfareError } from './errors.js';
export type { Fault } from './errors.js';
export type { Listing } from './listing.js';
export type { OnceOptions, Query } from './requests.js';
export type { CallOptions, TransportOptions } from './transport.js';
export type * from './contract.js';
