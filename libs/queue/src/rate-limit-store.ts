import type { Logger } from '@app/platform';
import { Redis } from 'ioredis';
import type pg from 'pg';
import { RateLimiterPostgres, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { ErrorLog } from './error-log.js';
import type { QueueConfig } from './connection.js';

/** Points a second of one caller, over all processes. */
export interface RateLimitStore {
  /**
   * Adds to what the caller has used up in this second.
   *
   * @returns milliseconds until the caller may go on; 0 = at once.
   * @throws when the store is away, without waiting for it.
   */
  consume(caller: string, points: number): Promise<number>;
}

/** @param limits points a second, by the name under which they are counted. */
export interface RateLimitStores<Name extends string> {
  stores: Record<Name, RateLimitStore>;
  close(): void;
}

const SECOND = 1;
const TABLE = 'rate_limits';

/**
 * In Redis when there is one, else in PostgreSQL. It lives beside the queue because that is where Redis
 * is known; a connection of its own, so that counting and jobs do not wait for each other.
 *
 * @param pool of the process, for PostgreSQL.
 */
export function connectRateLimitStores<Name extends string>(
  config: Pick<QueueConfig, 'redisUrl' | 'prefix'>,
  pool: Pick<pg.Pool, 'query'>,
  limits: Readonly<Record<Name, number>>,
  logger: Logger,
): RateLimitStores<Name> {
  const { redisUrl, prefix } = config;
  const names = Object.keys(limits) as Name[];
  const redis = redisUrl === undefined ? undefined : connect(redisUrl, logger);
  const storeOf = (name: Name): RateLimitStore => {
    const options = { points: limits[name], duration: SECOND };
    const limiter =
      redis === undefined
        ? new RateLimiterPostgres({
            ...options,
            keyPrefix: name,
            storeClient: pool,
            storeType: 'pool',
            tableName: TABLE,
            tableCreated: true,
          })
        : new RateLimiterRedis({
            ...options,
            keyPrefix: `{${prefix}}:limit:${name}`,
            storeClient: redis,
            rejectIfRedisNotReady: true,
          });
    return {
      async consume(caller, points) {
        try {
          await limiter.consume(caller, points);
          return 0;
        } catch (error) {
          if (error instanceof RateLimiterRes) return Math.max(1, error.msBeforeNext);
          throw error;
        }
      },
    };
  };
  return {
    stores: Object.fromEntries(names.map((name) => [name, storeOf(name)])) as Record<
      Name,
      RateLimitStore
    >,
    close: () => redis?.disconnect(),
  };
}

function connect(url: string, logger: Logger): Redis {
  const errors = new ErrorLog(logger);
  return new Redis(url, {
    retryStrategy: (times) => Math.min(times * 100, 2_000),
    keepAlive: 10_000,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    socketTimeout: 10_000,
  }).on('error', (err) => {
    errors.warn('Redis connection for rate limits failed', err);
  });
}
