import type { Random } from './clock.js';
import type { Backoff } from './outcome.js';

/** Everything `settle` needs to know about how patient the operator is. */
export interface RetryPolicy {
  /** Our own retries end this long after the first attempt. */
  retryWindowMs: number;
  /** `unknown` outcomes: send again (at-least-once) or give up (at-most-once). */
  unknown: 'at-least-once' | 'at-most-once';
  /** After so many `unknown` outcomes a push fails. */
  maxUnknown: number;
  /** Where the back-off of an `unknown` outcome starts. */
  unknownBackoff: Backoff;
  /** How long a refused credential rests, doubled with each probe that is refused too. */
  refusedBackoff: Backoff;
}

export const defaultRetryPolicy: RetryPolicy = {
  retryWindowMs: 24 * 3_600_000,
  unknown: 'at-least-once',
  maxUnknown: 3,
  unknownBackoff: { leastMs: 0, baseMs: 1_000, capMs: 60_000 },
  refusedBackoff: { leastMs: 0, baseMs: 60_000, capMs: 15 * 60_000 },
};

/**
 * Full-jitter exponential back-off: uniform in [least, min(cap, least + base × 2^attempts)).
 *
 * @param attempts counted attempts before this one (0 for the first).
 * @returns milliseconds.
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
export function backoffMs(backoff: Backoff, attempts: number, random: Random): number {
  const { leastMs, baseMs, capMs } = backoff;
  const spread = Math.min(capMs - leastMs, baseMs * 2 ** Math.min(attempts, 30));
  return leastMs + Math.floor(random() * spread);
}

/**
 * A provider's Retry-After is a floor: add up to 20 % so that a fleet does not return as one.
 *
 * @returns milliseconds.
 */
export function obeyRetryAfterMs(afterMs: number, random: Random): number {
  return Math.floor(afterMs * (1 + 0.2 * random()));
}
