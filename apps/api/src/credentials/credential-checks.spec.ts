import { setTimeout as later } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { Unavailable, newId } from '@app/domain';
import type { QueueConnection } from '@app/queue';
import { CredentialChecks } from './credential-checks.js';

const TIMEOUT_MS = 200;

describe('CredentialChecks', () => {
  it('waits no longer for the first connection to the queue than for everything', async () => {
    const begin = performance.now();
    const checks = new CredentialChecks({ get: () => new Promise(() => undefined) }, TIMEOUT_MS);
    await expect(checks.ask(newId(), newId())).rejects.toBeInstanceOf(Unavailable);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(TIMEOUT_MS - 1);
  });

  it('leaves the rest of its time to the check', async () => {
    const connectMs = TIMEOUT_MS / 2;
    const left: number[] = [];
    const connection = {
      usable: async (ms: number) => {
        left.push(ms);
        throw new Error('away');
      },
    } as unknown as QueueConnection;
    const checks = new CredentialChecks(
      { get: async () => (await later(connectMs), connection) },
      TIMEOUT_MS,
    );
    await expect(checks.ask(newId(), newId())).rejects.toBeInstanceOf(Unavailable);
    expect(left).toHaveLength(1);
    expect(left[0]).toBeLessThanOrEqual(TIMEOUT_MS - connectMs + 1);
  });
});
