import { describe, expect, it } from '@jest/globals';
import { WorkerMetrics } from '../../apps/worker/src/worker-metrics.js';
import { readLedger, repairsIn, settledAfterMs } from './evidence.js';

/** Of two operations, accepted at 14:22:00.000 and half a second later. */
const FIRST_AT = Date.parse('2026-04-20T14:22:00Z');
const LAST_AT = FIRST_AT + 500;
const idOf = (ms: number) => {
  const hex = ms.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
};
const operations = [LAST_AT, FIRST_AT].map((ms) => ({
  id: idOf(ms),
  total: 1,
  unaddressable: 0,
  scheduled: 0,
  queued: 0,
  sent: 1,
  failed: 0,
  canceled: 0,
}));
const settled = (...instants: (number | null)[]) =>
  settledAfterMs({
    operations,
    pushes: instants.map((settledAtMs, at) => ({
      id: `id-${at}`,
      operationId: 'op',
      token: `t-${at}`,
      provider: 'FCM',
      status: 'SENT',
      lease: 1,
      lostLeases: [],
      unknownCount: 0,
      errorCode: null,
      settledAtMs,
      attempts: [],
    })),
  });

describe('how long a run goes on', () => {
  it('is counted from the last request that was accepted to the last push that was settled', () => {
    expect(settled(LAST_AT + 1_234.5, FIRST_AT + 3)).toBe(1_234.5);
  });

  it('is nothing when all was settled before: whoever was accepted last had nobody to send to', () => {
    expect(settled(FIRST_AT + 3)).toBe(0);
    expect(settledAfterMs({ operations: [], pushes: [] })).toBe(0);
  });

  it('has no end while something is left to do', () => {
    expect(settled(LAST_AT + 10, null)).toBeNull();
  });
});

describe('what the sweep had to mend', () => {
  it('is read from the metrics of a worker, by rule', async () => {
    const metrics = new WorkerMetrics();
    metrics.onFault('counter-wrong', 2);
    metrics.onFault('push-lost', 5);
    const repairs = repairsIn(await metrics.registry.metrics());
    expect(Object.fromEntries(repairs)).toMatchObject({ 'counter-wrong': 2, 'push-lost': 5 });
  });
});

describe('the ledger', () => {
  it('is read as what was accepted and what was refused; what was not answered is neither', () => {
    const entry = { provider: 'apns', token: 't', id: 'i', at: FIRST_AT, reason: null };
    const lines = [
      { ...entry, status: 200, accepted: true },
      { ...entry, status: 410, accepted: false, reason: 'Unregistered' },
      { ...entry, status: 0, accepted: false, reason: 'RST_STREAM' },
    ];
    const read = { provider: 'apns', token: 't', id: 'i', atMs: FIRST_AT };
    expect(readLedger(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))).toEqual({
      arrivals: [{ ...read, status: 200 }],
      refusals: [{ ...read, status: 410 }],
    });
  });
});
