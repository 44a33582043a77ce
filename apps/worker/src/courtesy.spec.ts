import { describe, expect, it } from '@jest/globals';
import type { PushSettlement } from '@app/persistence';
import { Courtesy } from './courtesy.js';
import { settlement } from './testing.js';

/** A commit of so many pushes that were sent. */
function settle(courtesy: Courtesy, pushes: number): void {
  const batch = Array.from({ length: pushes }, (_, n) => settlement({ id: `${n}` }));
  courtesy.onCommitted(batch, new Set(batch.map(({ id }) => id)));
}

/** A worker that settles so much a second, and pushes of somebody that are tried so late as `judged` says. */
function make() {
  let now = 1_000;
  let hasBacklog = true;
  const courtesy = new Courtesy({ monotonicMs: () => now, hasBacklog: () => hasBacklog });
  return {
    courtesy,
    wait: (ms: number) => (now += ms),
    backlog: (has: boolean) => (hasBacklog = has),
    /** Five pushes in a second, of what so many are settled. */
    judged: (lateMs: number, settled = 1_000) => {
      for (let tried = 0; tried < 5; tried++) {
        now += 200;
        settle(courtesy, settled / 5);
        courtesy.onTried(lateMs);
      }
    },
  };
}

/** Somebody sends, and is in time. */
function begun() {
  const made = make();
  made.courtesy.onTried(20);
  made.judged(20);
  return made;
}

