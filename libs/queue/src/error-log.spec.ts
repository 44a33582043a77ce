import { describe, expect, it } from '@jest/globals';
import { ErrorLog } from './error-log.js';

describe('ErrorLog', () => {
  it('logs the first of a kind, then how many it left out, each kind on its own', () => {
    const lines: unknown[][] = [];
    let now = 0;
    const log = new ErrorLog({ warn: (...args: unknown[]) => lines.push(args) }, () => now);
    const err = new Error('refused');
    for (const at of [0, 1, 9_999]) {
      now = at;
      log.warn('Redis connection failed', err);
    }
    log.warn('Queue failed', err);
    now = 10_000;
    log.warn('Redis connection failed', err);
    expect(lines).toEqual([
      [{ err, suppressed: 0 }, 'Redis connection failed'],
      [{ err, suppressed: 0 }, 'Queue failed'],
      [{ err, suppressed: 2 }, 'Redis connection failed'],
    ]);
  });
});
