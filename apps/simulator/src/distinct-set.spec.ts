import { describe, expect, it } from '@jest/globals';
import { DistinctSet } from './distinct-set.js';

describe('a distinct set', () => {
  it('tells similar keys apart, and knows each again, while it grows', () => {
    const set = new DistinctSet();
    const keys = Array.from({ length: 20_000 }, (_, i) => [`token-${i % 100}`, `id-${i}`] as const);
    expect(keys.every(([token, id]) => set.add(0, token, id))).toBe(true);
    expect(keys.some(([token, id]) => set.add(0, token, id))).toBe(false);
    expect(set.size).toBe(20_000);
    expect(set.exact).toBe(true);
  });

  it('keeps kind, first and second apart', () => {
    const set = new DistinctSet();
    const added = [set.add(0, 'ab', 'c'), set.add(0, 'a', 'bc'), set.add(1, 'ab', 'c')];
    expect(added).toEqual([true, true, true]);
    expect(set.add(0, 'a', '')).toBe(true);
    expect(set.add(0, '', 'a')).toBe(true);
  });

  it('says when it had to give up', () => {
    const set = new DistinctSet(2);
    expect([set.add(0, 'a', ''), set.add(0, 'b', ''), set.exact]).toEqual([true, true, true]);
    expect(set.add(0, 'a', '')).toBe(false);
    expect([set.add(0, 'c', ''), set.exact, set.size]).toEqual([true, false, 2]);
    set.clear();
    expect([set.add(0, 'a', ''), set.exact, set.size]).toEqual([true, true, 1]);
  });
});
