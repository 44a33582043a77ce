import { afterEach, describe, expect, it } from '@jest/globals';
import { FAILURES, type Uuid } from '@app/domain';
import {
  MAX_WINDOW,
  WHOLE,
  type Crew,
  type Probe,
  type PushSettlement,
  type Shares,
} from '@app/persistence';
import { Admission } from './admission.js';
import { settlement } from './testing.js';

const open: Admission[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((admission) => admission.stop()));
});

interface Given {
  crew?: Crew;
  away?: Error;
  due?: Uuid[];
  probe?: Probe | 'taken' | null;
  failing?: Error;
  /** Until then a pause has not ended. */
  resuming?: Promise<void>;
}

function make(given: Given = {}) {
  const calls: unknown[][] = [];
  let isStopped = () => false;
  let due = given.due ?? [];
  const note =
    <T>(name: string, answer: T) =>
    async (...args: unknown[]) => {
      calls.push([name, ...args]);
      if (given.failing !== undefined) throw given.failing;
      return answer;
    };
  const admission = new Admission(
    {
      seen: async () => {
        if (given.failing !== undefined) throw given.failing;
        return given.crew ?? crewOf(200, 1, 1);
      },
      countWaiting: async () => undefined,
      gone: note('gone', undefined),
      grow: async () => undefined,
      due: async () => due.splice(0),
      beginProbe: note('beginProbe', given.probe ?? null),
      probeAgain: note('probeAgain', undefined),
      resume: async (credentialId, probe, batches) => {
        isStopped = batches?.isStopped ?? isStopped;
        await given.resuming;
        return note('resume', true)(credentialId, probe);
      },
      warn: note('warn', undefined),
    },
    {
      workerId: 'w',
      slots: 100,
      intervalMs: 60_000,
      probeTimeoutMs: 9_000,
      startWindow: 500,
      handOver: async (one) => {
        calls.push(['handOver', one]);
        if (given.away !== undefined) throw given.away;
      },
      onResumed: () => void calls.push(['resumed']),
      logger: {
        info: () => undefined,
        warn: (_fields: unknown, message?: string) => void calls.push(['warning', message]),
      },
    },
  );
  open.push(admission);
  return { admission, calls, isStopped: () => isStopped(), setDue: (ids: Uuid[]) => (due = ids) };
}

const commit = async (admission: Admission, over: Partial<PushSettlement>) => {
  admission.onCommitted([settlement(over)], new Set(['push']), false);
  await new Promise((resolve) => setImmediate(resolve));
};

/** Of one provider; the other has nothing to do. */
function crewOf(slots: number, active: number, busy: number): Crew {
  return { slots, credentials: { FCM: { active, busy }, APN: { active: 0, busy: 0 } } };
}

