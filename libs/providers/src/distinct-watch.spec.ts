import { describe, expect, it } from '@jest/globals';
import { DistinctWatch } from './distinct-watch.js';

describe('DistinctWatch', () => {
  it('takes three different tokens within ten seconds for the project', () => {
    const watch = new DistinctWatch();
    expect([watch.note('a', 0), watch.note('b', 5_000), watch.note('c', 10_000)]).toEqual([
      false,
      false,
      true,
    ]);
  });

  it('takes one token, however often, for one device', () => {
    const watch = new DistinctWatch();
    expect([1, 2, 3, 4].map((t) => watch.note('a', t))).not.toContain(true);
  });

  it('forgets what is older', () => {
    const watch = new DistinctWatch();
    watch.note('a', 0);
    watch.note('b', 9_000);
    expect(watch.note('c', 10_001)).toBe(false);
    expect(watch.note('d', 10_002)).toBe(true);
  });

  it('waits as long as it is told to, and forgets all when a push was taken', () => {
    const hourMs = 3_600_000;
    const watch = new DistinctWatch(6 * hourMs);
    expect(['a', 'b', 'c'].map((token, at) => watch.note(token, at * 3 * hourMs))).toEqual([
      false,
      false,
      true,
    ]);
    watch.reset();
    expect(['a', 'b'].map((token) => watch.note(token, 7 * hourMs))).toEqual([false, false]);
    expect(watch.note('c', 13 * hourMs + 1)).toBe(false);
  });

  it('holds no more than it needs', () => {
    const watch = new DistinctWatch();
    for (let i = 0; i < 1_000; i += 1) watch.note(`t${i}`, 0);
    expect((watch as unknown as { seen: Map<string, number> }).seen.size).toBe(3);
  });
});
