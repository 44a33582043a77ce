import { jobOptions } from './bullmq-options.js';
import { QueueUnavailable } from './connection.js';
import type { QueueConnection } from './connection.js';
import type { DeliveryToEnqueue, QueueName } from './jobs.js';

const FORGOTTEN_AT_ONCE = 10_000;

/** Hands pushes over to the queue, one job each. */
export class DeliveryProducer {
  constructor(private readonly connection: Pick<QueueConnection, 'queue' | 'usable'>) {}

  /**
   * Adds a job a push. An id that the queue still has is not added again, whatever its state.
   *
   * @throws QueueUnavailable, after `timeoutMs` at the latest; some or all of the jobs may have been added, and
   * may still be: adding them again is harmless.
   */
  async enqueue(
    queue: QueueName,
    deliveries: readonly DeliveryToEnqueue[],
    timeoutMs: number,
  ): Promise<void> {
    if (deliveries.length === 0) return;
    const jobs = deliveries.map((delivery) => ({
      name: 'deliver',
      data: { id: delivery.id },
      opts: jobOptions(delivery),
    }));
    await this.inTime(queue, timeoutMs, () => this.connection.queue(queue).addBulk(jobs));
  }

  /**
   * Forgets jobs that have ended. None should be kept; one that is, by whatever accident, blocks every
   * later add under its id.
   *
   * @returns how many there were.
   * @throws QueueUnavailable, after `timeoutMs` at the latest.
   */
  async forgetEnded(queue: QueueName, timeoutMs: number): Promise<number> {
    return this.inTime(queue, timeoutMs, async () => {
      const jobs = this.connection.queue(queue);
      const failed = await jobs.clean(0, FORGOTTEN_AT_ONCE, 'failed');
      const completed = await jobs.clean(0, FORGOTTEN_AT_ONCE, 'completed');
      return failed.length + completed.length;
    });
  }

  private async inTime<T>(queue: QueueName, timeoutMs: number, work: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    await this.connection.usable(timeoutMs);
    const done = work().catch((cause: unknown) => {
      throw new QueueUnavailable(`${queue} has not taken its jobs.`, { cause });
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const restMs = Math.max(0, timeoutMs - (performance.now() - begin));
      timer = setTimeout(() => {
        reject(new QueueUnavailable(`${queue} has not taken its jobs after ${timeoutMs} ms.`));
      }, restMs);
    });
    // `race` listens to `done` to the end, so that its late failure is not an unhandled one.
    return Promise.race([done, late]).finally(() => {
      clearTimeout(timer);
    });
  }
}