describe('Courtesy', () => {
  it('lets backlogs go on while nobody else sends, or those are in time', () => {
    const { courtesy, judged } = make();
    settle(courtesy, 1_000);
    expect(courtesy.pace).toBe(Infinity);
    courtesy.onTried(30);
    for (const lateMs of [30, 17, 36, 20, 30]) judged(lateMs);
    expect(courtesy.pace).toBe(Infinity);
  });

  it('slows them down while pushes are tried more than twice as late as at best, and lets them go faster again', () => {
    const { courtesy, judged } = begun();
    const paces = [25, 51, 51, 40, 40].map((lateMs) => {
      judged(lateMs);
      return Math.round(courtesy.pace);
    });
    expect(paces).toEqual([Infinity, 500, 375, 450, 540]);
  });

  it('takes 20 ms for nothing where the best are quicker', () => {
    const { courtesy, judged } = begun();
    judged(3);
    judged(23);
    expect(courtesy.pace).toBe(Infinity);
    judged(24);
    expect(courtesy.pace).toBe(500);
  });

  it('knows a full pace by what was sent and committed, not by what ended without', () => {
    const { courtesy, wait } = begun();
    const batch = (count: number, over: Partial<PushSettlement>) =>
      Array.from({ length: count }, (_, n) => settlement({ id: `${n}`, ...over }));
    const ids = (count: number) => new Set(batch(count, {}).map(({ id }) => id));
    for (let tried = 0; tried < 5; tried++) {
      wait(200);
      courtesy.onCommitted(batch(5_000, { to: 'FAILED', attempts: [] }), ids(5_000));
      // Claimed by another worker meanwhile.
      courtesy.onCommitted(batch(5_000, {}), ids(240));
      courtesy.onTried(500);
    }
    // Half of 1,200 a second.
    expect(courtesy.pace).toBe(600);
  });

  it('judges by the middle one: a single late push is no matter', () => {
    const { courtesy, wait } = begun();
    for (const lateMs of [900, 20, 900, 20, 20]) {
      wait(200);
      courtesy.onTried(lateMs);
    }
    expect(courtesy.pace).toBe(Infinity);
  });

  it('judges once a second, however many are tried, by the last hundred', () => {
    const { courtesy, wait } = begun();
    // Settled together: a full pace is that of a second, not of the moment between two commits.
    settle(courtesy, 1_000);
    for (let tried = 0; tried < 200; tried++) {
      courtesy.onTried(tried < 120 ? 20 : 500);
      wait(5);
      if (tried < 199) expect(courtesy.pace).toBe(Infinity);
    }
    courtesy.onTried(500);
    expect(courtesy.pace).toBe(500);
  });

  it('judges no fewer than five, however long they take', () => {
    const { courtesy, wait } = begun();
    for (let tried = 0; tried < 4; tried++) {
      wait(5_000);
      settle(courtesy, 5_000);
      courtesy.onTried(500);
    }
    expect(courtesy.pace).toBe(Infinity);
    wait(5_000);
    settle(courtesy, 5_000);
    courtesy.onTried(500);
    expect(courtesy.pace).toBe(500);
  });

  it('leaves them an eighth of the full pace, also of one that is found later, and gives all of it back', () => {
    const { courtesy, judged } = begun();
    for (let n = 0; n < 9; n++) judged(500);
    expect(courtesy.pace).toBe(125);
    judged(500, 4_000);
    expect(courtesy.pace).toBe(500);
    for (let n = 0; n < 12; n++) judged(20);
    expect(courtesy.pace).toBe(Infinity);
  });

  it('gives up when the least pace does not help, and takes for the best what is', () => {
    const { courtesy, judged } = begun();
    for (let n = 0; n < 6 + 9; n++) judged(500);
    expect(courtesy.pace).toBe(125);
    judged(500);
    expect(courtesy.pace).toBe(Infinity);
    for (let n = 0; n < 20; n++) judged(1_000);
    expect(courtesy.pace).toBe(Infinity);
    judged(1_001);
    expect(courtesy.pace).toBe(500);
  });

  it('stays at the least pace where that helps, though not enough', () => {
    const { courtesy, judged } = begun();
    judged(500);
    for (let n = 0; n < 40; n++) judged(390);
    expect(courtesy.pace).toBe(125);
  });

  it('goes by time where few are judged', () => {
    const { courtesy, judged, wait } = begun();
    for (let n = 0; n < 9; n++) judged(500);
    expect(courtesy.pace).toBe(125);
    for (let tried = 0; tried < 5; tried++) {
      wait(2_000);
      settle(courtesy, 2_000);
      courtesy.onTried(20);
    }
    // Ten seconds in time.
    expect(Math.round(courtesy.pace)).toBe(774);
  });

  it('gives all of it back where there is no backlog any more, however late others are', () => {
    const { courtesy, judged, backlog } = begun();
    judged(500);
    backlog(false);
    judged(500);
    expect(courtesy.pace).toBe(500);
    judged(500);
    expect(courtesy.pace).toBe(600);
    for (let n = 0; n < 3; n++) judged(500);
    expect(courtesy.pace).toBe(Infinity);
  });

  it('forgets after an hour what was settled when the machine had nothing else to do', () => {
    const { courtesy, judged, wait } = begun();
    judged(500, 3_000);
    expect(courtesy.pace).toBe(1_500);
    for (let tried = 0; tried < 410; tried++) {
      wait(9_000);
      settle(courtesy, 2_700);
      courtesy.onTried(20);
    }
    judged(500, 300);
    expect(Math.round(courtesy.pace)).toBe(150);
  });

  it('does not take for a full pace, however long it lasts, what is settled while backlogs are slowed', () => {
    const { courtesy, judged } = begun();
    judged(500);
    for (let n = 0; n < 4_000; n++) judged(n % 20 === 0 ? 20 : 390, 125);
    expect(courtesy.pace).toBeGreaterThanOrEqual(125);
  });

  it('does not judge by what was settled before a whole second of backlog', () => {
    const { courtesy, judged, backlog } = make();
    backlog(false);
    courtesy.onTried(20);
    judged(20, 100);
    backlog(true);
    judged(500, 100);
    expect(courtesy.pace).toBe(Infinity);
    judged(500);
    expect(courtesy.pace).toBe(500);
  });

  it('slows nothing down where there is no backlog, or nothing was settled', () => {
    const { courtesy, judged, backlog } = begun();
    backlog(false);
    judged(500);
    judged(500);
    expect(courtesy.pace).toBe(Infinity);
    const idle = make();
    idle.courtesy.onTried(20);
    for (const lateMs of [20, 500, 500]) idle.judged(lateMs, 0);
    expect(idle.courtesy.pace).toBe(Infinity);
  });

  it('does not judge what waited longer than it lasts: for a pause, or for a queue', () => {
    const { courtesy, judged } = begun();
    for (let n = 0; n < 5; n++) judged(10_001);
    expect(courtesy.pace).toBe(Infinity);
    judged(10_000);
    expect(courtesy.pace).toBe(500);
    // They send all the same.
    for (let n = 0; n < 15; n++) judged(10_001);
    expect(courtesy.pace).toBe(500);
  });

  it('is over when nobody sends any more, and begins anew with who comes later', () => {
    const { courtesy, judged, wait } = begun();
    judged(500);
    wait(10_000);
    expect(courtesy.pace).toBe(500);
    wait(1);
    expect(courtesy.pace).toBe(Infinity);
    courtesy.onTried(500);
    expect(courtesy.pace).toBe(Infinity);
    // By the best of the same hour, but by the full pace of now.
    judged(500, 200);
    expect(courtesy.pace).toBe(100);
  });

  it('forgets the best after an hour: the database may be farther away now', () => {
    const { courtesy, judged, wait } = begun();
    for (let sixth = 0; sixth < 6; sixth++) {
      expect(courtesy.pace).toBe(Infinity);
      wait(600_000);
      courtesy.onTried(40);
      judged(40);
    }
    judged(80);
    expect(courtesy.pace).toBe(Infinity);
    judged(81);
    expect(courtesy.pace).toBe(500);
  });

  it('forgets the best of the evening over a quiet night', () => {
    const { courtesy, judged, wait } = begun();
    wait(8 * 3_600_000);
    courtesy.onTried(70);
    judged(70);
    judged(140);
    expect(courtesy.pace).toBe(Infinity);
    judged(141);
    expect(courtesy.pace).toBe(500);
  });
});
