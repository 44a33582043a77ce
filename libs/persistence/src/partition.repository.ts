import { Unavailable } from '@app/domain';
import type { QueryConfig, QueryResultRow } from 'pg';
import { orUnavailable, type Database } from './database.js';

/** A partition that is copied from end to end may take a while; nothing waits for it. */
const COPY_TIMEOUT_MS = 3_600_000;
/** An exchange that found no moment without a long reader is left to the next pass. */
const EXCHANGES = 5;

/** What became of the old partitions. */
export interface Retired {
  /** Names of those that are gone or hold only what must stay, in their order. */
  partitions: string[];
  /** Whether there is more to do that could not be had now: try again soon. */
  unfinished: boolean;
}

/** Makes and retires the daily partitions of push_notifications, each step in a transaction of its own. */
export class PartitionRepository {
  constructor(private readonly db: Database) {}

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
   * partition first: with nothing left it goes, else what must stay is copied and exchanged for it.
   * No statement on pushes waits longer than 100 ms for any of it. See the migration of the three
   * functions for why changes meanwhile are not lost.
   *
   * @param signal ends the wait at once. The step that is under way is PostgreSQL's to finish: a copy of half an
   *   hour is not thrown away, and whoever calls next goes on from there.
   * @throws Unavailable, also when the signal came.
   */
  async retire(retentionDays: number, signal?: AbortSignal): Promise<Retired> {
    const partitions: string[] = [];
    for (;;) {
      const started = await this.run<{ name: string | null }>(
        'SELECT start_push_rewrite($1) AS name',
        [retentionDays],
        signal,
      );
      if (started?.name == null) return { partitions, unfinished: false };
      if (!(await this.step('copy_push_rewrite', signal)) || !(await this.exchange(signal)))
        return { partitions, unfinished: true };
      partitions.push(started.name);
    }
  }

  private async exchange(signal?: AbortSignal): Promise<boolean> {
    for (let attempt = 0; attempt < EXCHANGES; attempt++)
      if (await this.step('finish_push_rewrite', signal)) return true;
    return false;
  }

  private async step(
    name: 'copy_push_rewrite' | 'finish_push_rewrite',
    signal?: AbortSignal,
  ): Promise<boolean> {
    const row = await this.run<{ done: boolean }>(`SELECT ${name}() AS done`, [], signal);
    return row?.done === true;
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
      query_timeout: COPY_TIMEOUT_MS,
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