describe('Admission', () => {
  it.each<[string, Crew, Shares]>([
    ['its window where nobody else has work', crewOf(400, 1, 1), WHOLE],
    ['half of the slots while another has work', crewOf(400, 2, 1), { FCM: 200, APN: MAX_WINDOW }],
    ['an equal part of them beside many', crewOf(400, 9, 8), { FCM: 50, APN: MAX_WINDOW }],
    ['one at least', crewOf(1, 2, 2), { FCM: 1, APN: MAX_WINDOW }],
    [
      'of the slots of its own provider',
      { slots: 400, credentials: { FCM: { active: 1, busy: 1 }, APN: { active: 4, busy: 4 } } },
      { FCM: MAX_WINDOW, APN: 100 },
    ],
  ])('gives a credential %s', async (_, crew, shares) => {
    const { admission } = make({ crew });
    await admission.start();
    expect(admission.shares).toEqual(shares);
  });

  it.each([
    ['while few are busy', 20, 1, true],
    ['not where they could fill more than half of the slots', 20, 2, false],
    ['nor with no slots to spare', 4, 0, false],
  ])('lets sparse pushes go before the line %s', async (_, slots, busy, may) => {
    const { admission } = make({ crew: crewOf(slots, busy, busy) });
    expect(admission.sparsePass).toEqual({ FCM: false, APN: false });
    await admission.start();
    expect(admission.sparsePass.FCM).toBe(may);
  });

  it('sends one push of a credential whose pause is over, and leaves it when another worker did', async () => {
    const probe: Probe = { id: 'p', provider: 'FCM', lane: 'small' };
    const { admission, calls } = make({ due: ['c'], probe });
    await admission.start();
    expect(calls).toEqual([
      ['beginProbe', 'c', 9_000],
      ['handOver', probe],
    ]);
    const late = make({ due: ['c'], probe: 'taken' });
    await late.admission.start();
    expect(late.calls).toEqual([['beginProbe', 'c', 9_000]]);
  });

  it('lets a bulk probe go first, and one that the queue did not take come again soon', async () => {
    const probe: Probe = { id: 'p', provider: 'FCM', lane: 'bulk' };
    const { admission, calls } = make({ due: ['c', 'd'], probe, away: new Error('queue away') });
    await admission.start();
    expect(calls.filter(([name]) => name !== 'warning')).toEqual(
      ['c', 'd'].flatMap((id) => [
        ['beginProbe', id, 9_000],
        ['handOver', { ...probe, lane: 'small' }],
        ['probeAgain', id, 'p', 1_000],
      ]),
    );
  });

  it('ends the pause when there is no other push to try it with', async () => {
    const { admission, calls } = make({ due: ['c'], probe: null });
    await admission.start();
    expect(calls.slice(1)).toEqual([['resume', 'c', null], ['resumed']]);
  });

  it('looks again when it is woken', async () => {
    const { admission, calls, setDue } = make({ probe: 'taken' });
    await admission.start();
    expect(calls).toEqual([]);
    setDue(['c']);
    await admission.start();
    expect(calls).toEqual([['beginProbe', 'c', 9_000]]);
  });

  it('ends the pause by a probe that works, asks again after one that could not tell', async () => {
    const { admission, calls } = make();
    await commit(admission, { probe: 'works' });
    expect(calls).toEqual([['resume', 'c', 'push'], ['resumed']]);
    calls.length = 0;
    await commit(admission, { probe: 'unclear' });
    expect(calls).toEqual([['probeAgain', 'c', 'push', 5_000]]);
    calls.length = 0;
    // The settlement itself has lengthened the pause.
    await commit(admission, { probe: 'refused' });
    await commit(admission, { probe: null });
    admission.onCommitted([settlement({ probe: 'works' })], new Set(), false);
    expect(calls).toEqual([]);
  });

  it('warns the owner of a credential, once a while', async () => {
    const { admission, calls } = make();
    const third = { errorCode: FAILURES.THIRD_PARTY_AUTH.code, errorMessage: 'No APNs key.' };
    await commit(admission, third);
    await commit(admission, third);
    await commit(admission, { ...third, credentialId: 'd' });
    expect(calls).toEqual([
      ['warn', 'c', 'No APNs key.'],
      ['warn', 'd', 'No APNs key.'],
    ]);
  });

  it('goes on after a database that was away, and says what was lost', async () => {
    const { admission, calls } = make({ failing: new Error('away') });
    await admission.start();
    await commit(admission, { probe: 'works' });
    expect(calls).toEqual([
      ['warning', 'Admission failed, trying again'],
      ['resume', 'c', 'push'],
      ['warning', 'The word of a probe was lost'],
    ]);
  });

  it('when it stops, tells what ends a pause so and waits for it, for what is committed after that too', async () => {
    const gate = Promise.withResolvers<void>();
    const { admission, calls, isStopped } = make({ resuming: gate.promise });
    await commit(admission, { probe: 'works' });
    expect(isStopped()).toBe(false);
    const stopping = admission.stop().then(() => calls.push(['stopped']));
    await commit(admission, { probe: 'works', credentialId: 'd' });
    expect([isStopped(), calls]).toEqual([true, []]);
    gate.resolve();
    await stopping;
    expect(calls.slice(-2)).toEqual([['gone', 'w'], ['stopped']]);
    expect(calls.filter(([name]) => name === 'resume')).toHaveLength(2);
    const late = make({ resuming: gate.promise });
    await late.admission.stop();
    late.admission.onCommitted([settlement({ probe: 'works' })], new Set(['push']), false);
    await late.admission.drain();
    expect(late.calls).toContainEqual(['resume', 'c', 'push']);
  });
});
