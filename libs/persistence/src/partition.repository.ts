import type { Database } from './database.js';

/** A partition that is looked through from end to end may take a while; nothing waits for it. */
const SCAN_TIMEOUT_MS = 3_600_000;

/** Makes and drops the daily partitions of push_notifications, each step in a transaction of its own. */
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
   * Drops the partitions in which every push ended more than `retentionDays` ago, the oldest first,
   * one a transaction.
   *
   * @returns the names of those that are gone.
   */
  async dropEnded(retentionDays: number): Promise<string[]> {
    const dropped: string[] = [];
    for (;;) {
      const [row] = await this.db.query<{ name: string | null }>(
        'SELECT drop_ended_push_partition($1) AS name',
        [retentionDays],
        SCAN_TIMEOUT_MS,
      );
      if (row?.name == null) return dropped;
      dropped.push(row.name);
    }
  }
}
