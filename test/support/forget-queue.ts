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
  await owner.query('TRUNCATE bullmq.job CASCADE');
  await owner.end();
}
