import { describe, expect, it } from '@jest/globals';
import { isConnectionLoss } from './postgres.js';

const withCode = (code: string, message = 'x') => Object.assign(new Error(message), { code });

describe('isConnectionLoss', () => {
  it.each(['08006', '53300', '57P01', '57P03', 'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT'])(
    'waits before it tries again after %s',
    (code) => {
      expect(isConnectionLoss(withCode(code))).toBe(true);
    },
  );

  it.each(['Connection terminated unexpectedly', 'timeout exceeded when trying to connect'])(
    'knows the driver’s own words: %s',
    (message) => {
      expect(isConnectionLoss(new Error(message))).toBe(true);
    },
  );

  it.each([
    withCode('BM001'),
    withCode('40P01'),
    withCode('57014'),
    new Error('x'),
    'x',
    undefined,
  ])('takes nothing else for it: %p', (error) => {
    expect(isConnectionLoss(error)).toBe(false);
  });
});
