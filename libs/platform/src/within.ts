/**
 * Waits for a promise, but not longer than `ms`, nor after `signal` is aborted. What it waited for goes on; that it fails later on is nobody's
 * unhandled rejection.
 *
 * @param late says what the answer is when the time was over first, or throws; `undefined` without it.
 * @returns its value. Rejects as the promise does.
 */
export async function within<T>(
  promise: Promise<T>,
  ms: number,
  late?: undefined,
  signal?: AbortSignal,
): Promise<T | undefined>;
export async function within<T, L>(
  promise: Promise<T>,
  ms: number,
  late: () => L,
  signal?: AbortSignal,
): Promise<T | L>;
export async function within<T, L>(
  promise: Promise<T>,
  ms: number,
  late?: () => L,
  signal?: AbortSignal,
): Promise<T | L | undefined> {
  const isLate: unique symbol = Symbol();
  const over = Promise.withResolvers<typeof isLate>();
  const end = () => over.resolve(isLate);
  const timer = setTimeout(end, signal?.aborted ? 0 : Math.max(0, ms));
  signal?.addEventListener('abort', end);
  try {
    // `race` listens to the promise to its end.
    const first = await Promise.race([promise, over.promise]);
    return first === isLate ? late?.() : first;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
  }
}
