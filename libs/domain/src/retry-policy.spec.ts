import { describe, expect, it } from '@jest/globals';
import { backoffMs, obeyRetryAfterMs } from './retry-policy.js';

const almostOne = () => 0.999999;

describe('backoffMs', () => {
  it('doubles its ceiling with each counted attempt, up to the cap', () => {
    const policy = { leastMs: 0, baseMs: 1_000, capMs: 6_000 };
    const ceilings = [0, 1, 2, 3, 40].map((n) => backoffMs(policy, n, almostOne) + 1);
    expect(ceilings).toEqual([1_000, 2_000, 4_000, 6_000, 6_000]);
  });

  it('has full jitter: it may return at once', () => {
    expect(backoffMs({ leastMs: 0, baseMs: 1_000, capMs: 6_000 }, 5, () => 0)).toBe(0);
  });

  it('never comes before the interval that a provider names, nor after the cap', () => {
    const policy = { leastMs: 1_000, baseMs: 1_000, capMs: 6_000 };
    expect([0, 1, 40].map((n) => backoffMs(policy, n, () => 0))).toEqual([1_000, 1_000, 1_000]);
    const ceilings = [0, 1, 2, 3, 40].map((n) => backoffMs(policy, n, almostOne) + 1);
    expect(ceilings).toEqual([2_000, 3_000, 5_000, 6_000, 6_000]);
  });
});

describe('obeyRetryAfterMs', () => {
  it('never returns before the provider asked and at most 20 % later', () => {
    expect(obeyRetryAfterMs(10_000, () => 0)).toBe(10_000);
    expect(obeyRetryAfterMs(10_000, almostOne)).toBe(11_999);
  });
});
