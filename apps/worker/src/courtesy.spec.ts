import { describe, expect, it } from '@jest/globals';
import type { DispatchLane } from '@app/persistence';
import { Courtesy } from './courtesy.js';

const NOBODY = { small: [], bulk: [], most: 0 };

/** A worker that hands over what it may, and pushes of somebody that are tried so late as `judged` says. */
function make() {
  let now = 1_000;
  const courtesy = new Courtesy({ monotonicMs: () => now });
  const turn = (pushes = 500, credential = 'c', lane: DispatchLane = 'bulk') =>
    courtesy.onTurn(lane, new Map([[credential, pushes]]));
  return {
    courtesy,
    turn,
    wait: (ms: number) => (now += ms),
    /** Five pushes in a second, of what 1,000 are settled; whether there is a backlog. */
    judged: (lateMs: number, hasBacklog = true) => {
      for (let tried = 0; tried < 5; tried++) {
        now += 200;
        courtesy.onSettled(200);
        if (hasBacklog) turn(10);
        courtesy.onTried(lateMs);
      }
    },
  };
}

describe('Courtesy', () => {
  it('lets backlogs go on while nobody else sends, or those are in time', () => {
    const { courtesy, turn, judged } = make();
    turn();
    expect([courtesy.limit, courtesy.restMs, courtesy.slowed]).toEqual([Infinity, 0, NOBODY]);
    for (const lateMs of [30, 17, 36, 20, 30]) judged(lateMs);
    expect([courtesy.limit, courtesy.restMs, courtesy.slowed]).toEqual([Infinity, 0, NOBODY]);
  });

  it('slows them down while pushes are tried more than twice as late as at best, and lets them go faster again', () => {
    const { courtesy, judged } = make();
    const limits = [25, 51, 51, 50, 50].map((lateMs) => {
      judged(lateMs);
      return courtesy.limit;
    });
    expect(limits.map(Math.round)).toEqual([Infinity, 500, 375, 413, 454]);
  });

  it('takes 20 ms for nothing where the best are quicker, and the best may be before their time', () => {
    const { courtesy, judged } = make();
    judged(-40);
    judged(-20);
    expect(courtesy.limit).toBe(Infinity);
    judged(-19);
    expect(courtesy.limit).toBe(500);
  });

  it('judges by the middle one: a single late push is no matter', () => {
    const { courtesy, judged, turn, wait } = make();
    judged(20);
    for (const lateMs of [900, 20, 900, 20, 20]) {
      wait(200);
      turn(10);
      courtesy.onTried(lateMs);
    }
    expect(courtesy.limit).toBe(Infinity);
  });

  it('slows down once a second at the most: what was handed over before must be through first', () => {
    const { courtesy, turn, judged, wait } = make();
    judged(20);
    judged(500);
    for (const [ms, limit] of [[900, 500] as const, [100, 375] as const]) {
      wait(ms);
      turn(10);
      for (let tried = 0; tried < 5; tried++) courtesy.onTried(500);
      expect([ms, courtesy.limit]).toEqual([ms, limit]);
    }
  });

  it('leaves them an eighth of the full pace, and gives back all of it when nobody is late any more', () => {
    const { courtesy, judged } = make();
    judged(20);
    for (let n = 0; n < 20; n++) judged(500);
    expect(courtesy.limit).toBe(125);
    for (let n = 0; n < 30; n++) judged(20);
    expect(courtesy.limit).toBe(Infinity);
  });

  it('gives a backlog small turns in its lane, with a rest after each', () => {
    const { courtesy, judged, turn, wait } = make();
    judged(20);
    judged(500);
    wait(courtesy.restMs + 2_001);
    turn(250, 'one', 'bulk');
    turn(250, 'two', 'small');
    expect(courtesy.restMs).toBe(1_000);
    expect(courtesy.slowed).toEqual({ small: ['two'], bulk: ['one'], most: 0 });
    wait(999);
    expect(courtesy.slowed).toMatchObject({ most: 0 });
    wait(1);
    expect([courtesy.restMs, courtesy.slowed]).toEqual([
      0,
      { small: ['two'], bulk: ['one'], most: 50 },
    ]);
    wait(2_001);
    turn(50, 'three', 'bulk');
    expect(courtesy.slowed).toEqual({ small: [], bulk: ['three'], most: 0 });
  });

  it('remembers 500 backlogs of a lane at once', () => {
    const { courtesy, judged } = make();
    judged(20);
    judged(500);
    const many = Array.from({ length: 600 }, (_, at) => [`c${at}`, 1] as const);
    courtesy.onTurn('small', new Map(many));
    expect(courtesy.slowed.small).toHaveLength(500);
    expect(courtesy.slowed.bulk).toHaveLength(1);
  });

  it('gives larger turns where the pace is high', () => {
    const { courtesy, judged, turn, wait } = make();
    judged(20);
    for (let n = 0; n < 4; n++) courtesy.onSettled(1_000);
    judged(500);
    expect(courtesy.limit).toBe(2_500);
    turn(250);
    wait(courtesy.restMs);
    expect(courtesy.slowed).toMatchObject({ most: 250 });
  });

  it('lets nothing rest longer than a second, however little was settled before', () => {
    const { courtesy, turn, wait } = make();
    for (const lateMs of [20, 500]) {
      for (let tried = 0; tried < 5; tried++) {
        wait(200);
        courtesy.onSettled(1);
        turn(1);
        courtesy.onTried(lateMs);
      }
    }
    expect(courtesy.limit).toBeLessThan(5);
    turn(500);
    expect(courtesy.restMs).toBe(1_000);
  });

  it('holds nothing back, though it rests, when nobody sends any more', () => {
    const { courtesy, judged, turn, wait } = make();
    judged(20);
    judged(500);
    wait(9_500);
    turn();
    expect(courtesy.slowed).toMatchObject({ bulk: ['c'], most: 0 });
    wait(501);
    expect([courtesy.limit, courtesy.slowed]).toEqual([Infinity, NOBODY]);
  });

  it('is over when nobody sends any more', () => {
    const { courtesy, judged, turn, wait } = make();
    judged(20);
    judged(500);
    wait(10_001);
    turn();
    expect([courtesy.limit, courtesy.restMs]).toEqual([Infinity, 0]);
    // Who comes later is judged by the best of the same hour.
    judged(500);
    expect(courtesy.limit).toBeLessThan(Infinity);
  });

  it('slows nothing down where there is no backlog', () => {
    const { courtesy, judged } = make();
    judged(20, false);
    judged(500, false);
    expect(courtesy.limit).toBe(Infinity);
  });

  it('forgets the best after an hour: the database may be farther away now', () => {
    const { courtesy, judged, wait } = make();
    judged(20);
    for (let sixth = 0; sixth < 6; sixth++) {
      wait(600_000);
      judged(70, false);
    }
    judged(70);
    judged(140);
    expect(courtesy.limit).toBe(Infinity);
    judged(141);
    expect(courtesy.limit).toBeLessThan(Infinity);
  });
});
