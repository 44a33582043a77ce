import { setImmediate as immediate } from 'node:timers/promises';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Admission } from './admission.js';
import { Settlements } from './settlements.js';
import { stopWorker, type WorkerParts } from './stop-worker.js';
import { settlement } from './testing.js';

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

function make() {
  const calls: string[] = [];
  /** It takes a while: whoever does not wait for it is ahead of it. */
  const note = (name: string) => async () => {
    for (let turn = 0; turn < 5; turn++) await immediate();
    calls.push(name);
  };
  const parts: WorkerParts = {
    takers: [note('consumer'), note('timer')],
    settlements: { drain: note('settlements') },
    admission: { drain: note('admission') },
    deadTokens: { stop: note('dead tokens') },
    providers: [{ giveUp: () => void calls.push('given up'), close: note('provider') }],
    close: note('connections'),
  };
  return { calls, parts, note };
}

afterEach(() => {
  jest.useRealTimers();
});

describe('a worker that is stopped', () => {
  it('takes no more, then commits, then closes', async () => {
    const { calls, parts } = make();
    await stopWorker(parts, 25_000, logger);
    expect(calls).toEqual([
      ...['consumer', 'timer', 'settlements', 'admission'],
      ...['dead tokens', 'provider', 'connections'],
    ]);
  });

  it('writes down what the last settlement said of a probe before it closes the database', async () => {
    const { calls, parts, note } = make();
    const admission = new Admission(
      {
        seen: () => Promise.reject(new Error('not asked')),
        countWaiting: () => Promise.resolve(),
        gone: () => Promise.resolve(),
        grow: () => Promise.resolve(),
        due: () => Promise.resolve([]),
        beginProbe: () => Promise.resolve(null),
        probeAgain: () => Promise.resolve(),
        resume: async () => {
          await note('resuming')();
          await note('resumed')();
          return true;
        },
        warn: () => Promise.resolve(),
      },
      {
        workerId: 'w',
        slots: 1,
        intervalMs: 60_000,
        probeTimeoutMs: 1,
        startWindow: 500,
        handOver: () => Promise.resolve(),
        onResumed: () => undefined,
        logger,
      },
    );
    const settlements = new Settlements(
      {
        settle: () =>
          Promise.resolve({ changed: new Set(['push']), canceled: new Set(), paused: new Set() }),
      },
      {
        onFailing: () => undefined,
        onCommitted: (batch, { changed }, repeated) =>
          admission.onCommitted(batch, changed, repeated),
        logger,
      },
    );
    // A consumer ends with the settlement of what it had in hand.
    const consumer = async () => {
      await note('consumer')();
      void settlements.commit(settlement({ probe: 'works' }));
    };
    const takers = [() => admission.stop(), consumer];
    await stopWorker({ ...parts, takers, admission, settlements }, 25_000, logger);
    expect(calls).toContain('resumed');
    expect(calls.indexOf('resumed')).toBeLessThan(calls.indexOf('dead tokens'));
  });

  it('gives up what its providers have not answered, 5 s before it is killed, and never after it ended', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate'] });
    const { calls, parts } = make();
    const answer = Promise.withResolvers<void>();
    const stopping = stopWorker({ ...parts, takers: [() => answer.promise] }, 25_000, logger);
    jest.advanceTimersByTime(19_999);
    expect(calls).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(calls).toEqual(['given up']);
    answer.resolve();
    await stopping;
    const soon = make();
    await stopWorker(soon.parts, 25_000, logger);
    jest.advanceTimersByTime(25_000);
    expect(soon.calls).not.toContain('given up');
  });
});
