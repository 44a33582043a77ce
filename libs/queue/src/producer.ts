import { jobOptions } from './bullmq-options.js';
import { QueueUnavailable } from './connection.js';
import type { QueueConnection } from './connection.js';
import type { DeliveryToEnqueue, QueueName } from './jobs.js';

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
    const begin = performance.now();
    await this.connection.usable(timeoutMs);
    const added = this.connection
      .queue(queue)
      .addBulk(
        deliveries.map((delivery) => ({
          name: 'deliver',
          data: { id: delivery.id },
          opts: jobOptions(delivery),
        })),
      )
      .catch((cause: unknown) => {
        throw new QueueUnavailable(`${queue} has not taken its jobs.`, { cause });
      });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const restMs = Math.max(0, timeoutMs - (performance.now() - begin));
      timer = setTimeout(() => {
        reject(new QueueUnavailable(`${queue} has not taken its jobs after ${timeoutMs} ms.`));
      }, restMs);
    });
    // `race` listens to `added` to the end, so that its late failure is not an unhandled one.
    await Promise.race([added, late]).finally(() => {
      clearTimeout(timer);
    });
  }
}
