import type { Config } from '@app/platform';
import type { Processor, Queue, Worker } from 'bullmq';
import type { CheckAnswer, CheckJob, DeliverJob, QueueName } from './jobs.js';

export type QueueConfig = Pick<Config['queue'], 'redisUrl' | 'databaseUrl' | 'prefix' | 'poolSize'>;

/** The part of BullMQ's Queue that is the same on both backends. */
export type DeliveryQueue = Pick<
  Queue<DeliverJob, void>,
  'addBulk' | 'clean' | 'getJob' | 'getJobCounts' | 'getPrioritized' | 'getWaiting' | 'close'
>;

/** The part of BullMQ's Worker that is the same on both backends. */
export type DeliveryWorker = Pick<
  Worker<DeliverJob, void>,
  'pause' | 'resume' | 'close' | 'waitUntilReady'
>;

/** The same of the queue of checks, whose jobs have an answer. */
export type CheckQueue = Pick<Queue<CheckJob, CheckAnswer>, 'add' | 'getJob' | 'remove' | 'close'>;
export type CheckWorker = Pick<Worker<CheckJob, CheckAnswer>, 'close' | 'waitUntilReady'>;

export interface DeliveryWorkerOptions {
  /** Jobs in hand at once; of deliveries also: pushes. */
  concurrency: number;
  /** A job whose lock was not renewed for so long belongs to a dead worker. Milliseconds. */
  lockMs: number;
  /** How often to look for such jobs. Milliseconds. */
  stalledIntervalMs: number;
  onError: (error: Error) => void;
}

/** Jobs of one queue by what they wait for. */
export interface QueueCounts {
  /** Ready to be taken, both lanes. */
  waiting: number;
  delayed: number;
  active: number;
  /** Always 0: a kept failed job would block every later add under its id. */
  failed: number;
}

/** The connection of a process to its queue, and the owner of everything that uses it. */
export interface QueueConnection {
  readonly backend: 'redis' | 'postgres';

  /** One Queue a name, made on first use. */
  queue(name: QueueName): DeliveryQueue;

  /** A new Worker; whoever asks for it closes it. */
  worker(
    name: QueueName,
    processor: Processor<DeliverJob, void>,
    options: DeliveryWorkerOptions,
  ): DeliveryWorker;

  /** The queue of checks, made on first use. */
  checks(): CheckQueue;

  /** A new Worker on it; whoever asks for it closes it. */
  checkWorker(
    processor: Processor<CheckJob, CheckAnswer>,
    options: DeliveryWorkerOptions,
  ): CheckWorker;

  /**
   * Waits until commands can be sent.
   *
   * @throws QueueUnavailable when that takes longer than `timeoutMs`.
   */
  usable(timeoutMs: number): Promise<void>;

  /** For a health check. @throws when the queue does not answer. */
  ping(): Promise<void>;

  /**
   * A text that changes when the queue has lost its memory: compare it with the one that was read
   * before. See `epoch.ts`.
   */
  epoch(): Promise<string>;

  /** Settings of the server that can lose jobs, one sentence each; to be logged at boot. */
  warnings(): Promise<string[]>;

  /** Closes all Queues and connections at once; Workers must be closed before. */
  close(): Promise<void>;
}

/** The queue cannot be reached now. Nothing was handed over that counts. */
export class QueueUnavailable extends Error {
  override readonly name = 'QueueUnavailable';
}

/** Jobs of `queue` by state, in a form that is the same on both backends. */
export async function countJobs(queue: DeliveryQueue): Promise<QueueCounts> {
  const counts = await queue.getJobCounts('wait', 'prioritized', 'delayed', 'active', 'failed');
  const of = (state: string) => counts[state] ?? 0;
  return {
    waiting: of('wait') + of('prioritized'),
    delayed: of('delayed'),
    active: of('active'),
    failed: of('failed'),
  };
}
