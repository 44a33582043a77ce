import type { Logger } from '@app/platform';
import type { QueueConfig, QueueConnection } from './connection.js';
import { connectToPostgres } from './postgres.js';
import { connectToRedis } from './redis.js';

/**
 * BullMQ on Redis when `redisUrl` is given, else on PostgreSQL. On Redis it returns at once and
 * connects in the background: nothing that the api promises needs the queue.
 *
 * @throws when PostgreSQL cannot be reached or BullMQ's schema is missing or too old there.
 */
export function createQueueConnection(
  config: QueueConfig,
  logger: Logger,
): Promise<QueueConnection> {
  return config.redisUrl === undefined
    ? connectToPostgres(config, logger)
    : Promise.resolve(connectToRedis({ ...config, redisUrl: config.redisUrl }, logger));
}
