import { afterEach, describe, expect, it } from '@jest/globals';
import type { DispatchLane, Slowed, Turns } from '@app/persistence';
import { Dispatcher } from './dispatcher.js';

const SHARES = { FCM: 7, APN: 8 };
const RESTING: Slowed = {
  small: { credentialIds: [], most: 0 },
  bulk: { credentialIds: ['credential'], most: 0 },
};
const SLOWED: Slowed = { ...RESTING, bulk: { credentialIds: ['credential'], most: 10 } };
const open: Dispatcher[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((dispatcher) => dispatcher.stop()));
});

/** `turns` answers by lane and running number; resolves `quiet` when nothing was found in a round. */
function make(
  turns: (lane: DispatchLane, at: number) => Turns | null | Error,
  intervalMs = 60_000,
  usable = () => Promise.resolve(),
  lanes: () => DispatchLane[] = () => ['small', 'bulk'],
  slowed: () => Slowed = () => SLOWED,
  restMs = 0,
) {
  const taken: DispatchLane[] = [];
  const asked: unknown[] = [];
  const warnings: unknown[] = [];
  const told: unknown[] = [];
  let waiting: { count: number; resolve: () => void } | undefined;
  const dispatcher = new Dispatcher(
    {
      lanesWithWork: (...look) => {
        asked.push(look);
        return Promise.resolve(lanes());
      },
      takeTurns: (lane, _limit, _handOver, ...look) => {
        taken.push(lane);
        expect(look).toEqual([SHARES, slowed()]);
        if (waiting !== undefined && taken.length >= waiting.count) waiting.resolve();
        const turn = turns(lane, taken.length);
        return turn instanceof Error ? Promise.reject(turn) : Promise.resolve(turn);
      },
    },
    {
      chunk: 500,
      intervalMs,
      handOver: () => Promise.resolve(),
      shares: () => SHARES,
      backlogs: {
        get slowed() {
          return slowed();
        },
        restMs: () => restMs,
        onTurn: (...turn) => void told.push(turn),
      },
      usable,
      logger: { warn: (fields: unknown) => void warnings.push(fields) },
    },
  );
  open.push(dispatcher);
  const afterTurns = (count: number) =>
    new Promise<void>((resolve) => {
      if (taken.length >= count) resolve();
      else waiting = { count, resolve };
    });
  return { dispatcher, taken, asked, told, warnings, afterTurns };
}

const turn: Turns = {
  accountIds: ['a'],
  handedOver: 10,
  passed: 1,
  counts: new Map([['credential', 10]]),
  backlogs: new Set(['credential']),
};

describe('Dispatcher', () => {
  it('takes three small turns, then one bulk, while there is work; every fourth time bulk first', async () => {
    const { dispatcher, taken, afterTurns } = make((_lane, at) => (at <= 16 ? turn : null));
    dispatcher.wake();
    await afterTurns(18);
    const smallFirst = ['small', 'small', 'small', 'bulk'];
    expect(taken.slice(0, 16)).toEqual([
      ...smallFirst,
      ...smallFirst,
      ...smallFirst,
      ...['bulk', 'small', 'small', 'small'],
    ]);
  });

  it('lets bulk have room now and then where small sends take all of it as it comes free', async () => {
    let room = 0;
    const got = { small: 0, bulk: 0 };
    const { dispatcher, afterTurns, taken } = make((lane) => {
      const handedOver = room;
      room = 0;
      got[lane] += handedOver;
      return handedOver === 0 ? null : { ...turn, handedOver };
    });
    for (let freed = 0; freed < 40; freed++) {
      room = 10;
      const before = taken.length;
      dispatcher.wake();
      await afterTurns(before + 3);
      await new Promise(setImmediate);
    }
    expect(got.small + got.bulk).toBe(400);
    expect(got.bulk).toBeGreaterThanOrEqual(50);
    expect(got.small).toBeGreaterThan(2 * got.bulk);
  });

  it('takes turns in the lanes that have work, and none where no lane has', async () => {
    const answers: DispatchLane[][] = [['bulk'], []];
    const { dispatcher, taken, asked } = make(
      () => turn,
      60_000,
      undefined,
      () => answers.shift() ?? [],
    );
    dispatcher.wake();
    while (asked.length < 2) await new Promise(setImmediate);
    await dispatcher.stop();
    expect(taken).toEqual(['bulk']);
    expect(asked).toEqual([
      [SHARES, SLOWED],
      [SHARES, SLOWED],
    ]);
  });

  it('asks a lane no further in a round once it found nothing', async () => {
    const { dispatcher, taken, afterTurns } = make(() => null);
    dispatcher.wake();
    await afterTurns(2);
    await dispatcher.stop();
    expect(taken).toEqual(['small', 'bulk']);
  });

  it('looks again when it was woken while at work', async () => {
    const { dispatcher, afterTurns, taken } = make((_lane, at) => {
      if (at === 1) dispatcher.wake();
      return null;
    });
    dispatcher.wake();
    await afterTurns(4);
    expect(taken).toEqual(['small', 'bulk', 'small', 'bulk']);
  });

  it('looks by itself when nobody wakes it, also after a failure', async () => {
    const { dispatcher, afterTurns, warnings } = make(
      (_lane, at) => (at === 1 ? new Error('queue away') : null),
      5,
    );
    dispatcher.wake();
    await afterTurns(5);
    expect(warnings).toHaveLength(1);
  });

  it('tells what each turn took', async () => {
    const { dispatcher, told, afterTurns } = make((_lane, at) => (at === 1 ? turn : null));
    dispatcher.wake();
    await afterTurns(3);
    await dispatcher.stop();
    expect(told).toEqual([['small', turn]]);
  });

  it.each([5, 0])(
    'looks again when the rest is over of those that its last look passed by, in %s ms',
    async (restMs) => {
      const { dispatcher, asked, afterTurns } = make(
        () => null,
        60_000,
        undefined,
        () => (asked.length < 2 ? [] : ['bulk']),
        () => RESTING,
        restMs,
      );
      dispatcher.wake();
      await afterTurns(1);
      expect(asked).toEqual([
        [SHARES, RESTING],
        [SHARES, RESTING],
      ]);
    },
  );

  it('looks no sooner than its interval where its last look passed nobody by', async () => {
    const { dispatcher, asked, afterTurns } = make(() => null);
    dispatcher.wake();
    await afterTurns(2);
    for (let round = 0; round < 5; round++) await new Promise((resolve) => setTimeout(resolve));
    expect(asked).toHaveLength(1);
  });

  it('goes on past parts that hold nothing any more, as those of canceled operations', async () => {
    const { dispatcher, taken, afterTurns } = make((_lane, at) =>
      at <= 8 ? { ...turn, handedOver: 0, passed: 50 } : null,
    );
    dispatcher.wake();
    await afterTurns(10);
    await dispatcher.stop();
    expect(taken).toHaveLength(10);
  });

  it('takes no turn after it was stopped', async () => {
    const { dispatcher, taken } = make(() => turn);
    dispatcher.wake();
    await dispatcher.stop();
    const count = taken.length;
    dispatcher.wake();
    expect(taken).toHaveLength(count);
  });

  it('takes no turn while the queue is away, and looks again after its interval', async () => {
    let away = 2;
    const { taken, warnings, dispatcher, afterTurns } = make(
      () => null,
      5,
      () => (away-- > 0 ? Promise.reject(new Error('queue away')) : Promise.resolve()),
    );
    dispatcher.wake();
    await afterTurns(1);
    expect(warnings).toHaveLength(2);
    expect(taken[0]).toBe('small');
  });
});
