import { describe, expect, it } from '@jest/globals';
import { Ledger, type LedgerEntry } from './ledger.js';

function entry(fields: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    provider: 'fcm',
    token: 't',
    id: null,
    at: 0,
    status: 200,
    reason: null,
    accepted: true,
    request: { headers: {}, body: '{}' },
    ...fields,
  };
}

describe('the ledger', () => {
  it('is a ring, and counts what it no longer holds', () => {
    const ledger = new Ledger(3, 3);
    for (const token of ['a', 'b', 'c', 'd', 'e']) ledger.record(entry({ token }));
    expect(Array.from(ledger.all(), ({ token }) => token)).toEqual(['c', 'd', 'e']);
    expect(ledger.summary()).toMatchObject({ requests: 5, accepted: 5, forgotten: 2 });
  });

  it('keeps headers and body of the latest only', () => {
    const ledger = new Ledger(4, 2);
    const withBody = (): boolean[] => Array.from(ledger.all(), ({ request }) => request !== null);
    for (let i = 0; i < 3; i += 1) ledger.record(entry());
    expect(withBody()).toEqual([false, true, true]);
    for (let i = 0; i < 4; i += 1) ledger.record(entry());
    expect(withBody()).toEqual([false, false, true, true]);
  });

  it('keeps no more bodies than entries', () => {
    const ledger = new Ledger(2, 10);
    for (let i = 0; i < 5; i += 1) ledger.record(entry());
    expect(Array.from(ledger.all(), ({ request }) => request !== null)).toEqual([true, true]);
  });

  it('counts a push twice only when provider, token and id are the same', () => {
    const ledger = new Ledger();
    for (const provider of ['fcm', 'apns', 'apnsSandbox'] as const) {
      ledger.record(entry({ provider, id: '1' }));
    }
    ledger.record(entry({ id: '2' }));
    ledger.record(entry({ id: '1', token: 'other' }));
    ledger.record(entry({ id: '1', accepted: false, status: 503, reason: 'UNAVAILABLE' }));
    expect(ledger.summary()).toMatchObject({ accepted: 5, distinctAccepted: 5, duplicates: 0 });
    ledger.record(entry({ id: '1' }));
    expect(ledger.summary()).toMatchObject({ accepted: 6, distinctAccepted: 5, duplicates: 1 });
  });

  it('cannot call a push without an id a duplicate', () => {
    const ledger = new Ledger();
    ledger.record(entry());
    ledger.record(entry());
    expect(ledger.summary()).toMatchObject({ accepted: 2, distinctAccepted: 2, duplicates: 0 });
  });

  it('finds the latest by token and id', () => {
    const ledger = new Ledger();
    for (const at of [1, 2, 3]) ledger.record(entry({ id: 'x', at }));
    ledger.record(entry({ id: 'y', at: 4 }));
    expect(ledger.find({ token: 't', id: 'x' }, 2).map(({ at }) => at)).toEqual([2, 3]);
    expect(ledger.find({ id: 'y' })).toHaveLength(1);
    expect(ledger.find({ token: 'u' })).toEqual([]);
    expect(ledger.find({})).toHaveLength(4);
  });

  it('counts answers, but not without end', () => {
    const ledger = new Ledger();
    ledger.record(entry());
    for (let i = 0; i < 1_500; i += 1) {
      ledger.record(entry({ status: 500, reason: `r${i}`, accepted: false }));
    }
    const { answers } = ledger.summary();
    expect(answers).toMatchObject({ '200': 1, '500 r0': 1, other: 501 });
    expect(Object.keys(answers)).toHaveLength(1_001);
  });

  it('is empty when cleared', () => {
    const ledger = new Ledger();
    const before = ledger.summary();
    ledger.record(entry({ id: '1' }));
    ledger.clear();
    expect(ledger.summary()).toEqual(before);
    ledger.record(entry({ id: '1' }));
    expect(ledger.summary().duplicates).toBe(0);
  });
});
