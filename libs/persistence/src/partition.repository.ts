import { Unavailable, type Uuid } from '@app/domain';
import type { QueryConfig, QueryResultRow } from 'pg';
import { orUnavailable, type Database } from './database.js';

/** Far more than a step takes, also where the machine is busy with something else. */
const STEP_TIMEOUT_MS = 600_000;
/** Rows that one transaction looks at, or copies: less than a second. */
const ROWS_AT_ONCE = 20_000;
/** An exchange that found no moment without a long reader is left to the next pass. */
const EXCHANGES = 5;

/** What became of the old partitions. */
export interface Retired {
  /** Names of those that are gone or hold only what must stay, in their order. */
  partitions: string[];
  /** Whether there is more to do that could not be had now: try again soon. */
  unfinished: boolean;
}

interface Started {
  /** The partition that is to be copied; null: there was none among the rows that it looked at. */
  name: string | null;
  /** Where the next look goes on; null without a name: there is no more to look at now. */
  looked_through: Uuid | null;
}

/** Makes and retires the daily partitions of push_notifications, each step in a transaction of its own. */
export class PartitionRepository {
  /** @param rowsAtOnce of a partition, that one transaction looks at or copies. */
  constructor(
    private readonly db: Database,
    private readonly rowsAtOnce = ROWS_AT_ONCE,
  ) {}

  /**
   * Makes what is missing from yesterday to `daysAhead`.
   *
   * @returns how many partitions were made.
   */
  async ensure(daysAhead = 7): Promise<number> {
    const [row] = await this.db.query<{ made: number }>(
      'SELECT ensure_push_partitions($1) AS made',
      [daysAhead],
    );
    return row?.made ?? 0;
  }

  /**
   * Removes the pushes that ended more than `retentionDays` before today (UTC), the oldest
   * partition first: with nothing left it goes, else what must stay is copied and exchanged for it. What is looked at, and
   * what is copied, is a range of ids a transaction. No statement on pushes waits longer than 100 ms for any of it. See the migration of the three
   * functions for why changes meanwhile are not lost.
   *
   * @param signal ends the wait at once. The step that is under way is PostgreSQL's to finish, and whoever calls
   *   next goes on from there.
   * @throws Unavailable, also when the signal came.
   */
  async retire(retentionDays: number, signal?: AbortSignal): Promise<Retired> {
    const partitions: string[] = [];
    let after: Uuid | null = null;
    for (;;) {
      const started: Started | undefined = await this.run<Started>(
        'SELECT name, looked_through FROM start_push_rewrite($1, $2, $3)',
        [retentionDays, after, this.rowsAtOnce],
        signal,
      );
      after = started?.looked_through ?? null;
      if (started?.name == null) {
        if (after === null) return { partitions, unfinished: false };
        continue;
      }
      if (!(await this.copy(signal)) || !(await this.exchange(signal)))
        return { partitions, unfinished: true };
      partitions.push(started.name);
    }
  }

  private async exchange(signal?: AbortSignal): Promise<boolean> {
    for (let attempt = 0; attempt < EXCHANGES; attempt++) {
      const row = await this.run<{ done: boolean }>(
        'SELECT finish_push_rewrite() AS done',
        [],
        signal,
      );
      if (row?.done === true) return true;
    }
    return false;
  }

  /** @returns false when somebody else is at it. */
  private async copy(signal?: AbortSignal): Promise<boolean> {
    for (;;) {
      const row = await this.run<{ answer: 'more' | 'done' | 'busy' }>(
        'SELECT copy_push_rewrite($1) AS answer',
        [this.rowsAtOnce],
        signal,
      );
      if (row?.answer !== 'more') return row?.answer === 'done';
    }
  }

  /** A statement on a connection that is given up when the signal comes. */
  private run<R extends QueryResultRow>(
    text: string,
    values: unknown[],
    signal: AbortSignal | undefined,
  ): Promise<R | undefined> {
    const query: QueryConfig & { query_timeout: number } = {
      text,
      values,
      query_timeout: STEP_TIMEOUT_MS,
    };
    const throwIfStopped = () => {
      if (signal?.aborted === true) throw new Unavailable('Retention was stopped.');
    };
    return orUnavailable(async () => {
      throwIfStopped();
      const client = await this.db.pool.connect();
      let isHeld = true;
      const letGo = (broken: boolean) => {
        if (isHeld) client.release(broken);
        isHeld = false;
      };
      const onAbort = () => letGo(true);
      let broken = true;
      try {
        throwIfStopped();
        signal?.addEventListener('abort', onAbort);
        const { rows } = await client.query<R>(query);
        broken = false;
        return rows[0];
      } finally {
        signal?.removeEventListener('abort', onAbort);
        letGo(broken);
      }
    });
  }
}
