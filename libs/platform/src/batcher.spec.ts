import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Batcher } from './batcher.js';

/** A flush that the test ends by hand, batch by batch. */
function heldFlush() {
  const batches: { items: number[]; answer(outputs?: string[]): void; fail(error: Error): void }[] =
    [];
  const flush = (items: number[]) =>
    new Promise<string[]>((resolve, reject) => {
      batches.push({
        items,
        answer: (outputs = items.map(String)) => {
          resolve(outputs);
        },
        fail: reject,
      });
    });
  return { batches, flush, sizes: () => batches.map(({ items }) => items.length) };
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
});
afterEach(() => {
  jest.useRealTimers();
});

describe('Batcher', () => {
  it('collects for at most maxWaitMs and answers each item in its place', async () => {
    const { batches, flush, sizes } = heldFlush();
    const batcher = new Batcher(flush, { maxWaitMs: 5 });
    const first = batcher.add(1);
    jest.advanceTimersByTime(4);
    const second = batcher.add(2);
    expect(sizes()).toEqual([]);
    jest.advanceTimersByTime(1);
    expect(sizes()).toEqual([2]);
    batches[0]?.answer(['one', 'two']);
    await expect(Promise.all([first, second])).resolves.toEqual(['one', 'two']);
  });

  it('does not wait when a batch is full, and never exceeds maxSize', async () => {
    const { batches, flush, sizes } = heldFlush();
    const batcher = new Batcher(flush, { maxSize: 3 });
    const all = Promise.all([1, 2, 3, 4, 5, 6, 7].map((item) => batcher.add(item)));
    expect(sizes()).toEqual([3]);
    batches[0]?.answer();
    await jest.advanceTimersByTimeAsync(0);
    expect(sizes()).toEqual([3, 3]);
    batches[1]?.answer();
    await jest.advanceTimersByTimeAsync(5);
    expect(sizes()).toEqual([3, 3, 1]);
    batches[2]?.answer();
    await expect(all).resolves.toEqual(['1', '2', '3', '4', '5', '6', '7']);
  });

  it('collects while a flush is in flight, however long that takes', async () => {
    const { batches, flush, sizes } = heldFlush();
    const batcher = new Batcher(flush, { maxWaitMs: 5 });
    const first = batcher.add(1);
    jest.advanceTimersByTime(5);
    const later = [batcher.add(2)];
    jest.advanceTimersByTime(500);
    later.push(batcher.add(3));
    expect(sizes()).toEqual([1]);
    expect(batcher.size).toBe(2);
    batches[0]?.answer();
    await first;
    await jest.advanceTimersByTimeAsync(0);
    expect(sizes()).toEqual([1, 2]);
    batches[1]?.answer();
    await expect(Promise.all(later)).resolves.toEqual(['2', '3']);
  });

  it('keeps at most `concurrency` flushes in flight', () => {
    const { flush, sizes } = heldFlush();
    const batcher = new Batcher(flush, { maxSize: 1, concurrency: 2 });
    for (const item of [1, 2, 3]) void batcher.add(item);
    expect(sizes()).toEqual([1, 1]);
  });

  it('rejects all of a failed batch and none of the next', async () => {
    const { batches, flush } = heldFlush();
    const batcher = new Batcher(flush, { maxSize: 2 });
    const outcomes = Promise.allSettled([1, 2, 3, 4].map((item) => batcher.add(item)));
    batches[0]?.fail(new Error('deadlock'));
    await jest.advanceTimersByTimeAsync(0);
    batches[1]?.answer();
    const results = await outcomes;
    expect(results.map(({ status }) => status)).toEqual([
      'rejected',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect(results[0]).toMatchObject({ reason: new Error('deadlock') });
  });

  it('rejects a batch whose flush throws before it returns a promise', async () => {
    const batcher = new Batcher<number, number>(
      () => {
        throw new Error('at once');
      },
      { maxSize: 1 },
    );
    await expect(batcher.add(1)).rejects.toThrow('at once');
  });

  it('rejects a batch that is answered with too few outputs', async () => {
    const batcher = new Batcher<number, number>(() => Promise.resolve([1]), { maxSize: 2 });
    const outcomes = await Promise.allSettled([batcher.add(1), batcher.add(2)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  it('drains what waits at once, and resolves only when nothing is in flight', async () => {
    const { batches, flush, sizes } = heldFlush();
    const batcher = new Batcher(flush, { maxWaitMs: 1_000 });
    void batcher.add(1);
    let drained = false;
    const drain = batcher.drain().then(() => (drained = true));
    expect(sizes()).toEqual([1]);
    void batcher.add(2);
    batches[0]?.answer();
    await jest.advanceTimersByTimeAsync(0);
    expect(sizes()).toEqual([1, 1]);
    expect(drained).toBe(false);
    batches[1]?.answer();
    await drain;
  });

  it('drains at once when there is nothing, and waits for company again afterwards', async () => {
    const { flush, sizes } = heldFlush();
    const batcher = new Batcher(flush, { maxWaitMs: 5 });
    await batcher.drain();
    void batcher.add(1);
    expect(sizes()).toEqual([]);
    jest.advanceTimersByTime(5);
    expect(sizes()).toEqual([1]);
  });
});
