/**
 * Waits for a promise, but not longer than `ms`. What it waited for goes on; that it fails later on is nobody's
 * unhandled rejection.
 *
 * @param late says what the answer is when the time was over first, or throws; `undefined` without it.
 * @returns its value. Rejects as the promise does.
 */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined>;
export async function within<T, L>(promise: Promise<T>, ms: number, late: () => L): Promise<T | L>;
export async function within<T, L>(
  promise: Promise<T>,
  ms: number,
  late?: () => L,
): Promise<T | L | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const isLate: unique symbol = Symbol();
  const timeout = new Promise<typeof isLate>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, ms), isLate);
  });
  try {
    // `race` listens to the promise to its end.
    const first = await Promise.race([promise, timeout]);
    return first === isLate ? late?.() : first;
  } finally {
    clearTimeout(timer);
  }
}
