import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LedgerFile } from './ledger-file.js';
import { Ledger } from './ledger.js';

describe('the ledger on disk', () => {
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'fanfare-ledger-'));
  });

  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const kept = (token: string) => ({
    provider: 'apns' as const,
    token,
    id: 'one',
    at: 5,
    status: 200,
    reason: null,
    accepted: true,
  });

  const entry = (token: string) => ({
    ...kept(token),
    request: { headers: { authorization: 'secret' }, body: '{}' },
  });

  it('holds a line an entry, without what came with it, and goes on after a restart', () => {
    const path = join(dir, 'ledger.ndjson');
    for (const token of ['a', 'b']) {
      const file = new LedgerFile(path);
      new Ledger(1, 0, (each) => file.append(each)).record(entry(token));
      file.close();
    }
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([kept('a'), kept('b')]);
  });

  it('gives back what simulators before it wrote, but for a line that was cut off', () => {
    const path = join(dir, 'ledger.ndjson');
    const first = new LedgerFile(path);
    expect(first.earlier).toEqual([]);
    for (const token of ['a', 'b']) first.append(entry(token));
    first.close();
    appendFileSync(path, '{"provider":"ap');
    const second = new LedgerFile(path);
    expect(second.earlier).toEqual([kept('a'), kept('b')]);
    second.close();
  });

  it('is written before record() returns', () => {
    const path = join(dir, 'ledger.ndjson');
    const file = new LedgerFile(path);
    const ledger = new Ledger(10, 10, (each) => file.append(each));
    ledger.record(entry('a'));
    expect(readFileSync(path, 'utf8')).toContain('"token":"a"');
    file.close();
  });

  it('says when it cannot be opened', () => {
    expect(() => new LedgerFile(join(dir, 'none', 'ledger'))).toThrow('ENOENT');
  });
});
