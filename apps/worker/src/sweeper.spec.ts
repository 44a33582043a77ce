import { describe, expect, it } from '@jest/globals';
import type { LostPush, Rounds, SweepPass } from '@app/persistence';
import { Sweeper, type SweepRule } from './sweeper.js';

interface Given {
  remembered?: string | null;
  /** What the rewind says; null: another worker is at it. */
  rewound?: { parts: number; before: string | null } | null;
  lost?: LostPush[];
  wrong?: number;
  locked?: boolean;
  /** The queue does not answer. */
  away?: boolean;
  expired?: number;
  /** About so many are stored. */
  operations?: number;
  intervalMs?: number;
  /** What all workers share. */
  rounds?: Rounds;
  counters?: number;
  parts?: number;
  /** Somebody's pass was a moment ago. */
  early?: boolean;
  /** What this does fails. */
  failing?: string;
  /** At work on a rewind: it may take several transactions. */
  rewinding?: (isStopped: () => boolean) => void;
}

function make(given: Given) {
  const calls: string[] = [];
  const faults: [SweepRule, number][] = [];
  const requeued: LostPush[] = [];
  const warnings: string[] = [];
  const cursors: (string | null)[] = [];
  const counted: { operations: number; pushes: number }[] = [];
  const rounds = given.rounds ?? { expire: null, counters: null, parts: null };
  let work = 0;
  let expired = 0;
  const note = <T>(name: string, answer: T) => {
    calls.push(name);
    return name === given.failing ? Promise.reject(new Error(name)) : Promise.resolve(answer);
  };
  const due: number[] = [];
  const pass: Record<keyof SweepPass, (...args: never[]) => Promise<unknown>> = {
    isDue: (afterMs: number) => {
      due.push(afterMs);
      return Promise.resolve(given.early !== true);
    },
    apart: (rule: () => Promise<unknown>) => {
      calls.push('apart');
      return rule();
    },
    remember: () => note('remember', null),
    recall: () => note('recall', null),
    rewindNext: () => note('rewindNext', undefined),
    knowsQueue: () => Promise.resolve(given.remembered === 'epoch-2'),
    closeParts: () => note('closeParts', undefined),
    lostPushes: () => note('lostPushes', given.lost ?? []),
    dropRegistrations: () => note('dropRegistrations', 0),
    forgetKeys: () => note('forgetKeys', undefined),
    auditWindows: () => note('auditWindows', given.wrong ?? 0),
  };
  const audited = (wrong = 0) => ({ next: `after-${calls.length}`, wrong, mended: wrong });
  const sweeper = new Sweeper(
    {
      pass: (work) =>
        given.locked === true ? Promise.resolve(null) : work(pass as unknown as SweepPass),
      rewindAll: (_epoch, batches) => {
        given.rewinding?.(batches?.isStopped ?? (() => false));
        return note(
          'rewindAll',
          given.rewound === undefined
            ? { parts: 2, before: given.remembered ?? null }
            : given.rewound,
        );
      },
      handedOverAgain: () => note('handedOverAgain', undefined),
      rounds: () => Promise.resolve({ next: { ...rounds }, operations: given.operations ?? 0 }),
      keepRounds: (next) => Promise.resolve(void Object.assign(rounds, next)),
    },
    {
      expire: (after) => {
        cursors.push(after);
        return note('expire', { next: `after-${calls.length}`, expired: given.expired ?? 0 });
      },
    },
    {
      counters: (_after, _days, limit) => {
        counted.push(limit);
        return note('counters', audited(given.counters));
      },
      parts: () => note('parts', audited(given.parts)),
    },
    {
      intervalMs: given.intervalMs ?? 1_000,
      lostAfterMs: 90_000,
      retentionDays: 7,
      retryWindowMs: 86_400_000,
      leaseMs: 60_000,
      epoch: () =>
        given.away === true ? Promise.reject(new Error('Redis away')) : Promise.resolve('epoch-2'),
      requeue: (pushes) => {
        requeued.push(...pushes);
        return note('requeue', undefined);
      },
      onWork: () => work++,
      onExpired: (pushes) => (expired += pushes),
      onFault: (rule, count) => faults.push([rule, count]),
      logger: {
        info: () => undefined,
        warn: (_: unknown, message?: string) => void warnings.push(message ?? ''),
      },
    },
  );
  return {
    sweeper,
    calls,
    due,
    faults,
    requeued,
    warnings,
    cursors,
    counted,
    work: () => work,
    expired: () => expired,
  };
}

const lost: LostPush[] = [{ id: 'a', operationId: 'o', provider: 'FCM', lane: 'small' }];

