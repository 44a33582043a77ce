import { describe, expect, it } from '@jest/globals';
import { judge } from './check.js';
import type { Arrival, Evidence, PushRow } from './types.js';

/** A run of one operation in good order: `a` and `b` sent, `c` failed, `d` canceled. */
function goodRun(): Evidence {
  return {
    accepted: [{ key: 'k', operationId: 'op', tokens: ['a', 'b', 'c', 'd'] }],
    unresolved: [],
    operations: [
      {
        id: 'op',
        total: 4,
        unaddressable: 0,
        scheduled: 0,
        queued: 0,
        sent: 2,
        failed: 1,
        canceled: 1,
      },
    ],
    pushes: [push('a'), push('b'), push('c', { status: 'FAILED' }), canceled('d')],
    arrivals: [arrival('a'), arrival('b')],
    wrongCounters: [],
    outstanding: [0],
  };
}

function push(token: string, more: Partial<PushRow> = {}): PushRow {
  return {
    id: `id-${token}`,
    operationId: 'op',
    token,
    provider: 'FCM',
    status: 'SENT',
    lease: 1,
    leaseLost: false,
    unknownCount: 0,
    attempts: [{ outcome: 'accepted', counted: true }],
    ...more,
  };
}

const canceled = (token: string) => push(token, { status: 'CANCELED', lease: 0, attempts: [] });

const arrival = (token: string, id: string | null = `id-${token}`): Arrival => ({ token, id });

const UNKNOWN = { outcome: 'unknown', reason: 'deadline', counted: true };
const LEASE_LOST = { outcome: 'unknown', reason: 'lease-lost', counted: true };
const ACCEPTED = { outcome: 'accepted', counted: true };

/** The good run with a fault planted in it, judged. */
function judged(plant: (run: Evidence) => void) {
  const run = goodRun();
  plant(run);
  const { findings, ...numbers } = judge(run);
  return { ...numbers, what: findings.map(({ what }) => what).join('\n') };
}

const row = (run: Evidence, token: string): PushRow => {
  const found = run.pushes.find((each) => each.token === token);
  if (found === undefined) throw new Error(token);
  return found;
};

const change = (run: Evidence, token: string, fields: Partial<PushRow>) =>
  Object.assign(row(run, token), fields);

