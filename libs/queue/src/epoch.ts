import { randomUUID } from 'node:crypto';

/** What `redisEpoch` needs of an ioredis client. */
interface RedisCommands {
  info(section: string): Promise<string>;
  set(key: string, value: string, condition: 'NX'): Promise<string | null>;
  get(key: string): Promise<string | null>;
}

/**
 * `run_id` is new after every start of Redis (its last second may be lost even with an append-only
 * file); the key goes with FLUSHALL and FLUSHDB. Whoever asks first after a loss makes a new key,
 * and all processes read the same one.
 */
export async function redisEpoch(redis: RedisCommands, key: string): Promise<string> {
  const [, run] = /^run_id:(\w+)/m.exec(await redis.info('server')) ?? [];
  await redis.set(key, randomUUID(), 'NX');
  return `redis ${run ?? 'unknown'} ${(await redis.get(key)) ?? 'none'}`;
}

/** What `postgresEpoch` needs of a pool. */
interface Queryable {
  query(text: string): Promise<{ rows: unknown[] }>;
}

/**
 * BullMQ's tables are logged and commit like ours, so a restart loses nothing. What can lose jobs
 * is an operator: TRUNCATE and a dropped schema give the table a new file. (So does VACUUM FULL,
 * which costs one needless rewind. DELETE goes unseen; the sweep's search for lost pushes finds
 * those, later.)
 */
export async function postgresEpoch(pool: Queryable): Promise<string> {
  const { rows } = await pool.query(
    `SELECT 'job'::regclass::oid || '.' || pg_relation_filenode('job'::regclass) AS file`,
  );
  const [row] = rows as { file: string }[];
  return `postgres ${row?.file ?? 'unknown'}`;
}
