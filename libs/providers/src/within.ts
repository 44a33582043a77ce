/**
 * Waits for a promise, but not longer than `ms`. What it waited for goes on and may end unheard.
 *
 * @returns its value, or `undefined` when the time was over first. Rejects as the promise does.
 */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, ms), undefined);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
