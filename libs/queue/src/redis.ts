import type { Logger } from '@app/platform';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { RedisOptions } from 'ioredis';
import { EVENTS_KEPT, workerOptions } from './bullmq-options.js';
import { QueueUnavailable } from './connection.js';
import type { CheckQueue, DeliveryQueue, QueueConfig, QueueConnection } from './connection.js';
import { redisEpoch } from './epoch.js';
import { ErrorLog } from './error-log.js';
import { CHECK_CREDENTIAL } from './jobs.js';
import type { CheckAnswer, CheckJob, DeliverJob, QueueName } from './jobs.js';

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

/** It is asked at boot, when the connection may still be under way. */
const WARNINGS_WAIT_MS = 2_000;

/** Connects in the background and for ever. */
export function connectToRedis(
  config: Pick<QueueConfig, 'prefix'> & { redisUrl: string },
  logger: Logger,
): QueueConnection {
  const errors = new ErrorLog(logger);
  const opened: Redis[] = [];
  const keep = (redis: Redis): Redis => {
    opened.push(redis);
    endable(redis);
    return redis.on('error', (err) => {
      errors.warn('Redis connection failed', err);
    });
  };
  const open = (options: RedisOptions): Redis => keep(new Redis(config.redisUrl, options));
  const producers = open(failFast);
  // Only a process that works on jobs needs the second one. A Worker makes a copy of it for its
  // blocking reads, and cannot close that one while Redis is away.
  let workers: Redis | undefined;
  const openForWorkers = (): Redis => {
    const redis = open(patient);
    const duplicate = redis.duplicate.bind(redis);
    return Object.assign(redis, {
      duplicate: (override?: Partial<RedisOptions>) => keep(duplicate(override)),
    });
  };
  const queues = new Map<QueueName, DeliveryQueue>();
  // Curly brackets keep all keys of a queue in one slot of a cluster.
  const prefixOf = (name: string) => `{${config.prefix}:${name}}`;
  let checks: CheckQueue | undefined;
  const openQueue = <Data, Answer>(name: string) =>
    new Queue<Data, Answer>(name, {
      connection: producers,
      prefix: prefixOf(name),
      streams: { events: { maxLen: EVENTS_KEPT } },
    });

  return {
    backend: 'redis',

    queue(name) {
      let queue = queues.get(name);
      if (queue === undefined) {
        const made = openQueue<DeliverJob, void>(name);
        made.on('error', (err) => {
          errors.warn('Queue failed', err);
        });
        queues.set(name, made);
        queue = made;
      }
      return queue;
    },

    worker(name, processor, options) {
      workers ??= openForWorkers();
      const worker = new Worker<DeliverJob, void>(name, processor, {
        ...workerOptions(options),
        connection: workers,
        prefix: prefixOf(name),
      });
      return worker.on('error', options.onError);
    },

    checks() {
      if (checks === undefined) {
        const made = openQueue<CheckJob, CheckAnswer>(CHECK_CREDENTIAL);
        made.on('error', (err) => {
          errors.warn('Queue failed', err);
        });
        checks = made;
      }
      return checks;
    },

    checkWorker(processor, options) {
      workers ??= openForWorkers();
      const worker = new Worker<CheckJob, CheckAnswer>(CHECK_CREDENTIAL, processor, {
        ...workerOptions(options),
        connection: workers,
        prefix: prefixOf(CHECK_CREDENTIAL),
      });
      return worker.on('error', options.onError);
    },

    usable: (timeoutMs) => readyWithin(producers, timeoutMs),

    async ping() {
      await producers.ping();
    },

    epoch: () => redisEpoch(producers, `{${config.prefix}}:epoch`),

    async warnings() {
      await readyWithin(producers, WARNINGS_WAIT_MS);
      return redisWarnings(await producers.info());
    },

    async close() {
      await Promise.all([...queues.values(), checks].map((queue) => queue?.close()));
      for (const redis of opened) redis.disconnect();
    },
  };
}

/**
 * ioredis never ends a connection that is disconnected between two attempts to connect, and BullMQ
 * waits for that end when a Worker closes. From within an attempt it does end.
 */
function endable(redis: Redis): void {
  const disconnect = redis.disconnect.bind(redis);
  redis.disconnect = (reconnect) => {
    const between = redis.status === 'reconnecting';
    disconnect(reconnect);
    if (!between || reconnect === true) return;
    redis.connect().catch(() => undefined);
    disconnect();
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
