import type { Logger } from '@app/platform';
import type { QueueConfig, QueueConnection } from './connection.js';

/**
 * BullMQ on Redis when `redisUrl` is given, else on PostgreSQL. On Redis it returns at once and
 * connects in the background: nothing that the api promises needs the queue. BullMQ is loaded with the first connection,
 * which an api makes when it first checks a credential.
 *
 * @throws when PostgreSQL cannot be reached or BullMQ's schema is missing or too old there.
 */
export async function createQueueConnection(
  config: QueueConfig,
  logger: Logger,
): Promise<QueueConnection> {
  const { redisUrl } = config;
  if (redisUrl === undefined) {
    const { connectToPostgres } = await import('./postgres.js');
    return connectToPostgres(config, logger);
  }
  const { connectToRedis } = await import('./redis.js');
  return connectToRedis({ ...config, redisUrl }, logger);
}
