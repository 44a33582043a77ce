import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import { within, type Logger } from '@app/platform';
import { assertSchemaCompatibility, createPostgresBackend, withBackend } from 'bullmq';
import pg from 'pg';
import { EVENTS_KEPT, workerOptions } from './bullmq-options.js';
import { QueueUnavailable } from './connection.js';
import type { CheckQueue, DeliveryQueue, QueueConfig, QueueConnection } from './connection.js';
import { postgresEpoch } from './epoch.js';
import { ErrorLog } from './error-log.js';
import { CHECK_CREDENTIAL } from './jobs.js';
import type { CheckAnswer, CheckJob, DeliverJob, QueueName } from './jobs.js';

/** BullMQ's tables; it has no key prefix on PostgreSQL, only a schema. */
const SCHEMA = 'bullmq';
const CONNECT_TIMEOUT_MS = 5_000;
const RETRY_MS = 50;

const { Queue, Worker } = withBackend(createPostgresBackend);

/**
 * One pool for all Queues and Workers of the process: BullMQ would open one of ten connections for
 * each. A Worker pins one of them for LISTEN.
 *
 * @throws when PostgreSQL cannot be reached or BullMQ's schema does not fit. A Queue that is made
 * before PostgreSQL answers would stay broken for ever.
 */
export async function connectToPostgres(
  config: Pick<QueueConfig, 'databaseUrl' | 'poolSize'>,
  logger: Logger,
): Promise<QueueConnection> {
  const errors = new ErrorLog(logger);
  const pool = createPool(config);
  pool.on('error', (err) => {
    errors.warn('Queue connection failed', err);
  });
  try {
    await checkSchema(pool);
  } catch (error) {
    await pool.end();
    throw error;
  }
  const queues = new Map<QueueName, DeliveryQueue>();
  let checks: CheckQueue | undefined;
  const openQueue = <Data, Answer>(name: string) =>
    new Queue<Data, Answer>(name, {
      connection: pool,
      streams: { events: { maxLen: EVENTS_KEPT } },
    });

  const ping = async (): Promise<void> => {
    await pool.query('SELECT 1');
  };

  return {
    backend: 'postgres',

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

    worker: (name, processor, options) =>
      new Worker<DeliverJob, void>(name, processor, {
        ...workerOptions(options),
        connection: pool,
      }).on('error', options.onError),

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

    checkWorker: (processor, options) =>
      new Worker<CheckJob, CheckAnswer>(CHECK_CREDENTIAL, processor, {
        ...workerOptions(options),
        connection: pool,
      }).on('error', options.onError),

    async usable(timeoutMs) {
      let given = false;
      // A connection that broke while it was idle says so at its next use only.
      const answered = async () => {
        for (;;) {
          const error = await ping().then(
            () => undefined,
            (cause: unknown) => cause,
          );
          if (error === undefined || given) return;
          await setTimeoutPromise(RETRY_MS);
        }
      };
      await within(answered(), timeoutMs, () => {
        throw new QueueUnavailable(`PostgreSQL has not answered after ${timeoutMs} ms.`);
      }).finally(() => {
        given = true;
      });
    },

    ping,
    epoch: () => postgresEpoch(pool),
    warnings: () => Promise.resolve([]),

    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
      await checks?.close();
      await pool.end();
    },
  };
}

function createPool({ databaseUrl, poolSize }: Pick<QueueConfig, 'databaseUrl' | 'poolSize'>) {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: poolSize,
    options: `-c search_path=${SCHEMA}`,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'fanfare-queue',
  });
  // BullMQ waits before it tries again only after errors that it takes for a lost connection, and
  // it knows those of Redis alone: on others, such as a PostgreSQL that is just starting, it would
  // try again without a pause, and give up jobs that have ended.
  const query = pool.query.bind(pool) as (
    text: string,
    values?: unknown[],
  ) => Promise<pg.QueryResult>;
  return Object.assign(pool, {
    query: async (text: string, values?: unknown[]) => {
      try {
        return await query(text, values);
      } catch (error) {
        throw isConnectionLoss(error) ? asConnectionRefused(error) : error;
      }
    },
  });
}

/** SQLSTATE classes 08 (connection), 53 (out of resources) and 57P (shutting down, starting). */
export function isConnectionLoss(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && code !== '') {
    return /^(08...|53...|57P0.)$/.test(code) || /^E[A-Z]+$/.test(code);
  }
  return /connection terminated|timeout exceeded when trying to connect/i.test(error.message);
}

function asConnectionRefused(cause: Error): Error {
  return Object.assign(new Error(cause.message, { cause }), { code: 'ECONNREFUSED' });
}

async function checkSchema(pool: pg.Pool): Promise<void> {
  const client = await pool.connect();
  try {
    await assertSchemaCompatibility(client, SCHEMA);
  } finally {
    client.release();
  }
}
