/**
 * Waits for a promise, but not longer than `ms`, nor after `signal` is aborted. What it waited for goes on and may end unheard.
 *
 * @returns its value, or `undefined` when the time was over first. Rejects as the promise does.
 */
export async function within<T>(
  promise: Promise<T>,
  ms: number,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const over = Promise.withResolvers<undefined>();
  const end = () => over.resolve(undefined);
  const timer = setTimeout(end, signal?.aborted ? 0 : Math.max(0, ms));
  signal?.addEventListener('abort', end);
  try {
    return await Promise.race([promise, over.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
  }
}
