import { closeSync, openSync, writeSync } from 'node:fs';
import type { LedgerEntry } from './ledger.js';

/**
 * The ledger on disk: a line of JSON an entry, appended by one write before the answer leaves, so that
 * what a killed simulator has accepted is known. What was in the file stays: a restart goes on with it.
 */
export class LedgerFile {
  private readonly descriptor: number;

  /** @throws Error when the file cannot be opened. */
  constructor(path: string) {
    this.descriptor = openSync(path, 'a', 0o600);
  }

  append({ provider, token, id, at, status, reason, accepted }: LedgerEntry): void {
    const line = { provider, token, id, at, status, reason, accepted };
    writeSync(this.descriptor, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