describe('the checker', () => {
  it('finds nothing in a run in good order', () => {
    expect(judge(goodRun())).toEqual({
      accepted: 4,
      sent: 2,
      failed: 1,
      canceled: 1,
      lost: 0,
      unaccounted: 0,
      duplicates: 0,
      duplicatesOutsideWindow: 0,
      findings: [],
    });
  });

  describe('calls lost', () => {
    it('a push without a row', () => {
      const found = judged((run) => run.pushes.splice(0, 1));
      expect(found).toMatchObject({ lost: 1, sent: 1 });
      expect(found.what).toContain('there is no row');
    });

    it.each(['SCHEDULED', 'QUEUED'] as const)('a push that stays %s', (status) => {
      const found = judged((run) => change(run, 'b', { status }));
      expect(found).toMatchObject({ lost: 1, sent: 1 });
      expect(found.what).toContain('not in a final state');
    });

    it('a push that is SENT and never arrived', () => {
      const found = judged((run) => run.arrivals.pop());
      expect(found).toMatchObject({ lost: 1, unaccounted: 0, sent: 2 });
      expect(found.what).toContain('never arrived');
    });

    it('an operation that is not there', () => {
      const found = judged((run) => (run.operations = []));
      expect(found.lost).toBe(1);
    });
  });

  describe('calls unaccounted', () => {
    it.each(['sent', 'failed', 'canceled', 'queued', 'scheduled'] as const)(
      'a wrong counter: %s, and the sum with it',
      (name) => {
        const found = judged((run) =>
          run.operations.forEach((operation) => (operation[name] += 1)),
        );
        expect(found).toMatchObject({ lost: 0, unaccounted: 2 });
      },
    );

    it('counters whose sum is right and whose rows are not', () => {
      const found = judged((run) =>
        run.operations.forEach((operation) => {
          operation.sent -= 1;
          operation.failed += 1;
        }),
      );
      expect(found.unaccounted).toBe(2);
    });

    it('a total that is not the number of recipients', () => {
      const found = judged((run) => run.operations.forEach((operation) => (operation.total = 5)));
      expect(found.unaccounted).toBe(2);
    });

    it('a counter that was wrong while it ran', () => {
      expect(judged((run) => run.wrongCounters.push('repaired')).unaccounted).toBe(1);
    });

    it('outstanding pushes of a credential when nothing is left', () => {
      expect(judged((run) => run.outstanding.push(3)).unaccounted).toBe(1);
    });

    it('an arrival that nobody asked for', () => {
      const found = judged((run) => run.arrivals.push(arrival('x')));
      expect(found).toMatchObject({ unaccounted: 1, duplicates: 0 });
    });

    it('rows that nobody asked for, as when a repeated request is accepted twice', () => {
      expect(judged((run) => run.pushes.push(push('x'))).unaccounted).toBeGreaterThan(0);
      const twice = judged((run) => run.pushes.push(push('a', { operationId: 'other' })));
      expect(twice.what).toContain('a of k has 2 rows');
    });

    it('a push that lies in another operation than was answered', () => {
      const found = judged((run) => change(run, 'a', { operationId: 'other' }));
      expect(found.what).toContain('lies in other');
    });

    it.each(['c', 'd'])('an arrival of one that failed or was canceled: %s', (token) => {
      const found = judged((run) => run.arrivals.push(arrival(token)));
      expect(found).toMatchObject({ unaccounted: 1, duplicatesOutsideWindow: 0 });
    });

    it('a push that arrived under the id of another', () => {
      const found = judged((run) => run.arrivals.splice(0, 1, arrival('a', 'id-b')));
      expect(found).toMatchObject({ unaccounted: 1 });
    });

    it('an arrival that is too many for the one unknown try of a failed push', () => {
      const found = judged((run) => {
        change(run, 'c', { unknownCount: 1, attempts: [UNKNOWN] });
        run.arrivals.push(arrival('c'), arrival('c'));
      });
      expect(found).toMatchObject({ unaccounted: 1, duplicates: 1 });
    });
  });

  describe('calls a duplicate', () => {
    it('outside the window what arrived twice without an unknown try', () => {
      const found = judged((run) => run.arrivals.push(arrival('a')));
      expect(found).toMatchObject({ duplicates: 1, duplicatesOutsideWindow: 1, unaccounted: 0 });
    });

    it('outside the window also when tries were merely retried', () => {
      const found = judged((run) => {
        change(run, 'a', { lease: 2, attempts: [{ outcome: 'retry', counted: true }, ACCEPTED] });
        run.arrivals.push(arrival('a'));
      });
      expect(found.duplicatesOutsideWindow).toBe(1);
    });

    it('inside the window what an unknown outcome explains', () => {
      const found = judged((run) => {
        change(run, 'a', { lease: 2, unknownCount: 1, attempts: [UNKNOWN, ACCEPTED] });
        run.arrivals.push(arrival('a'));
      });
      expect(found).toMatchObject({ duplicates: 1, duplicatesOutsideWindow: 0, unaccounted: 0 });
    });

    it('inside the window what a lease that ran out explains, and no more than that', () => {
      const lost = { lease: 2, unknownCount: 1, attempts: [LEASE_LOST, ACCEPTED] };
      const once = judged((run) => {
        change(run, 'a', lost);
        run.arrivals.push(arrival('a'));
      });
      expect(once).toMatchObject({ duplicates: 1, duplicatesOutsideWindow: 0 });
      const twice = judged((run) => {
        change(run, 'a', lost);
        run.arrivals.push(arrival('a'), arrival('a'));
      });
      expect(twice).toMatchObject({ duplicates: 1, duplicatesOutsideWindow: 1 });
    });

    it('inside the window each of two leases in a row that ran out', () => {
      const found = judged((run) => {
        change(run, 'a', { lease: 3, unknownCount: 1, attempts: [LEASE_LOST, ACCEPTED] });
        run.arrivals.push(arrival('a'), arrival('a'));
      });
      expect(found).toMatchObject({ duplicates: 1, duplicatesOutsideWindow: 0 });
    });
  });

  it('takes what an unknown outcome delivered of a failed push, and a lost lease of a canceled one', () => {
    const found = judged((run) => {
      change(run, 'c', { unknownCount: 1, attempts: [UNKNOWN] });
      change(run, 'd', { lease: 1, leaseLost: true });
      run.arrivals.push(arrival('c'), arrival('d'));
    });
    expect(found).toMatchObject({ lost: 0, unaccounted: 0, duplicates: 0 });
  });

  it('takes an arrival of a request that nobody could find out about', () => {
    const found = judged((run) => {
      run.unresolved.push(['x']);
      run.arrivals.push(arrival('x'));
    });
    expect(found.unaccounted).toBe(0);
  });
});
