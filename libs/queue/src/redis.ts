import type { Logger } from '@app/platform';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { RedisOptions } from 'ioredis';
import { EVENTS_KEPT, workerOptions } from './bullmq-options.js';
import { QueueUnavailable } from './connection.js';
import type { DeliveryQueue, QueueConfig, QueueConnection } from './connection.js';
import { redisEpoch } from './epoch.js';
import { ErrorLog } from './error-log.js';
import type { DeliverJob, QueueName } from './jobs.js';

const common: RedisOptions = {
  retryStrategy: (times) => Math.min(times * 100, 2_000),
  keepAlive: 10_000,
};

/**
 * A command that cannot be sent fails at once instead of piling up in memory, and a connection on
 * which nothing comes back is replaced.
 */
const failFast: RedisOptions = {
  ...common,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 1,
  socketTimeout: 10_000,
};

/**
 * As BullMQ wants it for Workers: commands wait until the connection is back. The time-out is well
 * over the 10 s that a blocking read may take.
 */
const patient: RedisOptions = { ...common, maxRetriesPerRequest: null, socketTimeout: 30_000 };

/** Connects in the background and for ever. */
export function connectToRedis(
  config: Pick<QueueConfig, 'prefix'> & { redisUrl: string },
  logger: Logger,
): QueueConnection {
  const errors = new ErrorLog(logger);
  const open = (options: RedisOptions): Redis =>
    new Redis(config.redisUrl, options).on('error', (err) => {
      errors.warn('Redis connection failed', err);
    });
  const producers = open(failFast);
  // Only a process that works on jobs needs the second one.
  let workers: Redis | undefined;
  const queues = new Map<QueueName, DeliveryQueue>();
  // Curly brackets keep all keys of a queue in one slot of a cluster.
  const prefixOf = (name: QueueName) => `{${config.prefix}:${name}}`;

  return {
    backend: 'redis',

    queue(name) {
      let queue = queues.get(name);
      if (queue === undefined) {
        const made = new Queue<DeliverJob, void>(name, {
          connection: producers,
          prefix: prefixOf(name),
          streams: { events: { maxLen: EVENTS_KEPT } },
        });
        made.on('error', (err) => {
          errors.warn('Queue failed', err);
        });
        queues.set(name, made);
        queue = made;
      }
      return queue;
    },

    worker(name, processor, options) {
      workers ??= open(patient);
      const worker = new Worker<DeliverJob, void>(name, processor, {
        ...workerOptions(options),
        connection: workers,
        prefix: prefixOf(name),
      });
      return worker.on('error', options.onError);
    },

    usable: (timeoutMs) => readyWithin(producers, timeoutMs),

    async ping() {
      await producers.ping();
    },

    epoch: () => redisEpoch(producers, `{${config.prefix}}:epoch`),

    async warnings() {
      return redisWarnings(await producers.info());
    },

    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
      producers.disconnect();
      workers?.disconnect();
    },
  };
}

async function readyWithin(redis: Redis, timeoutMs: number): Promise<void> {
  if (redis.status === 'ready') return;
  await new Promise<void>((resolve, reject) => {
    const onReady = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      redis.off('ready', onReady);
      reject(new QueueUnavailable(`Redis is not connected after ${timeoutMs} ms.`));
    }, timeoutMs);
    redis.once('ready', onReady);
  });
}

/** @param info the answer to INFO. */
export function redisWarnings(info: string): string[] {
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const warnings: string[] = [];
  const policy = field('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction') {
    warnings.push(
      `Redis may throw jobs away: its maxmemory-policy is ${policy}, it should be noeviction.`,
    );
  }
  if (field('aof_enabled') === '0') {
    warnings.push(
      'Redis keeps no append-only file: after a crash its jobs are added again from PostgreSQL.',
    );
  }
  return warnings;
}
