import { within } from '@app/platform';
import type { JobsOptions } from 'bullmq';
import { jobOptions } from './bullmq-options.js';
import { QueueUnavailable } from './connection.js';
import type { QueueConnection } from './connection.js';
import type { DeliverJob, DeliveryToEnqueue, Lane, QueueName } from './jobs.js';

const FORGOTTEN_AT_ONCE = 10_000;

/** Hands pushes over to the queue. */
export class DeliveryProducer {
  /** By queue: the id of the first bulk job when it was looked at last. */
  private readonly firstBulk = new Map<QueueName, string | undefined>();

  /** @param jobSize most pushes that one job carries. */
  constructor(
    private readonly connection: Pick<QueueConnection, 'queue' | 'usable'>,
    private readonly jobSize = 1,
  ) {}

  /**
   * Adds a job a push, or one for several that are due now. A push that has a job of its own is not
   * added again while the queue still has that, whatever its state.
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
    const jobs = this.jobs(deliveries);
    await this.inTime(queue, timeoutMs, () => this.connection.queue(queue).addBulk(jobs));
  }

  /**
   * As `enqueue`, for pushes that are due and that nobody has in hand, whatever their jobs say. A worker whose clock was wrong
   * wrote when a delayed job begins, and on PostgreSQL how long the lock of an active one lasts and when jobs without a
   * worker are looked for next; an add under the id of either is dropped. The delayed one begins now, and beside the active
   * one the push gets another, without an id: its claim tells which of them is the one too many.
   *
   * @throws QueueUnavailable, as `enqueue`.
   */
  async enqueueDue(
    queue: QueueName,
    deliveries: readonly DeliveryToEnqueue[],
    timeoutMs: number,
  ): Promise<void> {
    const jobs = this.connection.queue(queue);
    const held: DeliveryToEnqueue[] = [];
    await this.inTime(queue, timeoutMs, () =>
      Promise.all(
        deliveries.map(async (delivery) => {
          const job = await jobs.getJob(delivery.id);
          if (job === undefined) return;
          if (await job.isActive()) held.push(delivery);
          if (!(await job.isDelayed())) return;
          await job.promote().catch(async (error: unknown) => {
            // Its time may have come, or its end, since it was looked at.
            if (await job.isDelayed()) throw error;
          });
        }),
      ),
    );
    await this.enqueue(queue, deliveries, timeoutMs);
    if (held.length === 0) return;
    const others = held.map(({ id, lane }) => newJob({ id }, { lane, delayMs: 0 }));
    await this.inTime(queue, timeoutMs, () => jobs.addBulk(others));
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

  /**
   * Keeps the bulk lane moving. Small jobs go before bulk ones, without an end where there are always some: when the
   * first bulk job is the one that this found last time, nobody has taken any meanwhile, and some go before all others.
   * By that and not by an age: the clocks of those who add jobs may differ.
   *
   * @param pushes about as many.
   * @returns how many jobs went forward.
   * @throws QueueUnavailable, after `timeoutMs` at the latest.
   */
  async moveBulk(queue: QueueName, pushes: number, timeoutMs: number): Promise<number> {
    return this.inTime(queue, timeoutMs, async () => {
      const limit = Math.ceil(pushes / this.jobSize);
      const [first, ...others] = await this.connection.queue(queue).getPrioritized(0, limit);
      const isStuck = first !== undefined && first.id === this.firstBulk.get(queue);
      const forward = isStuck ? [first, ...others.slice(0, limit - 1)] : [];
      // The one that is first afterwards.
      this.firstBulk.set(queue, (isStuck ? others[limit - 1] : first)?.id);
      // Each goes to the very front: the last one first, so that they keep their order.
      for (const job of forward.reverse()) {
        await job.changePriority({ priority: 0, lifo: true }).catch(async (error: unknown) => {
          // It has been taken, and has ended.
          if ((await this.connection.queue(queue).getJob(job.id ?? '')) !== undefined) throw error;
        });
      }
      return forward.length;
    });
  }

  private async inTime<T>(queue: QueueName, timeoutMs: number, work: () => Promise<T>): Promise<T> {
    const begin = performance.now();
    await this.connection.usable(timeoutMs);
    const done = work().catch((cause: unknown) => {
      throw new QueueUnavailable(`${queue} has not taken its jobs.`, { cause });
    });
    return within(done, timeoutMs - (performance.now() - begin), () => {
      throw new QueueUnavailable(`${queue} has not taken its jobs after ${timeoutMs} ms.`);
    });
  }

  private jobs(deliveries: readonly DeliveryToEnqueue[]): NewJob[] {
    if (this.jobSize === 1) return deliveries.map(ownJob);
    const jobs: NewJob[] = [];
    const open = new Map<Lane, { id: string; more: string[] }>();
    for (const delivery of deliveries) {
      const { id, lane, delayMs } = delivery;
      if (delayMs > 0) {
        jobs.push(ownJob(delivery));
        continue;
      }
      const data = open.get(lane);
      if (data === undefined || data.more.length + 1 >= this.jobSize) {
        const next = { id, more: [] };
        open.set(lane, next);
        jobs.push(newJob(next, { lane, delayMs }));
      } else {
        data.more.push(id);
      }
    }
    return jobs;
  }
}

const NAME = 'deliver';

interface NewJob {
  name: string;
  data: DeliverJob;
  opts: JobsOptions;
}

/** Under an id of the push's own. */
const ownJob = (delivery: DeliveryToEnqueue): NewJob => newJob({ id: delivery.id }, delivery);

function newJob(data: DeliverJob, options: Parameters<typeof jobOptions>[0]): NewJob {
  return { name: NAME, data, opts: jobOptions(options) };
}
