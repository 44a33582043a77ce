import { within, type Logger } from '@app/platform';
import type { Job } from 'bullmq';
import type { DeliveryWorker, DeliveryWorkerOptions, QueueConnection } from './connection.js';
import { ErrorLog } from './error-log.js';
import { LANE_PRIORITY } from './jobs.js';
import type { DeliverJob, DeliveryToEnqueue, Lane, QueueName } from './jobs.js';
import { Slots } from './slots.js';

/**
 * Delivers one push; `addedAt` is when it was handed over, by the clock of its producer, `wentFirst` whether it was put before
 * others and comes from there. Answers the instant at which it shall come back, or nothing when it is over. When it throws,
 * the job is over too and leaves nothing in the queue: whatever the push still needs must come from PostgreSQL.
 */
export type DeliveryProcessor = (
  id: string,
  addedAt: Date,
  wentFirst: boolean,
) => Promise<Date | undefined>;

export interface DeliveryConsumerOptions extends Omit<DeliveryWorkerOptions, 'onError'> {
  /** Gives pushes that come back from a job of several a job of their own. */
  requeue: (deliveries: readonly DeliveryToEnqueue[]) => Promise<void>;
  logger: Logger;
}

/** BullMQ's codes for: the job is gone, its lock is gone, another worker has its lock. */
const LOST_JOB_CODES = [-1, -2, -6];
/** A job that is taken while its consumer is paused, or that the queue would not split, comes back after this. */
const PAUSED_WAIT_MS = 500;
/** After the last processor has ended, BullMQ has so long to write that down. */
const CLOSE_TIMEOUT_MS = 3_000;

/** Takes the jobs of one queue and gives them to a processor. */
export class DeliveryConsumer {
  private readonly worker: DeliveryWorker;
  private readonly inHand = new Set<Promise<unknown>>();
  private readonly errors: ErrorLog;
  private paused = false;
  private closing = false;
  /** One a push, not a job: a retry is a job of one, and a job of several ends with its slowest push. */
  private readonly slots: Slots;

  constructor(
    connection: Pick<QueueConnection, 'worker'>,
    private readonly queue: QueueName,
    private readonly processor: DeliveryProcessor,
    private readonly options: DeliveryConsumerOptions,
  ) {
    this.errors = new ErrorLog(options.logger);
    this.slots = new Slots(options.concurrency);
    this.worker = connection.worker(queue, (job, token) => this.work(job, token), {
      ...options,
      onError: (error) => {
        this.onError(error);
      },
    });
  }

  /** Resolves when it can take jobs; it began to when it was made. */
  async ready(): Promise<void> {
    await this.worker.waitUntilReady();
  }

  /** Processors that are running. */
  get size(): number {
    return this.inHand.size;
  }

  /** Starts no processor until `resume`; those that run go on. */
  async pause(): Promise<void> {
    this.paused = true;
    await this.worker.pause(true);
  }

  async resume(): Promise<void> {
    this.paused = false;
    await this.worker.resume();
  }

  /**
   * Takes no more jobs and resolves when the running processors have ended. With `force` it does
   * not wait for them: their jobs go to another worker when their locks have run out.
   */
  async close(options: { force?: boolean } = {}): Promise<void> {
    this.closing = true;
    const closed = this.worker.close(options.force);
    if (options.force !== true) {
      while (this.inHand.size > 0) await Promise.allSettled(this.inHand);
    }
    // On a queue that is away BullMQ would wait for it; nothing is lost by not waiting.
    await within(closed, CLOSE_TIMEOUT_MS, () => {
      this.options.logger.warn({ queue: this.queue }, 'Queue is away, closing without it');
    });
  }

  private async work(job: Job<DeliverJob, void>, token: string | undefined): Promise<void> {
    // BullMQ may fetch one more job after it was paused.
    if (this.paused) await postpone(job, token, new Date(Date.now() + PAUSED_WAIT_MS));
    const { more } = job.data;
    const running = more === undefined ? this.one(job) : this.several(job, more);
    this.inHand.add(running);
    let comeBackAt: Date | undefined;
    try {
      comeBackAt = await running;
    } finally {
      this.inHand.delete(running);
    }
    if (comeBackAt !== undefined) await postpone(job, token, comeBackAt);
  }

