/** Source of the current instant. Injected everywhere so that a test can move it. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };

/** Source of randomness for jitter: a number in [0, 1). */
export type Random = () => number;
