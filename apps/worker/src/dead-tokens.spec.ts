import { describe, expect, it } from '@jest/globals';
import { newId, type Outcome } from '@app/domain';
import type { ClaimedPush, DeadToken } from '@app/persistence';
import { DeadTokens } from './dead-tokens.js';

const at = (second: number) => new Date(Date.UTC(2026, 3, 20, 14, 22, second));
const push = (over: Partial<ClaimedPush> = {}): ClaimedPush => ({
  id: newId(),
  accountId: newId(),
  operationId: newId(),
  provider: 'APN',
  credentialId: newId(),
  token: 'token',
  variables: null,
  lease: 1,
  leaseLost: false,
  attemptCount: 0,
  unknownCount: 0,
  wasBlamed: false,
  firstAttemptAt: null,
  expiresAt: at(59),
  claimedAt: at(10),
  waitedMs: 0,
  isCanceled: false,
  probing: false,
  ...over,
});
const gone: Outcome = { kind: 'unregistered', status: 410, reason: 'Unregistered', message: '' };

interface Given {
  registeredAt?: Date | null | Error;
  /** How often retiring fails before it works. */
  failures?: number;
  wait?: (ms: number) => Promise<void>;
}

function make({ registeredAt = null, failures = 0, wait }: Given = {}) {
  const tried: (readonly DeadToken[])[] = [];
  const waits: number[] = [];
  const warnings: unknown[] = [];
  let looks = 0;
  let retired = 0;
  const tokens = new DeadTokens(
    {
      registeredAt: (asked) => {
        looks++;
        return registeredAt instanceof Error
          ? Promise.reject(registeredAt)
          : Promise.resolve(asked.map(() => registeredAt));
      },
      retire: (batch) => {
        tried.push(batch);
        return tried.length <= failures
          ? Promise.reject(new Error('database away'))
          : Promise.resolve(batch.length);
      },
    },
    {
      onRetired: (count) => (retired += count),
      logger: { warn: (fields: unknown) => void warnings.push(fields) },
      wait: (ms) => {
        waits.push(ms);
        return wait?.(ms) ?? Promise.resolve();
      },
    },
  );
  return { tokens, tried, waits, warnings, looks: () => looks, retired: () => retired };
}

describe('the 410 of a token that was registered after its death', () => {
  it('is a token that does not fit', async () => {
    const { tokens } = make({ registeredAt: at(5) });
    const outcome = await tokens.heed(push(), { ...gone, since: at(4) });
    expect(outcome).toMatchObject({ kind: 'invalid-token', reason: 'Unregistered' });
    expect(await tokens.heed(push(), { ...gone, since: at(6) })).toMatchObject(gone);
  });

  it('is looked up for such answers only', async () => {
    const { tokens, looks } = make({ registeredAt: at(5) });
    const accepted: Outcome = { kind: 'accepted', providerMessageId: 'm' };
    expect(await tokens.heed(push(), accepted)).toBe(accepted);
    expect(await tokens.heed(push(), gone)).toBe(gone);
    expect(looks()).toBe(0);
  });

  it('stays what it is when nobody can be asked', async () => {
    const { tokens } = make({ registeredAt: new Error('database away') });
    const outcome: Outcome = { ...gone, since: at(4) };
    expect(await tokens.heed(push(), outcome)).toBe(outcome);
  });
});

describe('retiring', () => {
  it('goes by batches, each token with the instant before which it counts', async () => {
    const { tokens, tried, retired } = make();
    tokens.retire(push({ token: 'a' }), { since: null });
    tokens.retire(push({ token: 'b' }), { since: at(3) });
    await tokens.stop();
    expect(tried.flat().map((one) => [one.token, one.registeredBefore])).toEqual([
      ['a', at(10)],
      ['b', at(3)],
    ]);
    expect(tried).toHaveLength(1);
    expect(retired()).toBe(2);
  });

  it('is tried again while the database is away', async () => {
    const done = new Promise<void>((resolve) => {
      const { tokens, tried } = make({
        failures: 3,
        wait: () => {
          if (tried.length === 3) resolve();
          return Promise.resolve();
        },
      });
      tokens.retire(push(), { since: null });
    });
    await done;
  });

  it('is given up after 12.7 s of it', async () => {
    const { tokens, tried, waits, warnings } = make({ failures: Infinity });
    tokens.retire(push(), { since: null });
    while (warnings.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(waits.reduce((sum, ms) => sum + ms, 0)).toBe(12_700);
    expect(tried).toHaveLength(8);
    expect(warnings).toEqual([expect.objectContaining({ tokens: 1 })]);
    // The next one is tried afresh.
    tokens.retire(push(), { since: null });
    await tokens.stop();
    expect(warnings).toHaveLength(2);
  });

  it('ends with the worker: what waits for the database is tried once more, then given up', async () => {
    let waiting: () => void = () => undefined;
    const waits = new Promise<void>((resolve) => (waiting = resolve));
    const { tokens, tried, warnings } = make({
      failures: Infinity,
      wait: () => {
        waiting();
        return new Promise(() => undefined);
      },
    });
    tokens.retire(push(), { since: null });
    await waits;
    await tokens.stop();
    expect([tried.length, warnings.length]).toEqual([2, 1]);
    tokens.retire(push(), { since: null });
    await tokens.stop();
    expect(tried).toHaveLength(2);
  });

  it('keeps no more than 10,000 waiting: what comes on top is retired by its next push', async () => {
    const { tokens, tried } = make({ failures: 1, wait: () => new Promise(() => undefined) });
    tokens.retire(push(), { since: null });
    while (tried.length === 0) await new Promise((resolve) => setImmediate(resolve));
    for (let one = 0; one < 10_001; one++) tokens.retire(push(), { since: null });
    await tokens.stop();
    expect(tried.slice(1).flat()).toHaveLength(10_001);
  });
});
