import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { openTempFolder, processesOf, remove, startCommand } from './command.js';

describe('npm test', () => {
  let temp: string;

  beforeEach(() => {
    temp = openTempFolder();
  });

  afterEach(() => remove(temp));

  const test = (pattern: string) => startCommand(['scripts/run.js', 'test', pattern], temp);

  it('may run twice side by side, and its last line is the sum', async () => {
    const runs = [test('test/support/database.medium'), test('test/support/database.medium')];
    for (const run of runs) {
      expect([await run.ended, run.output()]).toEqual([0, expect.any(String)]);
      // The build is one test, the file has three.
      expect(run.output().trim().split('\n').at(-1)).toBe('4 passed, 0 failed');
    }
    expect(processesOf(temp)).toEqual([]);
    expect(readdirSync(temp).filter((name) => name.startsWith('fanfare'))).toEqual([]);
  });

  it('stops everything on Ctrl-C', async () => {
    const run = test('test/support/database.medium');
    await run.says('Build');
    run.signal('SIGINT');
    expect(await run.ended).toBe(130);
    expect(processesOf(temp)).toEqual([]);
  });
});
