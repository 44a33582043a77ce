import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeAll, expect } from '@jest/globals';

const MEGABYTE = 1_048_576;
/** What the engine itself adds in a file of tests: compiled code, caches that fill up once. */
const MAX_GROWTH = 6 * MEGABYTE;
/** Sockets close a few turns of the loop after their owner has heard of it. */
const PATIENCE_MS = 2_000;

const mortals: WeakRef<object>[] = [];

/** Says of an object of this test that nobody may hold it when the test is over. */
export function shallGo(object: object): void {
  mortals.push(new WeakRef(object));
}

/**
 * After each test of the file that calls this: no socket, no server, no timer and no name look-up
 * more than before the first one, and memory back where it was: to the object for what the tests
 * named, and roughly for all the rest. Called below the file's own
 * `afterEach`, which is to run first.
 */
export function leavesNothingBehind(): void {
  let before: Record<string, number>;
  let bytesBefore: number | undefined;

  beforeAll(() => {
    before = resources();
  });

  afterEach(async () => {
    const until = performance.now() + PATIENCE_MS;
    while (performance.now() < until && more(resources(), before).length > 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const after = resources();
    expect(more(after, before)).toEqual([]);
    // What Jest was still at when the file began must not hide anything later.
    for (const kind of Object.keys(before)) {
      before[kind] = Math.min(before[kind] ?? 0, after[kind] ?? 0);
    }
    // The first test loads what all of them use.
    const bytes = await heldBytes();
    bytesBefore ??= bytes;
    expect(bytes - bytesBefore).toBeLessThan(MAX_GROWTH);
    const kept = mortals.splice(0).filter((object) => object.deref() !== undefined);
    expect(kept).toHaveLength(0);
  });
}

/** What keeps the process alive, by kind. */
function resources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) {
    // How this loop itself waits, and Jest's own reading of files.
    if (kind !== 'Immediate' && !kind.startsWith('FS')) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

/** Kinds of which there are more than before. */
function more(after: Record<string, number>, before: Record<string, number>): string[] {
  return Object.keys(after).filter((kind) => (after[kind] ?? 0) > (before[kind] ?? 0));
}

/** Bytes that are really held: heap and buffers, after a full collection. */
export async function heldBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // Twice, with the loop turning between: what a finished handle held goes with the second.
  for (let i = 0; i < 2; i += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
