import { within } from '@app/platform';
import type { CheckWorker, QueueConnection } from './connection.js';
import type { DeliveryConsumerOptions } from './consumer.js';
import { ErrorLog } from './error-log.js';
import { CHECK_CREDENTIAL, type CheckAnswer, type CheckJob } from './jobs.js';

/** A check that is still under way after this is not worth a slower shutdown. */
const CLOSE_TIMEOUT_MS = 3_000;

/** Takes checks at once and gives their answers back to the queue. */
export class CheckConsumer {
  private readonly worker: CheckWorker;

  /** @param processor one that throws leaves its caller without an answer. */
  constructor(
    connection: Pick<QueueConnection, 'checkWorker'>,
    processor: (job: CheckJob) => Promise<CheckAnswer>,
    private readonly options: Omit<DeliveryConsumerOptions, 'requeue'>,
  ) {
    const errors = new ErrorLog(options.logger);
    this.worker = connection.checkWorker(
      async (job) => {
        try {
          return await processor(job.data);
        } catch (err) {
          this.options.logger.error({ err, queue: CHECK_CREDENTIAL }, 'Job failed');
          throw err;
        }
      },
      { ...options, onError: (error) => errors.warn('Queue worker failed', error) },
    );
  }

  /** Resolves when it can take jobs. */
  async ready(): Promise<void> {
    await this.worker.waitUntilReady();
  }

  async close(): Promise<void> {
    await within(this.worker.close(), CLOSE_TIMEOUT_MS);
  }
}
