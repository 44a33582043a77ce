import { describe, expect, it } from '@jest/globals';
import { retryAfterMs } from './retry-after.js';

const now = new Date('2026-04-20T14:22:00Z');

describe('retryAfterMs', () => {
  it.each([
    ['7', 7_000],
    [' 0 ', 0],
    ['Mon, 20 Apr 2026 14:23:30 GMT', 90_000],
    ['Mon, 20 Apr 2026 14:21:00 GMT', 0],
    ['999999999', 86_400_000],
    ['Tue, 20 Apr 2027 14:21:00 GMT', 86_400_000],
  ])('reads %j as %d ms', (value, expected) => {
    expect(retryAfterMs(value, now)).toBe(expected);
  });

  it.each([undefined, '', 'soon', '-3', '1.5', '2026-04-20', 'Mon, 20 Xyz 2026 14:23:30 GMT'])(
    'takes nothing from %j',
    (value) => {
      expect(retryAfterMs(value, now)).toBeUndefined();
    },
  );
});
