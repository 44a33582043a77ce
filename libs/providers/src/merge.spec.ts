import { describe, expect, it } from '@jest/globals';
import { merge } from './merge.js';

describe('merge', () => {
  it('goes into objects and replaces everything else', () => {
    expect(merge({ a: { b: 1, c: [1] }, d: 'x' }, { a: { c: [2], e: null }, d: { f: 1 } })).toEqual(
      { a: { b: 1, c: [2], e: null }, d: { f: 1 } },
    );
  });

  it('changes neither side', () => {
    const base = { a: { b: 1 } };
    const overrides = { a: { c: 2 } };
    merge(base, overrides);
    expect([base, overrides]).toEqual([{ a: { b: 1 } }, { a: { c: 2 } }]);
  });

  it('gives no prototype to the result', () => {
    const merged = merge({ a: {} }, JSON.parse('{"__proto__":{"x":1},"a":{"__proto__":{"x":1}}}'));
    expect(merged['x']).toBeUndefined();
    expect((merged['a'] as Record<string, unknown>)['x']).toBeUndefined();
  });
});
