import { startRedis } from '../../scripts/redis.js';
import type { RunningRedis } from '../../scripts/types.js';

/** A Redis for one test file. */
export interface TestRedis {
  url: string;
  stop(): Promise<void>;
  /** kill9() and restart(): only with a server of our own. */
  server?: RunningRedis;
}

/** Why a test on Redis is skipped, for the name of the skipped test. */
export const NO_REDIS = 'no redis-server on this machine and no REDIS_URL';

/**
 * A `redis-server` of this file's own, else REDIS_URL (use a queue prefix of your own there), else nothing:
 * the test is then skipped and says NO_REDIS.
 */
export async function createTestRedis(): Promise<TestRedis | undefined> {
  try {
    const server = await startRedis();
    return { url: server.url, stop: () => server.stop(), server };
  } catch (error) {
    const url = process.env.REDIS_URL;
    if (!(error instanceof Error) || !error.message.startsWith('There is no redis-server'))
      throw error;
    return url === undefined || url === '' ? undefined : { url, stop: () => Promise.resolve() };
  }
}
