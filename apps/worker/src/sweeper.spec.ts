import { describe, expect, it } from '@jest/globals';
import type { LostPush, SweepPass } from '@app/persistence';
import { Sweeper, type SweepRule } from './sweeper.js';

function make(given: {
  remembered?: string | null;
  lost?: LostPush[];
  wrong?: number;
  locked?: boolean;
}) {
  const calls: string[] = [];
  const faults: [SweepRule, number][] = [];
  const requeued: LostPush[] = [];
  let rewound = 0;
  const note = <T>(name: string, answer: T) => {
    calls.push(name);
    return Promise.resolve(answer);
  };
  const pass: Record<keyof SweepPass, () => Promise<unknown>> = {
    remember: () => note('remember', given.remembered ?? null),
    rewindAll: () => note('rewindAll', 2),
    closeParts: () => note('closeParts', undefined),
    lostPushes: () => note('lostPushes', given.lost ?? []),
    dropRegistrations: () => note('dropRegistrations', 0),
    forgetKeys: () => note('forgetKeys', undefined),
    auditWindows: () => note('auditWindows', given.wrong ?? 0),
  };
  const sweeper = new Sweeper(
    {
      pass: (work) =>
        given.locked === true ? Promise.resolve(null) : work(pass as unknown as SweepPass),
    },
    {
      intervalMs: 1,
      lostAfterMs: 90_000,
      epoch: () => Promise.resolve('epoch-2'),
      requeue: (pushes) => {
        requeued.push(...pushes);
        return Promise.resolve();
      },
      onRewound: () => rewound++,
      onFault: (rule, count) => faults.push([rule, count]),
      logger: { info: () => undefined, warn: () => undefined },
    },
  );
  return { sweeper, calls, faults, requeued, rewound: () => rewound };
}

const lost: LostPush[] = [{ id: 'a', provider: 'FCM', lane: 'small' }];

describe('Sweeper', () => {
  it('rewinds everything when the queue lost its memory', async () => {
    const { sweeper, calls, faults, rewound } = make({ remembered: 'epoch-1', lost });
    await sweeper.sweep();
    expect(calls).toContain('rewindAll');
    expect(calls).not.toContain('lostPushes');
    expect(faults).toEqual([['queue-lost', 1]]);
    expect(rewound()).toBe(1);
  });

  it('rewinds for a queue that it has not seen before, which is no fault', async () => {
    const { sweeper, calls, faults } = make({ remembered: null });
    await sweeper.sweep();
    expect(calls).toContain('rewindAll');
    expect(faults).toEqual([]);
  });

  it('adds lost pushes again and counts them', async () => {
    const { sweeper, requeued, faults, calls, rewound } = make({
      remembered: 'epoch-2',
      lost,
      wrong: 1,
    });
    await sweeper.sweep();
    expect(requeued).toEqual(lost);
    expect(faults).toEqual([
      ['push-lost', 1],
      ['window-wrong', 1],
    ]);
    expect(calls).not.toContain('rewindAll');
    expect(rewound()).toBe(0);
  });

  it('leaves a pass to the worker that is at it', async () => {
    const { sweeper, calls, rewound } = make({ locked: true });
    await sweeper.sweep();
    expect([calls, rewound()]).toEqual([[], 0]);
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
      },
      {
        intervalMs: 1,
        lostAfterMs: 1,
        epoch: () => Promise.resolve('e'),
        requeue: () => Promise.resolve(),
        onRewound: () => undefined,
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
