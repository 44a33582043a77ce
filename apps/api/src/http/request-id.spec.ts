import { describe, expect, it } from '@jest/globals';
import { requestId } from './request-id.js';

const idFor = (given?: string) =>
  requestId({ headers: given === undefined ? {} : { 'x-request-id': given } });

describe('requestId', () => {
  it.each(['a', 'job-7/run:3', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'])(
    'keeps %s',
    (given) => {
      expect(idFor(given)).toBe(given);
    },
  );

  it.each([undefined, '', 'two words', 'a\nb', '{"x":1}', 'é', 'x'.repeat(129)])(
    'makes its own for %j',
    (given) => {
      expect(idFor(given)).toMatch(/^[0-9a-f-]{36}$/);
    },
  );
});
