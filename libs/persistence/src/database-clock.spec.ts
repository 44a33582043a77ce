import { describe, expect, it } from '@jest/globals';
import type { Database } from './database.js';
import { DatabaseClock } from './database-clock.js';

/** A database whose clock shows `answers`, one after the other, each after so long; the last one again and again. */
function setUp(answers: { ms: number | Error; takesMs: number }[]) {
  let monotonic = 5_000;
  let asked = 0;
  const enough = Promise.withResolvers<void>();
  const query = () => {
    const answer = answers[Math.min(asked++, answers.length - 1)]!;
    if (asked > answers.length) enough.resolve();
    monotonic += answer.takesMs;
    return answer.ms instanceof Error
      ? Promise.reject(answer.ms)
      : Promise.resolve([{ ms: answer.ms }]);
  };
  const db = { query } as unknown as Pick<Database, 'query'>;
  return {
    start: () => DatabaseClock.start(db, () => monotonic, 1),
    pass: (ms: number) => (monotonic += ms),
    all: enough.promise,
  };
}

describe('DatabaseClock', () => {
  it('shows the time of the database, and goes on by the monotonic clock', async () => {
    const { start, pass } = setUp([{ ms: 1_000_000, takesMs: 20 }]);
    const clock = await start();
    const stopped = clock.stop();
    expect(clock.now().getTime()).toBe(1_000_010);
    pass(500);
    expect(clock.now().getTime()).toBe(1_000_510);
    await stopped;
  });

  it('takes a new reading, no late one, and keeps the last while there is none', async () => {
    const { start, all } = setUp([
      { ms: 1_000_000, takesMs: 0 },
      { ms: 2_000_000, takesMs: 0 },
      { ms: 9_000_000, takesMs: 1_001 },
      { ms: new Error('away'), takesMs: 0 },
    ]);
    const clock = await start();
    await all;
    await clock.stop();
    expect(clock.now().getTime()).toBe(2_001_001);
  });

  it('does not start without a reading', async () => {
    await expect(setUp([{ ms: new Error('away'), takesMs: 0 }]).start()).rejects.toThrow('away');
  });
});