describe('Sweeper', () => {
  it('rewinds everything when the queue lost its memory', async () => {
    const { sweeper, calls, faults, work } = make({ remembered: 'epoch-1', lost });
    await sweeper.sweep();
    expect(calls).toContain('rewindAll');
    expect(calls).not.toContain('lostPushes');
    expect(faults).toEqual([['queue-lost', 1]]);
    expect(work()).toBe(1);
  });

  it('rewinds for a queue that it has not seen before, which is no fault', async () => {
    const { sweeper, calls, faults } = make({ remembered: null });
    await sweeper.sweep();
    expect(calls).toContain('rewindAll');
    expect(faults).toEqual([]);
  });

  it.each([
    ['that another worker is at', null],
    ['that another worker has ended meanwhile', { parts: 0, before: 'epoch-2' }],
  ])('leaves alone a rewind %s', async (_, rewound) => {
    const { sweeper, faults, work, calls } = make({ remembered: 'epoch-1', rewound, lost });
    await sweeper.sweep();
    expect(calls).not.toContain('lostPushes');
    expect([faults, work()]).toEqual([[], 0]);
  });

  it('adds lost pushes again and counts them', async () => {
    const { sweeper, requeued, faults, calls, work } = make({
      remembered: 'epoch-2',
      lost,
      wrong: 1,
    });
    await sweeper.sweep();
    expect(requeued).toEqual(lost);
    expect(calls).toContain('handedOverAgain');
    expect(faults).toEqual([
      ['window-wrong', 1],
      ['push-lost', 1],
    ]);
    expect(calls).not.toContain('rewindAll');
    expect(work()).toBe(0);
  });

  it('goes on with what needs no queue while the queue is away, and says so once', async () => {
    const { sweeper, calls, faults, warnings, requeued } = make({ away: true, lost, wrong: 1 });
    await sweeper.sweep();
    await sweeper.sweep();
    expect(new Set(calls)).toEqual(
      new Set([
        ...['apart', 'closeParts', 'forgetKeys', 'dropRegistrations'],
        ...['auditWindows', 'expire', 'counters', 'parts'],
      ]),
    );
    expect(calls.filter((name) => name === 'closeParts')).toHaveLength(2);
    expect(requeued).toEqual([]);
    expect(faults).toEqual([['window-wrong', 1]]);
    expect(warnings).toEqual(['The queue is away, sweeping without it']);
  });

  it('ends what is over, look by look, and counts no fault', async () => {
    const { sweeper, cursors, faults, work, expired } = make({ remembered: 'epoch-2', expired: 3 });
    await sweeper.sweep();
    await sweeper.sweep();
    expect(cursors[0]).toBeNull();
    expect(cursors[1]).toMatch(/^after-/);
    expect([expired(), work(), faults]).toEqual([6, 2, []]);
  });

  it('goes on where another worker ended', async () => {
    const rounds: Rounds = { expire: null, counters: null, parts: null };
    const [one, other] = [make({ rounds }), make({ rounds })];
    await one.sweeper.sweep();
    const after = rounds.expire;
    await other.sweeper.sweep();
    expect(after).not.toBeNull();
    expect(other.cursors).toEqual([after]);
  });

  it.each([
    ['few', 0, 1_000, 10],
    ['36,000', 36_000, 1_000, 10],
    ['a million', 1_000_000, 1_000, 278],
    ['a million, with passes of a tenth', 1_000_000, 100, 28],
    ['three million and more', 3_600_000, 1_000, 1_000],
    ['a hundred million', 100_000_000, 1_000, 1_000],
  ])(
    'counts as many operations a pass as come round in an hour, of %s, within bounds',
    async (_, operations, intervalMs, expected) => {
      const { sweeper, counted } = make({ operations, intervalMs });
      await sweeper.sweep();
      expect(counted).toEqual([{ operations: expected, pushes: 10_000 }]);
    },
  );

  it('mends counters and parts, which are faults', async () => {
    const given = { remembered: 'epoch-2', counters: 2, parts: 1 };
    const { sweeper, faults, work, warnings } = make(given);
    await sweeper.sweep();
    expect(faults).toEqual([
      ['counter-wrong', 2],
      ['part-wrong', 1],
    ]);
    expect(warnings).toHaveLength(2);
    // The parts are to be dispatched.
    expect(work()).toBe(1);
  });

  it.each(['rewindAll', 'requeue', 'expire', 'counters', 'parts'])(
    'holds nothing up for a rule that fails: %s',
    async (failing) => {
      const rounds: Rounds = { expire: null, counters: null, parts: null };
      const isNew = failing === 'rewindAll';
      const remembered = isNew ? 'epoch-1' : 'epoch-2';
      const { sweeper, calls, warnings, faults } = make({ remembered, lost, rounds, failing });
      await sweeper.sweep();
      const all = [isNew ? 'rewindAll' : 'requeue', 'expire', 'counters', 'parts'];
      expect(calls.filter((name) => all.includes(name))).toEqual(all);
      expect(warnings).toContain('A rule of the sweep failed, trying again');
      const moved = Object.entries(rounds).flatMap(([name, at]) => (at === null ? [] : [name]));
      expect(moved).toEqual(['expire', 'counters', 'parts'].filter((name) => name !== failing));
      expect(faults.map(([rule]) => rule)).toEqual(
        isNew || failing === 'requeue' ? [] : ['push-lost'],
      );
    },
  );

  it.each(['closeParts', 'forgetKeys', 'dropRegistrations', 'lostPushes', 'auditWindows'])(
    'keeps what the others did in the same transaction when a rule fails: %s',
    async (failing) => {
      const rules = ['closeParts', 'forgetKeys', 'dropRegistrations', 'lostPushes', 'auditWindows'];
      const { sweeper, calls, warnings } = make({ remembered: 'epoch-2', failing });
      await sweeper.sweep();
      expect(calls.slice(0, 10)).toEqual(rules.flatMap((rule) => ['apart', rule]));
      expect(calls.slice(10)).toEqual(['expire', 'counters', 'parts']);
      expect(warnings).toEqual(['A rule of the sweep failed, trying again']);
    },
  );

  it('adds many lost pushes in slices, each noted before the next, and none after it was stopped', async () => {
    const many = Array.from({ length: 1_100 }, (_, at) => ({ ...lost[0]!, id: `p${at}` }));
    const { sweeper, calls, faults, requeued } = make({ remembered: 'epoch-2', lost: many });
    await sweeper.sweep();
    expect(requeued).toEqual(many);
    expect(calls.filter((name) => name === 'requeue' || name === 'handedOverAgain')).toEqual(
      [1, 2, 3].flatMap(() => ['requeue', 'handedOverAgain']),
    );
    expect(faults.map(([, count]) => count)).toEqual([500, 500, 100]);
    const stopped = make({ remembered: 'epoch-2', lost: many });
    await stopped.sweeper.stop();
    await stopped.sweeper.sweep();
    expect(stopped.requeued).toEqual([]);
  });

  it('tells a rewind that it is stopped, and begins no other rule after that', async () => {
    const stopped: boolean[] = [];
    const { sweeper, calls } = make({
      remembered: 'epoch-1',
      rewinding(isStopped) {
        stopped.push(isStopped());
        void sweeper.stop();
        stopped.push(isStopped());
      },
    });
    await sweeper.sweep();
    expect(stopped).toEqual([false, true]);
    expect(calls.at(-1)).toBe('rewindAll');
  });

  it('leaves a pass to the worker that is at it', async () => {
    const { sweeper, calls, work } = make({ locked: true });
    await sweeper.sweep();
    expect([calls, work()]).toEqual([[], 0]);
  });

  it('does nothing where another worker has passed a moment ago', async () => {
    const { sweeper, calls, due, work } = make({ early: true, intervalMs: 5_000 });
    await sweeper.sweep();
    expect([calls, work()]).toEqual([[], 0]);
    expect(due).toEqual([4_000]);
  });

  it('goes on by its timer after a pass that failed, until it is stopped', async () => {
    let passes = 0;
    let enough: () => void = () => undefined;
    const three = new Promise<void>((resolve) => (enough = resolve));
    const warnings: unknown[] = [];
    const sweeper = new Sweeper(
      {
        pass: () => {
          if (++passes === 3) enough();
          return passes === 1 ? Promise.reject(new Error('database away')) : Promise.resolve(null);
        },
        rewindAll: () => Promise.resolve(null),
        handedOverAgain: () => Promise.resolve(),
        rounds: () => Promise.reject(new Error('no pass had the lock')),
        keepRounds: () => Promise.resolve(),
      },
      { expire: () => Promise.resolve({ next: null, expired: 0 }) },
      {
        counters: () => Promise.resolve({ next: null, wrong: 0, mended: 0 }),
        parts: () => Promise.resolve({ next: null, wrong: 0, mended: 0 }),
      },
      {
        intervalMs: 1,
        lostAfterMs: 1,
        retentionDays: 7,
        retryWindowMs: 86_400_000,
        leaseMs: 60_000,
        epoch: () => Promise.resolve('e'),
        requeue: () => Promise.resolve(),
        onWork: () => undefined,
        logger: { info: () => undefined, warn: (fields: unknown) => void warnings.push(fields) },
      },
    );
    sweeper.start();
    await three;
    await sweeper.stop();
    expect(warnings).toHaveLength(1);
    const after = passes;
    await sweeper.stop();
    expect(passes).toBe(after);
  });
});
