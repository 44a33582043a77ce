import { describe, expect, it } from '@jest/globals';
import { invalidHeader, pathSegment } from './headers.js';

describe('invalidHeader', () => {
  it.each(['a', 'a b', 'a\tb', '!~', 'bearer x.y-z_='])('lets %j pass', (value) => {
    expect(invalidHeader([':path', '/', 'apns-collapse-id', value])).toBe(undefined);
  });

  it.each(['', ' a', 'a ', '\t', 'a\nb', 'a\r\nb: c', 'a\u0000', 'ключ', 'é', '\u007f', '\ud800'])(
    'names the header whose value is %j',
    (value) => {
      expect(invalidHeader([':path', '/', 'apns-collapse-id', value])).toBe('apns-collapse-id');
    },
  );

  it.each(['Apns-Id', 'a b', '', 'a:b', 'é'])('refuses the name %j', (name) => {
    expect(invalidHeader([name, 'x'])).toBe(name);
  });

  it('refuses a name without a value', () => {
    expect(invalidHeader([':path', '/', 'apns-id'])).toBe('apns-id');
  });
});

describe('pathSegment', () => {
  it.each([
    ['abc123', 'abc123'],
    ['../../admin', '..%2F..%2Fadmin'],
    ['a?b#c d', 'a%3Fb%23c%20d'],
    ['a\u0000\r\n', 'a%00%0D%0A'],
    ['é', '%C3%A9'],
    ['...', '...'],
    ['a'.repeat(4_096), 'a'.repeat(4_096)],
  ])('encodes %j', (text, encoded) => {
    expect(pathSegment(text)).toBe(encoded);
  });

  it.each(['', '.', '..', '\ud800', 'a'.repeat(4_097), ' '.repeat(2_000)])(
    'has no segment for %j',
    (text) => {
      expect(pathSegment(text)).toBeUndefined();
    },
  );
});
