import { describe, expect, it } from '@jest/globals';
import type { DispatchLane } from '@app/persistence';
import { Backlogs } from './backlogs.js';

const NONE = { credentialIds: [], most: 0 };

function make(pace = 1_000) {
  let now = 1_000;
  const options = { monotonicMs: () => now, pace: () => options.held, held: pace };
  const backlogs = new Backlogs(options);
  return {
    backlogs,
    wait: (ms: number) => (now += ms),
    hold: (held: number) => (options.held = held),
    /** So many pushes of each; those of `over` left none. */
    turn: (lane: DispatchLane, counts: Record<string, number>, over: readonly string[] = []) =>
      backlogs.onTurn(lane, {
        counts: new Map(Object.entries(counts)),
        backlogs: new Set(Object.keys(counts).filter((id) => !over.includes(id))),
      }),
  };
}

describe('Backlogs', () => {
  it('has nobody slowed without a pace, and knows all the same whether there is one', () => {
    const { backlogs, turn, hold } = make(Infinity);
    expect(backlogs.exist).toBe(false);
    turn('bulk', { one: 500 });
    turn('bulk', { one: 500 });
    expect([backlogs.exist, backlogs.restMs('bulk')]).toEqual([true, 0]);
    expect(backlogs.slowed).toEqual({ small: NONE, bulk: NONE });
    hold(1_000);
    expect(backlogs.slowed).toEqual({ small: NONE, bulk: { credentialIds: ['one'], most: 100 } });
  });

  it('gives a lane small turns, a tenth of a second of its pace, and rests for what they took', () => {
    const { backlogs, turn, wait } = make();
    turn('bulk', { one: 500 });
    expect(backlogs.slowed.bulk).toEqual({ credentialIds: ['one'], most: 100 });
    turn('bulk', { one: 100 });
    expect(backlogs.restMs('bulk')).toBe(100);
    expect(backlogs.slowed.bulk).toEqual({ credentialIds: ['one'], most: 0 });
    wait(99);
    expect(backlogs.slowed.bulk.most).toBe(0);
    wait(1);
    expect([backlogs.restMs('bulk'), backlogs.slowed.bulk.most]).toEqual([0, 100]);
  });

  it('gives turns of 50 where the pace is low, and lets nothing rest longer than a second', () => {
    const { backlogs, turn } = make(10);
    turn('bulk', { one: 1 });
    expect(backlogs.slowed.bulk.most).toBe(50);
    turn('bulk', { one: 50 });
    expect(backlogs.restMs('bulk')).toBe(1_000);
  });

  it('has those rest alone who were backlogs before the turn, and only for what was theirs', () => {
    const { backlogs, turn } = make();
    turn('bulk', { one: 500 });
    expect(backlogs.restMs('bulk')).toBe(0);
    turn('bulk', { one: 30, two: 500, three: 7 }, ['three']);
    expect(backlogs.restMs('bulk')).toBe(30);
    expect(backlogs.slowed.bulk.credentialIds).toEqual(['one', 'two']);
  });

  it('shares a turn among many', () => {
    const { backlogs, turn } = make();
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`c${at}`, 10]));
    turn('small', many(20));
    expect(backlogs.slowed.small.most).toBe(5);
    turn('bulk', many(300));
    expect(backlogs.slowed.bulk.most).toBe(1);
  });

  it('shares the pace between the lanes that have any, and keeps their rests apart', () => {
    const { backlogs, turn, wait } = make();
    turn('small', { one: 500 });
    turn('bulk', { two: 500 });
    turn('small', { one: 50 });
    expect([backlogs.restMs('small'), backlogs.restMs('bulk')]).toEqual([100, 0]);
    expect(backlogs.slowed).toEqual({
      small: { credentialIds: ['one'], most: 0 },
      bulk: { credentialIds: ['two'], most: 50 },
    });
    wait(100);
    turn('bulk', { two: 50 }, ['two']);
    turn('small', { one: 50 });
    expect([backlogs.restMs('small'), backlogs.restMs('bulk')]).toEqual([50, 100]);
  });

  it('forgets who left nothing, at once, though others go on', () => {
    const { backlogs, turn, wait } = make();
    turn('small', { one: 10, two: 10 });
    wait(500);
    turn('small', { one: 10, two: 10 }, ['one']);
    expect(backlogs.slowed.small.credentialIds).toEqual(['two']);
  });

  it('forgets who had no turn for two seconds after its rest, though others go on', () => {
    const { backlogs, turn, wait } = make();
    turn('small', { one: 10, two: 10 });
    turn('small', { one: 10, two: 10 });
    for (let n = 0; n < 20; n++) {
      wait(100);
      turn('small', { two: 1 });
    }
    wait(20);
    expect(backlogs.slowed.small.credentialIds).toEqual(['one', 'two']);
    wait(1);
    expect(backlogs.slowed.small.credentialIds).toEqual(['two']);
    wait(2_000);
    expect(backlogs.exist).toBe(false);
  });

  it('remembers 500 a lane, and has room again when some are over', () => {
    const { backlogs, turn } = make();
    const many = Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`c${at}`, 1]));
    turn('small', many);
    expect(backlogs.slowed.small.credentialIds).toHaveLength(500);
    expect(backlogs.slowed.bulk.credentialIds).toHaveLength(0);
    turn('small', { c0: 1, c599: 1 }, ['c0']);
    expect(backlogs.slowed.small.credentialIds).toHaveLength(500);
    expect(backlogs.slowed.small.credentialIds).toContain('c599');
  });

  it('rests no longer when there is no pace any more', () => {
    const { backlogs, turn, hold } = make();
    turn('bulk', { one: 500 });
    turn('bulk', { one: 500 });
    expect(backlogs.restMs('bulk')).toBe(500);
    hold(Infinity);
    expect(backlogs.restMs('bulk')).toBe(0);
    turn('bulk', { one: 0 });
    hold(1_000);
    expect(backlogs.restMs('bulk')).toBe(500);
  });
});
