import type { Clock } from '@app/domain';
import type { Database } from './database.js';

const READ_EVERY_MS = 10_000;
/** How far off a reading may be: where one is known, an answer that took longer says less. */
const WORTH_MS = 1_000;

/**
 * The database's clock, one for all workers whatever their machines say: read now and then, and carried on by the
 * monotonic clock in between. What others judge by its instant is signed by it.
 */
export class DatabaseClock implements Clock {
  /** Its instant when the monotonic clock showed 0. Milliseconds. */
  private origin: number | undefined;
  private timer: NodeJS.Timeout | undefined;
  private current: Promise<void> = Promise.resolve();

  private constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly monotonicMs: () => number,
  ) {}

  /**
   * Reads it, and goes on until `stop`.
   *
   * @throws Unavailable when PostgreSQL does not answer.
   */
  static async start(
    db: Pick<Database, 'query'>,
    monotonicMs = () => performance.now(),
    everyMs = READ_EVERY_MS,
  ): Promise<DatabaseClock> {
    const clock = new DatabaseClock(db, monotonicMs);
    await clock.read();
    clock.timer = setInterval(() => {
      // While the database is away the last reading holds.
      clock.current = clock.read().catch(() => undefined);
    }, everyMs);
    return clock;
  }

  now(): Date {
    return new Date((this.origin ?? 0) + this.monotonicMs());
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.current;
  }

  private async read(): Promise<void> {
    const askedAt = this.monotonicMs();
    const [row] = await this.db.query<{ ms: number }>(
      `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms`,
    );
    const answeredAt = this.monotonicMs();
    if (row === undefined || (this.origin !== undefined && answeredAt - askedAt > WORTH_MS)) return;
    // Somewhere in between.
    this.origin = row.ms - (askedAt + answeredAt) / 2;
  }
}
