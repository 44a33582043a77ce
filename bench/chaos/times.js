/** Leases and deadlines of the house, a tenth of their defaults: what heals by itself heals within a short run. */

/** A lease of a claim. Milliseconds, as all of these. */
export const LEASE_MS = 5_000;

/** Between the deadline of a request and the end of its lease. */
export const LEASE_MARGIN_MS = 1_000;

export const REQUEST_TIMEOUT_MS = 1_500;

/** No request begins later than this after the claim of its push was asked for. */
export const LATEST_BEGIN_MS = LEASE_MS - REQUEST_TIMEOUT_MS - LEASE_MARGIN_MS;

/**
 * Where nothing is to be broken, nothing has to heal soon, and a busy machine is no fault: an attempt that takes long is not
 * given up, and a job is not missed.
 */
export const UNDISTURBED = {
  LEASE_MS: '20000',
  REQUEST_TIMEOUT_MS: '10000',
  PING_TIMEOUT_MS: '10000',
  LOST_AFTER_MS: '60000',
};