  private async one(job: Job<DeliverJob, void>): Promise<Date | undefined> {
    try {
      return await this.inSlot(job.data.id, addedAt(job), wentFirst(job));
    } catch (err) {
      this.failed(err, job);
      throw err;
    }
  }

  /** What has not begun when the consumer stops or pauses comes back. */
  private async inSlot(id: string, addedAt: Date, wentFirst = false): Promise<Date | undefined> {
    await this.slots.take(wentFirst);
    try {
      if (this.closing) return new Date();
      if (this.paused) return new Date(Date.now() + PAUSED_WAIT_MS);
      return await this.processor(id, addedAt, wentFirst);
    } finally {
      this.slots.release();
    }
  }

  /** One that fails takes no other with it; one that comes back gets a job of its own. */
  private async several(
    job: Job<DeliverJob, void>,
    more: readonly string[],
  ): Promise<Date | undefined> {
    const added = addedAt(job);
    const lane: Lane = job.opts.priority === LANE_PRIORITY.bulk ? 'bulk' : 'small';
    const back: DeliveryToEnqueue[] = [];
    const deliver = async (id: string) => {
      try {
        const at = await this.inSlot(id, added);
        if (at !== undefined) back.push({ id, lane, delayMs: at.getTime() - Date.now() });
      } catch (err) {
        this.failed(err, job);
      }
    };
    await Promise.all([job.data.id, ...more].map(deliver));
    if (back.length === 0) return undefined;
    try {
      await this.options.requeue(back);
      return undefined;
    } catch {
      // All of it comes back, and what is over by then ends at its claim.
      return new Date(Date.now() + PAUSED_WAIT_MS);
    }
  }

  private failed(err: unknown, job: Job<DeliverJob, void>): void {
    this.options.logger.error({ err, queue: this.queue, id: job.id }, 'Job failed');
  }

  private onError(error: Error): void {
    const { code } = error as { code?: unknown };
    const lost = typeof code === 'number' && LOST_JOB_CODES.includes(code);
    if (lost || error.message.startsWith('could not renew lock')) {
      // Another worker may have the job; the claim in PostgreSQL decides who sends.
      this.options.logger.debug({ err: error, queue: this.queue }, 'Lost the lock of a job');
    } else {
      this.errors.warn('Queue worker failed', error);
    }
  }
}

/** See `DeliveryConsumer`; it takes jobs at once. */
export function createDeliveryConsumer(
  connection: Pick<QueueConnection, 'worker'>,
  queue: QueueName,
  processor: DeliveryProcessor,
  options: DeliveryConsumerOptions,
): DeliveryConsumer {
  return new DeliveryConsumer(connection, queue, processor, options);
}

/** What comes back, or is taken again from a worker that is gone, is in no hurry any more. */
const wentFirst = ({ opts, attemptsStarted }: Job<DeliverJob, void>): boolean =>
  opts.lifo === true && attemptsStarted === 1;

const addedAt = ({ data, timestamp }: Job<DeliverJob, void>): Date =>
  new Date(data.at ?? timestamp);

/**
 * Ends the processing of a job that shall come back at an instant.
 *
 * @throws always: BullMQ's sign that the job is not over.
 */
async function postpone(
  job: Job<DeliverJob, void>,
  token: string | undefined,
  at: Date,
): Promise<never> {
  try {
    const { priority } = job.opts;
    // One that was moved into the line of small ones had its turn there.
    if (priority !== undefined && job.priority !== priority) await job.changePriority({ priority });
    await job.moveToDelayed(at.getTime(), token);
  } catch {
    // Lost lock or no connection. Failing the job would remove it; left as it is, it is found by
    // the search for stalled jobs and comes back.
  }
  // Loaded long ago, by whoever connected: an import above would load it for the api too.
  const { DelayedError } = await import('bullmq');
  throw new DelayedError();
}
