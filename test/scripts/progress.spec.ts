import { describe, expect, it } from '@jest/globals';
import { createProgress } from '../../scripts/progress.js';

describe('progress', () => {
  function run(isTTY: boolean): string {
    let text = '';
    let now = 0;
    const out = { isTTY, write: (more: string) => (text += more) };
    const progress = createProgress(out, 200, () => now);
    for (const [at, done] of [
      [400, 10],
      [1000, 50],
      [1600, 100],
      [2100, 200],
    ] as const) {
      now = at;
      progress.show(done);
    }
    progress.end();
    return text;
  }

  const bar = (filled: number) => `[${'#'.repeat(filled)}${'.'.repeat(40 - filled)}]`;

  it('stays in its line on a terminal', () => {
    expect(run(true)).toBe(
      `\r  ${bar(2)} 10 of 200  0.4 s\r  ${bar(10)} 50 of 200  1.0 s` +
        `\r  ${bar(20)} 100 of 200  1.6 s\r  ${bar(40)} 200 of 200  2.1 s\n`,
    );
  });

  it('is a line a second elsewhere', () => {
    expect(run(false)).toBe(`  ${bar(10)} 50 of 200  1.0 s\n  ${bar(40)} 200 of 200  2.1 s\n`);
  });

  it('has a last line whatever happened within its second', () => {
    let text = '';
    const progress = createProgress({ write: (more) => (text += more) }, 2, () => 0);
    progress.show(1);
    progress.show(2);
    progress.end();
    expect(text).toBe(`  ${bar(40)} 2 of 2  0.0 s\n`);
  });
});
