import { describe, expect, it } from '@jest/globals';
import { judge } from './check.js';
import type { AcceptedRequest, Arrival, Evidence, PushRow } from './types.js';

const AT = Date.parse('2026-04-20T14:22:00Z');

const request = (more: Partial<AcceptedRequest> = {}): AcceptedRequest => ({
  key: 'k',
  operationId: 'op',
  tokens: ['a', 'b', 'c', 'd'],
  strangers: 0,
  app: 'calm',
  ttlSeconds: undefined,
  canceled: 'one',
  canceledAtMs: null,
  sendAtMs: null,
  ...more,
});

/** A run of one operation in good order: `a` and `b` sent, `c` failed, `d` canceled. */
function goodRun(): Evidence {
  return {
    accepted: [request()],
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
    refusals: [],
    lostJobs: 0,
    faults: [{ kind: 'down', fromMs: AT, toMs: AT + 1_000 }],
    registered: [],
    stillRegistered: [],
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
    lostLeases: [],
    unknownCount: 0,
    errorCode: null,
    settledAtMs: AT,
    attempts: [ACCEPTED],
    ...more,
  };
}

const canceled = (token: string) => push(token, { status: 'CANCELED', lease: 0, attempts: [] });

/** `afterMs`: since the instant of the attempts below. */
const arrival = (
  token: string,
  { id = `id-${token}`, afterMs = 5, status = 200 } = {},
): Arrival => ({
  provider: 'fcm',
  token,
  id,
  atMs: AT + afterMs,
  status,
});

