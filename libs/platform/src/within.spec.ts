import { setImmediate as immediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { within } from './within.js';

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
});
afterEach(() => {
  jest.useRealTimers();
});

const never = new Promise<string>(() => undefined);

describe('within', () => {
  it.each<[string, () => Promise<string | undefined>, { value?: string; error?: string }]>([
    ['answers as the promise does', () => Promise.resolve('a'), { value: 'a' }],
    ['also with nothing', () => Promise.resolve(undefined), {}],
    ['rejects as the promise does', () => Promise.reject(new Error('no')), { error: 'no' }],
  ])('%s, and leaves no timer behind', async (_, promise, { value, error }) => {
    const late = jest.fn();
    const answer = within(promise(), 1_000, late);
    await (error === undefined
      ? expect(answer).resolves.toBe(value)
      : expect(answer).rejects.toThrow(error));
    expect([late.mock.calls, jest.getTimerCount()]).toEqual([[], 0]);
  });

  it('answers undefined when the time was over first, not before', async () => {
    let answered = false;
    const answer = within(never, 1_000).finally(() => (answered = true));
    await jest.advanceTimersByTimeAsync(999);
    expect(answered).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    await expect(answer).resolves.toBeUndefined();
  });

  it('answers at once when there is no time left', async () => {
    const answer = within(never, -5);
    await jest.advanceTimersByTimeAsync(0);
    await expect(answer).resolves.toBeUndefined();
  });

  it('answers or throws what `late` does', async () => {
    const answers = [
      expect(within(never, 10, () => 'late')).resolves.toBe('late'),
      expect(
        within(never, 10, () => {
          throw new Error('too late');
        }),
      ).rejects.toThrow('too late'),
    ];
    await jest.advanceTimersByTimeAsync(10);
    await Promise.all(answers);
  });

  it('hears a failure that comes too late', async () => {
    let fail: (error: Error) => void = () => undefined;
    const answer = within(new Promise((_, reject) => (fail = reject)), 10);
    await jest.advanceTimersByTimeAsync(10);
    await answer;
    const unhandled = jest.fn();
    process.once('unhandledRejection', unhandled);
    fail(new Error('too late'));
    await immediate();
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('ends at once when it is given up, before or meanwhile', async () => {
    const given = new AbortController();
    const waiting = within(never, 60_000, () => 'given up', given.signal);
    given.abort();
    expect(await waiting).toBe('given up');
    const late = within(never, 60_000, undefined, given.signal);
    const here = within(Promise.resolve('here'), 60_000, undefined, given.signal);
    await jest.advanceTimersByTimeAsync(0);
    expect([await late, await here]).toEqual([undefined, 'here']);
    expect(jest.getTimerCount()).toBe(0);
  });
});
