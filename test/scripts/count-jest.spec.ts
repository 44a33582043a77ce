import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countJest } from '../../scripts/test.js';

describe('the sum of Jest’s tests', () => {
  let folder: string;
  let report: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fanfare-count-'));
    report = join(folder, 'jest.json');
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it.each([
    ['all well', [5, 0, 1, 1, 0], 0, { passed: 5, failed: 0, skipped: 2 }],
    ['a failed test', [5, 2, 0, 0, 0], 1, { passed: 5, failed: 2, skipped: 0 }],
    ['a file that does not load', [5, 0, 0, 0, 1], 1, { passed: 5, failed: 1, skipped: 0 }],
    ['a Jest that fails by itself', [5, 0, 0, 0, 0], 1, { passed: 5, failed: 1, skipped: 0 }],
  ])('%s', (_name, [passed, failed, pending, todo, broken], code, counts) => {
    writeFileSync(
      report,
      JSON.stringify({
        numPassedTests: passed,
        numFailedTests: failed,
        numPendingTests: pending,
        numTodoTests: todo,
        numRuntimeErrorTestSuites: broken,
      }),
    );
    expect(countJest(report, code)).toEqual(counts);
  });

  it('no report', () => {
    expect(countJest(report, 137)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});
