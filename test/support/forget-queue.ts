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

const DEADLOCK = '40P01';
const ATTEMPTS = 20;

/**
 * Empties tables of a queue that is at work: it takes their locks in an order of its own, and where PostgreSQL ends it for that, an
 * operator would try again.
 */
export async function truncate(owner: pg.Client, tables: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await owner.query(`TRUNCATE ${tables} CASCADE`);
      return;
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code !== DEADLOCK || attempt === ATTEMPTS) throw error;
    }
  }
}
