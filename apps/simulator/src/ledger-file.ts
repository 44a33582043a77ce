import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { LedgerEntry } from './ledger.js';

/** An entry as it lies in the file. */
export type WrittenEntry = Omit<LedgerEntry, 'request'>;

/**
 * The ledger on disk: a line of JSON an entry, appended by one write before the answer leaves, so that
 * what a killed simulator has accepted is known. What was in the file stays: a restart goes on with it.
 */
export class LedgerFile {
  /** What simulators before this one wrote. */
  readonly earlier: readonly WrittenEntry[];
  private readonly descriptor: number;

  /** @throws Error when the file cannot be opened. */
  constructor(path: string) {
    this.earlier = read(path);
    this.descriptor = openSync(path, 'a', 0o600);
  }

  append({ provider, token, id, at, status, reason, accepted }: LedgerEntry): void {
    const line: WrittenEntry = { provider, token, id, at, status, reason, accepted };
    writeSync(this.descriptor, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

function read(path: string): WrittenEntry[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  // A line without its end was being written when the simulator was killed: it was not answered.
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as WrittenEntry);
}