const attempt = (outcome: string, reason?: string, atMs = AT) => ({
  at: new Date(atMs).toISOString(),
  latencyMs: 10,
  outcome,
  ...(reason === undefined ? {} : { reason }),
  counted: true,
});
const UNKNOWN = attempt('unknown', 'deadline');
const LEASE_LOST = attempt('unknown', 'lease-lost');
const ACCEPTED = attempt('accepted');
/** After a lease that ran out, or a try that was put off. */
const LATER_MS = 20_000;
const ACCEPTED_LATER = attempt('accepted', undefined, AT + LATER_MS);

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
      const found = judged((run) => run.arrivals.splice(0, 1, arrival('a', { id: 'id-b' })));
      expect(found).toMatchObject({ unaccounted: 1 });
    });

    it('a push that is CANCELED though nobody asked for it, or for another one', () => {
      const ask = (run: Evidence, canceled: AcceptedRequest['canceled']) => {
        run.accepted = [request({ canceled })];
      };
      const found = judged((run) => ask(run, 'none'));
      expect(found).toMatchObject({ unaccounted: 1, lost: 0, canceled: 1 });
      expect(found.what).toContain('1 are CANCELED');
      const two = (run: Evidence) => {
        change(run, 'c', { status: 'CANCELED' });
        run.operations.forEach((operation) => Object.assign(operation, { failed: 0, canceled: 2 }));
      };
      expect(judged(two).unaccounted).toBe(1);
      const all = judged((run) => {
        two(run);
        ask(run, 'all');
      });
      expect(all).toMatchObject({ unaccounted: 0, canceled: 2 });
    });

    it('an arrival that is too many for the one unknown try of a failed push', () => {
      const found = judged((run) => {
        change(run, 'c', { unknownCount: 1, attempts: [UNKNOWN] });
        run.arrivals.push(arrival('c'), arrival('c'));
      });
      expect(found).toMatchObject({ unaccounted: 1, duplicates: 1 });
    });
  });

  describe('of a good token that is FAILED', () => {
    const GOOD = 'sim.ok.x';
    /** One push more, to a good token. */
    const withGood = (more: Partial<PushRow>, of: Partial<AcceptedRequest> = {}, token = GOOD) =>
      judged((run) => {
        run.accepted.push(request({ key: 'g', operationId: 'good', tokens: [token], ...of }));
        const [first] = run.operations;
        if (first === undefined) throw new Error('no operation');
        const failed = { total: 1, sent: 0, failed: 1, canceled: 0 };
        run.operations.push({ ...first, id: 'good', ...failed });
        run.pushes.push(push(token, { operationId: 'good', status: 'FAILED', ...more }));
      });
    const three = (atMs?: number) =>
      [1, 2, 3].map(() => attempt('unknown', 'connection-lost', atMs));

    it('calls unaccounted what nothing explains: an invalid token, a refused payload', () => {
      const found = withGood({ errorCode: 71_002, attempts: [attempt('invalid-token')] });
      expect(found).toMatchObject({ unaccounted: 1, lost: 0 });
      expect(found.what).toContain('nothing explains it');
    });

    it('takes three unknown outcomes while something was broken, and no fewer', () => {
      const unknown = { errorCode: 71_010, unknownCount: 3 };
      expect(withGood({ ...unknown, attempts: three() }).unaccounted).toBe(0);
      expect(withGood({ ...unknown, attempts: three().slice(1) }).unaccounted).toBe(1);
      const blamed = [1, 2].map(() => attempt('unknown', 'RST_PROTOCOL_ERROR'));
      expect(withGood({ ...unknown, attempts: blamed }).unaccounted).toBe(0);
    });

    it('calls unaccounted three unknown outcomes while nothing was broken', () => {
      const quiet = { errorCode: 71_010, unknownCount: 3, attempts: three(AT + 60_000) };
      expect(withGood(quiet).unaccounted).toBe(1);
      expect(withGood({ ...quiet, attempts: three(AT - 60_000) }).unaccounted).toBe(1);
      // Neighbours of a rough one break its connections.
      expect(withGood(quiet, { app: 'rough' }).unaccounted).toBe(0);
    });

    it.each([
      ...['slow.900', 'refuse', 'goaway', 'timeout.x1', 'reset.x1', 'reset.internal.x1'],
      ...['answer.200.html.x1', 'unavailable.1', 'unavailable.1.r1', 'internal.2', 'throttle.1.1'],
      ...['quota.r1', 'expiredjwt'],
    ])('wants the same of one whose trouble passes: %s', (behaviour) => {
      const token = `sim.${behaviour}.c1-2-3`;
      const failed = { errorCode: 71_002, attempts: [attempt('invalid-token')] };
      expect(withGood(failed, {}, token).unaccounted).toBe(1);
      const unknown = { errorCode: 71_010, unknownCount: 3, attempts: three() };
      expect(withGood(unknown, {}, token).unaccounted).toBe(0);
      // One of them is its own trouble at most; the others need one that was felt.
      const quiet = { ...unknown, attempts: three(AT + 60_000) };
      expect(withGood(quiet, {}, token).unaccounted).toBe(1);
      const own = { ...unknown, attempts: [three(AT + 60_000)[0]!, ...three().slice(1)] };
      expect(withGood(own, {}, token).unaccounted).toBe(behaviour.includes('.x1') ? 0 : 1);
    });

    it.each(['timeout', 'reset'])('wants nothing of one that stays bad: %s', (behaviour) => {
      const failed = { errorCode: 71_002, attempts: [attempt('invalid-token')] };
      expect(withGood(failed, {}, `sim.${behaviour}.c1-2-3`).unaccounted).toBe(0);
    });

    it('takes leases that ran out while something was broken, whenever that was found out', () => {
      const late = attempt('unknown', 'lease-lost', AT + 60_000);
      const lost = { errorCode: 71_010, unknownCount: 3, attempts: [late, late, late] };
      expect(withGood({ ...lost, lostLeases: [AT + 5_500] }).unaccounted).toBe(0);
      expect(withGood({ ...lost, lostLeases: [AT + 30_000] }).unaccounted).toBe(1);
      expect(withGood({ ...lost, lostLeases: [] }).unaccounted).toBe(1);
    });

    it('takes a send of ours that threw for no explanation', () => {
      const threw = [1, 2, 3].map(() => attempt('unknown', 'internal'));
      const failed = { errorCode: 71_010, unknownCount: 3, attempts: threw };
      expect(withGood(failed).unaccounted).toBe(1);
      expect(withGood(failed, { app: 'rough' }).unaccounted).toBe(1);
      const once = { errorCode: 71_008, attempts: [attempt('unknown', 'internal')] };
      expect(withGood(once, { ttlSeconds: 0 }).unaccounted).toBe(1);
    });

    it('takes the one attempt of one whose trouble passes, whatever was broken', () => {
      const quiet = attempt('retry', 'UNAVAILABLE', AT + 60_000);
      const expired = { errorCode: 71_008, attempts: [quiet] };
      expect(withGood(expired, { ttlSeconds: 0 }, 'sim.unavailable.1.c1').unaccounted).toBe(0);
      expect(withGood(expired, { ttlSeconds: 0 }, 'sim.slow.900.c1').unaccounted).toBe(1);
      const late = { ...expired, attempts: [attempt('unknown', 'deadline', AT + 60_000)] };
      expect(withGood(late, { ttlSeconds: 0 }, 'sim.slow.900.c1').unaccounted).toBe(0);
      expect(withGood(late, { ttlSeconds: 0 }, 'sim.ok.c1').unaccounted).toBe(1);
    });

    it('takes an expiry of the one that had a single attempt, and of no other', () => {
      const expired = { errorCode: 71_008, attempts: [attempt('retry', 'UNAVAILABLE')] };
      expect(withGood(expired, { ttlSeconds: 0 }).unaccounted).toBe(0);
      expect(withGood(expired).unaccounted).toBe(1);
      expect(withGood({ ...expired, attempts: [] }, { ttlSeconds: 0 }).unaccounted).toBe(1);
    });
  });

  it('calls unaccounted a push in the wrong environment of Apple', () => {
    const sandbox = (run: Evidence) => {
      run.accepted = [request({ app: 'sandbox' })];
      change(run, 'a', { provider: 'APN' });
    };
    const found = judged((run) => {
      sandbox(run);
      run.arrivals[0] = { ...arrival('a'), provider: 'apns' };
    });
    expect(found).toMatchObject({ unaccounted: 1 });
    const right = judged((run) => {
      sandbox(run);
      run.arrivals[0] = { ...arrival('a'), provider: 'apnsSandbox' };
    });
    expect(right.unaccounted).toBe(0);
  });

  it('calls unaccounted a good token that its user lost, and takes a dead one that is gone', () => {
    const found = judged((run) => {
      run.registered = ['sim.ok.x', 'sim.badtoken.x', 'sim.unregistered.x', 'sim.ok.y'];
      run.stillRegistered = ['sim.ok.y'];
    });
    expect(found.unaccounted).toBe(2);
  });

  it('counts users whom nobody knows as unaddressable', () => {
    const strange = (run: Evidence, unaddressable: number) => {
      run.accepted = [request({ strangers: 1 })];
      for (const operation of run.operations) Object.assign(operation, { total: 5, unaddressable });
    };
    expect(judged((run) => strange(run, 1)).unaccounted).toBe(0);
    expect(judged((run) => strange(run, 0)).unaccounted).toBeGreaterThan(0);
  });

  describe('calls a duplicate', () => {
    it('outside the window what arrived twice without an unknown try', () => {
      const found = judged((run) => run.arrivals.push(arrival('a')));
      expect(found).toMatchObject({ duplicates: 1, duplicatesOutsideWindow: 1, unaccounted: 0 });
    });

    it('outside the window also when tries were merely retried', () => {
      const found = judged((run) => {
        change(run, 'a', { lease: 2, attempts: [attempt('retry'), ACCEPTED_LATER] });
        run.arrivals.push(arrival('a', { afterMs: LATER_MS }));
      });
      expect(found.duplicatesOutsideWindow).toBe(1);
    });

    const retried = { lease: 2, unknownCount: 1, attempts: [UNKNOWN, ACCEPTED_LATER] };

    it('inside the window what an unknown outcome explains', () => {
      const found = judged((run) => {
        change(run, 'a', retried);
        run.arrivals.push(arrival('a', { afterMs: LATER_MS + 5 }));
      });
      expect(found).toMatchObject({ duplicates: 1, duplicatesOutsideWindow: 0, unaccounted: 0 });
    });

    it('outside the window what arrived twice by one try, though that of another one is unknown', () => {
      const found = judged((run) => {
        change(run, 'a', retried);
        run.arrivals[0] = arrival('a', { afterMs: LATER_MS + 5 });
        run.arrivals.push(arrival('a', { afterMs: LATER_MS + 6 }));
      });
      expect(found).toMatchObject({ duplicates: 1, duplicatesOutsideWindow: 1 });
    });

    it('outside the window what comes when its try is long over, unless something held it back', () => {
      const late = (faults: Evidence['faults']) =>
        judged((run) => {
          change(run, 'a', retried);
          run.faults = faults;
          run.arrivals[0] = arrival('a', { afterMs: 6_000 });
          run.arrivals.push(arrival('a', { afterMs: LATER_MS + 5 }));
        }).duplicatesOutsideWindow;
      const lasting = { fromMs: AT - 10, toMs: AT + 5_500 };
      expect(late([])).toBe(1);
      expect(late([{ kind: 'queue-flush', ...lasting }])).toBe(1);
      expect(late([{ kind: 'simulator-freeze', ...lasting }])).toBe(0);
      expect(late([{ kind: 'simulator-freeze', fromMs: AT - 9_000, toMs: AT - 100 }])).toBe(1);
    });

    it('outside the window what a send of ours that threw would explain', () => {
      const found = judged((run) => {
        const attempts = [attempt('unknown', 'internal'), ACCEPTED_LATER];
        change(run, 'a', { lease: 2, unknownCount: 1, attempts });
        run.arrivals.push(arrival('a', { afterMs: LATER_MS + 5 }));
      });
      expect(found).toMatchObject({ duplicates: 1, duplicatesOutsideWindow: 1 });
    });

    /** Of a lease of five seconds. */
    const lost = {
      lease: 2,
      lostLeases: [AT + 5_000],
      unknownCount: 1,
      attempts: [LEASE_LOST, ACCEPTED_LATER],
    };
    const afterLost = (more: Partial<PushRow>, ...afterMs: number[]) =>
      judged((run) => {
        change(run, 'a', { ...lost, ...more });
        run.arrivals = [arrival('b'), ...afterMs.map((after) => arrival('a', { afterMs: after }))];
      });

    it('inside the window what a lease that ran out explains, and no more than that', () => {
      expect(afterLost({}, 4_000, LATER_MS)).toMatchObject({
        duplicates: 1,
        duplicatesOutsideWindow: 0,
      });
      expect(afterLost({}, 3_999, 4_000, LATER_MS).duplicatesOutsideWindow).toBe(1);
    });

    it('outside the window what arrived twice when that lease was over', () => {
      expect(afterLost({}, LATER_MS, LATER_MS + 1).duplicatesOutsideWindow).toBe(1);
      expect(afterLost({}, 5_100, LATER_MS).duplicatesOutsideWindow).toBe(1);
    });

    it('inside the window each of two leases in a row that ran out', () => {
      const two = { lease: 3, lostLeases: [AT + 5_000, AT + 12_000] };
      expect(afterLost(two, 1_000, 8_000, LATER_MS)).toMatchObject({
        duplicates: 1,
        duplicatesOutsideWindow: 0,
      });
    });

    it('outside the window what a claim that was given back would explain: nothing was sent under it', () => {
      expect(afterLost({ lease: 5 }, 1_000, 8_000, LATER_MS)).toMatchObject({
        duplicates: 1,
        duplicatesOutsideWindow: 1,
      });
    });
  });

  it('takes what an unknown outcome delivered of a failed push, and a lost lease of a canceled one', () => {
    const found = judged((run) => {
      change(run, 'c', { unknownCount: 1, attempts: [UNKNOWN] });
      change(run, 'd', { lease: 1, lostLeases: [AT + 3_000] });
      run.arrivals.push(arrival('c'), arrival('d'));
    });
    expect(found).toMatchObject({ lost: 0, unaccounted: 0, duplicates: 0 });
  });

  it('calls unaccounted the one arrival of a push outside of its try', () => {
    const found = judged((run) => (run.arrivals[0] = arrival('a', { afterMs: 3_000 })));
    expect(found).toMatchObject({ unaccounted: 1, duplicatesOutsideWindow: 0 });
  });

  describe('of what is scheduled', () => {
    const scheduled = (more: Partial<AcceptedRequest>, plant: (run: Evidence) => void = () => {}) =>
      judged((run) => {
        run.accepted = [request({ sendAtMs: AT, ...more })];
        plant(run);
      });

    it('calls unaccounted what arrived before its time', () => {
      expect(scheduled({}).unaccounted).toBe(0);
      const early = scheduled({ sendAtMs: AT + 200 }, (run) => {
        run.arrivals[1] = arrival('b', { afterMs: 300 });
      });
      expect(early).toMatchObject({ unaccounted: 1, lost: 0 });
      expect(early.what).toContain('arrived 195 ms before its time');
    });

    it('wants all of it CANCELED when that was answered before, and nothing of the others', () => {
      const canceledAt = (canceledAtMs: number | null, canceled: 'one' | 'all') =>
        scheduled({ canceled, canceledAtMs }).unaccounted;
      expect(canceledAt(AT - 1, 'all')).toBe(3);
      expect(canceledAt(AT + 1, 'all')).toBe(0);
      expect(canceledAt(null, 'all')).toBe(0);
      expect(canceledAt(AT - 1, 'one')).toBe(0);
    });
  });

  it('calls unaccounted what its provider refused more often than it was tried', () => {
    const answered = (...statuses: number[]) =>
      judged((run) => {
        change(run, 'c', { attempts: [attempt('payload')] });
        run.refusals = statuses.map((status) => arrival('c', { status }));
      }).unaccounted;
    expect(answered(400)).toBe(0);
    // With an access token that was refused, and with another one.
    expect(answered(401, 400)).toBe(0);
    expect(answered(400, 400)).toBe(1);
  });

  describe('of a token that is refused', () => {
    const refused = (more: Partial<PushRow>, said = 1, token = 'sim.unregistered.c1') =>
      judged((run) => {
        run.accepted = [request({ tokens: ['a', 'b', token, 'd'] })];
        const failed = { status: 'FAILED' as const, attempts: [attempt('unregistered')] };
        run.pushes[2] = push(token, { ...failed, errorCode: 71_001, ...more });
        run.refusals = Array.from({ length: said }, () => arrival(token, { status: 404 }));
      });

    it('takes what its provider said, and calls unaccounted what nobody said, and another code', () => {
      expect(refused({}).unaccounted).toBe(0);
      expect(refused({}, 0).what).toContain('never said so');
      expect(refused({ errorCode: 71_008, attempts: [] }).what).toContain('not with 71001');
      expect(refused({}, 1, 'sim.badtoken.c1').what).toContain('not with 71002');
    });

    it('calls unaccounted that it is SENT', () => {
      const sent = judged((run) => {
        run.accepted = [request({ tokens: ['sim.expired.c1', 'b', 'c', 'd'] })];
        run.pushes[0] = push('sim.expired.c1');
        run.arrivals[0] = arrival('sim.expired.c1');
      });
      expect(sent.what).toContain('its provider refuses it');
    });

    it('wants a token that Apple saw die before its device was registered called wrong, and kept', () => {
      const stale = 'sim.stale.60.c1';
      const ofDevice = (
        provider: PushRow['provider'],
        errorCode: number,
        left: string[] = [stale],
      ) =>
        judged((run) => {
          run.accepted = [request({ tokens: ['a', 'b', stale, 'd'] })];
          const failed = { status: 'FAILED' as const, attempts: [attempt('invalid-token')] };
          run.pushes[2] = push(stale, { ...failed, provider, errorCode });
          run.refusals = [arrival(stale, { status: 410 })];
          run.registered = [stale];
          run.stillRegistered = left;
        }).unaccounted;
      expect(ofDevice('APN', 71_002)).toBe(0);
      expect(ofDevice('APN', 71_001)).toBe(1);
      expect(ofDevice('APN', 71_002, [])).toBe(1);
      expect(ofDevice('FCM', 71_001, [])).toBe(0);
    });

    it('takes an end that what was broken explains', () => {
      const three = { errorCode: 71_010, unknownCount: 3, attempts: [UNKNOWN, UNKNOWN, UNKNOWN] };
      expect(refused(three, 0).unaccounted).toBe(0);
    });
  });

  describe('where nothing was broken', () => {
    const quiet = (
      plant: (run: Evidence) => void,
      app: AcceptedRequest['app'] = 'calm',
      token = 'sim.ok.c1',
    ) =>
      judged((run) => {
        run.accepted = [request({ tokens: [token, 'b', 'c', 'd'], app })];
        run.pushes[0] = push(token);
        run.arrivals[0] = arrival(token);
        run.faults = [];
        plant(run);
      }).unaccounted;
    const twice = (run: Evidence) => {
      const [first] = run.pushes;
      change(run, first!.token, { unknownCount: 1, attempts: [UNKNOWN, ACCEPTED] });
    };

    it('calls unaccounted an unknown outcome of a good token, a lease that ran out, and a job that was gone', () => {
      expect(quiet(() => {})).toBe(0);
      expect(quiet(twice)).toBe(1);
      expect(quiet(twice, 'rough')).toBe(0);
      expect(quiet(twice, 'calm', 'sim.slow.900.c1')).toBe(0);
      expect(quiet((run) => change(run, 'sim.ok.c1', { lostLeases: [AT + 5_000] }))).toBe(1);
      expect(quiet((run) => (run.lostJobs = 2))).toBe(1);
      expect(judged((run) => (run.lostJobs = 2)).unaccounted).toBe(0);
    });
  });

  it('takes an arrival of a request that nobody could find out about', () => {
    const found = judged((run) => {
      run.unresolved.push(['x']);
      run.arrivals.push(arrival('x'));
    });
    expect(found.unaccounted).toBe(0);
  });
});
