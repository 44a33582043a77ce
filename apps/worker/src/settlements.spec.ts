import { describe, expect, it } from '@jest/globals';
import type { PushSettlement } from '@app/persistence';
import { Settlements } from './settlements.js';
import { settlement } from './testing.js';

const badRow = () => Object.assign(new Error('invalid byte sequence'), { code: '22021' });
const away = () => new Error('The database cannot take the request now.');
const ids = (batch: readonly PushSettlement[]) => batch.map(({ id }) => id);

function make(
  settle: (batch: readonly PushSettlement[]) => Promise<Set<string>>,
  canceled = new Set<string>(),
) {
  const failing: boolean[] = [];
  const errors: unknown[] = [];
  const waits: number[] = [];
  const settlements = new Settlements(
    {
      settle: async (batch) => ({
        changed: await settle(batch),
        canceled,
        paused: new Set(['paused']),
      }),
    },
    {
      onFailing: (state) => failing.push(state),
      logger: { warn: () => undefined, error: (fields: unknown) => errors.push(fields) },
      wait: (ms) => {
        waits.push(ms);
        return Promise.resolve();
      },
    },
  );
  return { settlements, failing, errors, waits };
}

describe('Settlements', () => {
  it('commits what arrives together as one batch and says what changed', async () => {
    const batches: string[][] = [];
    const { settlements } = make((batch) => {
      batches.push(ids(batch));
      return Promise.resolve(new Set(['a', 'c']));
    });
    const results = await Promise.all(
      ['a', 'b', 'c'].map((id) => settlements.commit(settlement({ id }))),
    );
    expect(batches).toEqual([['a', 'b', 'c']]);
    expect(results.map(({ changed }) => changed)).toEqual([true, false, true]);
  });

  it('says whether the pause that a settlement asks for has begun', async () => {
    const { settlements } = make((batch) => Promise.resolve(new Set(ids(batch))));
    const pause = {
      kind: 'slowed' as const,
      afterMs: 5,
      backoff: { leastMs: 0, baseMs: 1, capMs: 1 },
      jitter: 0,
      reason: '',
      version: 1,
    };
    const results = await Promise.all([
      settlements.commit(settlement({ id: 'a', credentialId: 'paused', pause })),
      settlements.commit(settlement({ id: 'b', credentialId: 'paused' })),
      settlements.commit(settlement({ id: 'c', credentialId: 'of an older secret', pause })),
    ]);
    expect(results.map(({ paused }) => paused)).toEqual([true, false, false]);
  });

  it('says what was canceled instead of coming back, of each half of a batch', async () => {
    const { settlements } = make(
      (batch) =>
        batch.length > 1 ? Promise.reject(badRow()) : Promise.resolve(new Set(ids(batch))),
      new Set(['b', 'c']),
    );
    const results = await Promise.all(
      ['a', 'b', 'c', 'd'].map((id) => settlements.commit(settlement({ id, to: 'QUEUED' }))),
    );
    expect(results.map(({ canceled }) => canceled)).toEqual([false, true, true, false]);
  });

  it('repeats the same batch until it is committed, and takes no new jobs meanwhile', async () => {
    const batches: string[][] = [];
    const { settlements, failing, waits } = make((batch) => {
      batches.push(ids(batch));
      return batches.length < 4 ? Promise.reject(away()) : Promise.resolve(new Set(ids(batch)));
    });
    expect(await settlements.commit(settlement({ id: 'a' }))).toMatchObject({ changed: true });
    expect(batches).toEqual([['a'], ['a'], ['a'], ['a']]);
    expect(failing).toEqual([true, false]);
    expect(waits).toEqual([50, 100, 200]);
  });

  it('halves a batch until the bad row is alone, and stores that one without its texts', async () => {
    const stored: PushSettlement[] = [];
    const { settlements, errors } = make((batch) => {
      if (batch.some(({ errorMessage }) => errorMessage === 'bad')) return Promise.reject(badRow());
      stored.push(...batch);
      return Promise.resolve(new Set(ids(batch)));
    });
    const given = ['a', 'b', 'c', 'd', 'e'].map((id) =>
      settlement(id === 'd' ? { id, to: 'FAILED', errorCode: 71003, errorMessage: 'bad' } : { id }),
    );
    const results = await Promise.all(given.map((one) => settlements.commit(one)));
    expect(results.map(({ changed }) => changed)).toEqual([true, true, true, true, true]);
    expect(stored.find(({ id }) => id === 'd')).toMatchObject({
      to: 'FAILED',
      errorCode: 71003,
      errorMessage: null,
      attempts: [],
    });
    expect(stored.filter(({ attempts }) => attempts.length === 1)).toHaveLength(4);
    expect(errors).toHaveLength(1);
  });

  it('gives a row up that cannot be stored in any form, and only that one', async () => {
    const { settlements, errors } = make((batch) =>
      batch.some(({ id }) => id === 'b')
        ? Promise.reject(badRow())
        : Promise.resolve(new Set(ids(batch))),
    );
    const results = await Promise.all(
      ['a', 'b', 'c'].map((id) => settlements.commit(settlement({ id }))),
    );
    expect(results.map(({ changed }) => changed)).toEqual([true, false, true]);
    expect(errors).toHaveLength(2);
  });

  it('drains what waits', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const { settlements } = make(async (batch) => {
      await gate;
      return new Set(ids(batch));
    });
    const committed = settlements.commit(settlement({ id: 'a' }));
    const drained = settlements.drain().then(() => 'drained');
    release();
    expect(await committed).toMatchObject({ changed: true });
    expect(await drained).toBe('drained');
  });
});
