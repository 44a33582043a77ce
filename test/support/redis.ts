import { startRedis } from '../../scripts/redis.js';
import type { RunningRedis } from '../../scripts/types.js';

/**
 * A Redis of this test file's own, empty, without an append-only file. On a machine without `redis-server`
 * the one of REDIS_URL, which can neither be killed nor is it empty: use a queue prefix of your own.
 *
 * @returns undefined, after saying so, where there is neither.
 */
export async function startTestRedis(): Promise<RunningRedis | undefined> {
  try {
    return await startRedis({ appendOnly: false });
  } catch (error) {
    if (!String(error).includes('There is no redis-server')) throw error;
    const url = process.env.REDIS_URL;
    if (url !== undefined && url !== '') return notOurs(url);
    process.stderr.write('No redis-server on this machine: tests on Redis are skipped.\n');
    return undefined;
  }
}

function notOurs(url: string): RunningRedis {
  const refuse = () => Promise.reject(new Error('The Redis of REDIS_URL is not ours to stop.'));
  return {
    url,
    port: Number(new URL(url).port || 6379),
    pid: undefined,
    stop: () => Promise.resolve(),
    kill9: refuse,
    restart: refuse,
  };
}
