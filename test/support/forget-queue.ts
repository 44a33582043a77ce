import pg from 'pg';
import type { TestGateway } from './gateway.js';

/** The queue loses everything, as by an operator's FLUSHALL or TRUNCATE. */
export async function forgetQueue(run: TestGateway): Promise<void> {
  if (run.redis !== undefined) {
    const { Redis } = await import('ioredis');
    const redis = new Redis(run.redis.url);
    await redis.flushall();
    await redis.quit();
    return;
  }
  const owner = new pg.Client({ connectionString: run.database.ownerUrl });
  await owner.connect();
  await truncate(owner, 'bullmq.job');
  await owner.end();
}

const NOT_HAD = '55P03';
const WITHIN_MS = 20_000;

/**
 * Empties tables of a queue that is at work. It takes their locks in an order of its own, so it waits for none as long as PostgreSQL
 * takes to see a deadlock (a second), which would end this or what the queue is at; it lets go and tries again.
 */
export async function truncate(owner: pg.Client, tables: string): Promise<void> {
  await owner.query(`SET lock_timeout = '50ms'`);
  for (const end = performance.now() + WITHIN_MS; ;) {
    try {
      await owner.query(`TRUNCATE ${tables} CASCADE`);
      return;
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code !== NOT_HAD || performance.now() > end) throw error;
    }
  }
}
