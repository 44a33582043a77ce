import { describe, expect, it } from '@jest/globals';
import { Send } from './send.js';

const content = { body: 'Hello {{name}}' };
const recipient = (i: number) => ({
  token: `${'t'.repeat(150)}${i}`,
  provider: i % 2 === 0 ? 'FCM' : 'APN',
  variables: { name: `Ann ${i}`, city: 'Bern', one: '1', two: '2' },
});

describe('Send', () => {
  it('fills in what is left out', () => {
    expect(Send.parse({ to: [recipient(1)], content })).toEqual({
      to: [recipient(1)],
      content,
      priority: 'HIGH',
      sound: null,
      ttlSeconds: 2_419_200,
    });
  });

  it('keeps names that only look like JavaScript’s own', () => {
    const variables = { constructor: 'a', prototype: 'b', toString: 'c' };
    const to = [{ token: 't', provider: 'FCM', variables }];
    expect(Send.parse({ to, content }).to[0]).toEqual(to[0]);
  });

  it('refuses a million recipients without looking at them', () => {
    let looks = 0;
    const watched = new Proxy({}, { get: () => looks++, has: () => (looks++, true) });
    const result = Send.safeParse({ to: Array(1_000_000).fill(watched), content });
    expect(result.error?.issues.map(({ path }) => path)).toEqual([['to']]);
    expect(looks).toBe(0);
  });

  it('stops at the first fault of a map', () => {
    const variables = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, i]));
    const to = [{ token: 't', provider: 'FCM', variables }];
    const issues = Send.safeParse({ to, content }).error?.issues;
    expect(issues?.map(({ path }) => path)).toEqual([['to', 0, 'variables', 'k0']]);
  });

  it('counts bytes, not characters', () => {
    const send = (collapseKey: string) =>
      Send.safeParse({ to: [recipient(1)], content, collapseKey });
    expect(send('é'.repeat(32)).success).toBe(true);
    expect(send('é'.repeat(33)).success).toBe(false);
  });

  it('checks 10,000 recipients in a moment', () => {
    const body = { to: Array.from({ length: 10_000 }, (_, i) => recipient(i)), content };
    const times = Array.from({ length: 5 }, () => {
      const begin = performance.now();
      Send.parse(body);
      return performance.now() - begin;
    });
    // Measured: 3 to 12 ms. The bound leaves room for a busy machine, not for a slow schema.
    expect(Math.min(...times)).toBeLessThan(60);
  });
});
