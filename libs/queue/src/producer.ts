import type { Clock } from '@app/domain';
import { within } from '@app/platform';
import type { Job, JobsOptions } from 'bullmq';
import { jobOptions } from './bullmq-options.js';
import { QueueUnavailable } from './connection.js';
import type { DeliveryQueue, QueueConnection } from './connection.js';
import { LANE_PRIORITY } from './jobs.js';
import type { DeliverJob, DeliveryToEnqueue, Lane, QueueName } from './jobs.js';

const FORGOTTEN_AT_ONCE = 10_000;
/** Bulk jobs a look: one after the other, so that they keep their order, on PostgreSQL about a millisecond each. */
const MOVED_AT_ONCE = 200;

interface BulkLane {
  /** The id of its first job. */
  first: string | undefined;
  /** Of the jobs that were moved last the id of the last one; where another worker moved them, of the first. */
  moved: string | undefined;
}

/** Hands pushes over to the queue. */
export class DeliveryProducer {
  /** By queue, how the bulk lane was found last. */
  private readonly bulk = new Map<QueueName, BulkLane>();

  /**
   * @param clock says when something was handed over, the same in all workers: callers are told. BullMQ's own instant of a job
   *   is by the clock of this machine, on which its delay hangs.
   * @param jobSize most pushes that one job carries.
   */
  constructor(
    private readonly connection: Pick<QueueConnection, 'queue' | 'usable'>,
    private readonly clock: Clock,
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
   * one the push gets another, one only: its claim tells which of the two is too many. Each has a job of its own: in one of
   * several nobody would find it again, and a queue that is merely long would get more of them each time.
   *
   * @throws QueueUnavailable, as `enqueue`.
   */
  async enqueueDue(
    queue: QueueName,
    deliveries: readonly DeliveryToEnqueue[],
    timeoutMs: number,
  ): Promise<void> {
    if (deliveries.length === 0) return;
    const jobs = this.connection.queue(queue);
    await this.inTime(queue, timeoutMs, async () => {
      const again = await Promise.all(
        deliveries.map(async (delivery) => {
          const { id } = delivery;
          if (!(await isInHand(jobs, id))) return this.ownJob(delivery);
          const againId = `${id}-again`;
          await isInHand(jobs, againId);
          return this.newJob({ id }, { ...delivery, id: againId });
        }),
      );
      await jobs.addBulk(again);
    });
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
   * first bulk job is the one that this found last time, nobody has taken any meanwhile, and some get a place in the line
   * of the small ones. By that and not by an age: the clocks of those who add jobs may differ. At its end, and no more
   * before those have been taken: a line that moves slowly, or not at all, would become one of bulk alone.
   *
   * @param pushes about as many, within `MOVED_AT_ONCE` jobs.
   * @returns how many jobs were moved.
   * @throws QueueUnavailable, after `timeoutMs` at the latest; none is moved after that.
   */
  async moveBulk(queue: QueueName, pushes: number, timeoutMs: number): Promise<number> {
    return this.inTime(queue, timeoutMs, async (isLate) => {
      const jobs = this.connection.queue(queue);
      const before = this.bulk.get(queue);
      const [first] = await jobs.getPrioritized(0, 0);
      if (first?.id !== before?.first) {
        // Taken, or moved by another worker.
        this.bulk.set(queue, { first: first?.id, moved: before?.first ?? before?.moved });
        return 0;
      }
      if (first === undefined || (await this.goesOnAlone(jobs, before?.moved))) return 0;
      const limit = Math.min(Math.ceil(pushes / this.jobSize), MOVED_AT_ONCE);
      const stuck = await jobs.getPrioritized(0, limit);
      let moved = 0;
      for (const job of stuck.slice(0, limit)) {
        if (isLate()) break;
        await job.changePriority({ priority: 0 }).catch(async (error: unknown) => {
          // It has been taken, and has ended.
          if ((await jobs.getJob(job.id ?? '')) !== undefined) throw error;
        });
        moved++;
      }
      this.bulk.set(queue, { first: stuck[moved]?.id, moved: stuck[moved - 1]?.id });
      return moved;
    });
  }

  /** Whether bulk needs no help, the next one that is taken being bulk, or has it: what was moved has not been taken yet. */
  private async goesOnAlone(jobs: DeliveryQueue, moved: string | undefined): Promise<boolean> {
    if ((await jobs.getWaiting(0, 0)).length === 0) return true;
    const job = moved === undefined ? undefined : await jobs.getJob(moved);
    return job !== undefined && isMoved(job) && (await job.isWaiting());
  }

  /** @param work is told whether nobody waits for it any more. */
  private async inTime<T>(
    queue: QueueName,
    timeoutMs: number,
    work: (isLate: () => boolean) => Promise<T>,
  ): Promise<T> {
    const begin = performance.now();
    let late = false;
    await this.connection.usable(timeoutMs);
    const done = work(() => late).catch((cause: unknown) => {
      throw new QueueUnavailable(`${queue} has not taken its jobs.`, { cause });
    });
    return within(done, timeoutMs - (performance.now() - begin), () => {
      late = true;
      throw new QueueUnavailable(`${queue} has not taken its jobs after ${timeoutMs} ms.`);
    });
  }

  private jobs(deliveries: readonly DeliveryToEnqueue[]): NewJob[] {
    if (this.jobSize === 1) return deliveries.map((delivery) => this.ownJob(delivery));
    const jobs: NewJob[] = [];
    const open = new Map<Lane, { more: string[] }>();
    for (const delivery of deliveries) {
      const { id, lane, delayMs } = delivery;
      // In a job of several it would wait for their slots, or they would go before others with it.
      if (delayMs > 0 || delivery.first === true) {
        jobs.push(this.ownJob(delivery));
        continue;
      }
      const data = open.get(lane);
      if (data === undefined || data.more.length + 1 >= this.jobSize) {
        const more: string[] = [];
        open.set(lane, { more });
        jobs.push(this.newJob({ id, more }, { lane, delayMs }));
      } else {
        data.more.push(id);
      }
    }
    return jobs;
  }

  /** Under an id of the push's own. */
  private ownJob(delivery: DeliveryToEnqueue): NewJob {
    return this.newJob({ id: delivery.id }, delivery);
  }

  private newJob(data: DeliverJob, options: Parameters<typeof jobOptions>[0]): NewJob {
    const at = this.clock.now().getTime();
    return { name: NAME, data: { ...data, at }, opts: jobOptions(options) };
  }
}

/** A bulk job in the line of the small ones; its options stay those that it was added with. */
const isMoved = ({ opts, priority }: Pick<Job, 'opts' | 'priority'>): boolean =>
  opts.priority === LANE_PRIORITY.bulk && priority !== LANE_PRIORITY.bulk;

const NAME = 'deliver';

interface NewJob {
  name: string;
  data: DeliverJob;
  opts: JobsOptions;
}

/** @returns whether a job is active. A delayed one begins now. */
async function isInHand(jobs: DeliveryQueue, id: string): Promise<boolean> {
  const job = await jobs.getJob(id);
  if (job === undefined) return false;
  if (await job.isDelayed()) {
    await job.promote().catch(async (error: unknown) => {
      // Its time may have come, or its end, since it was looked at.
      if (await job.isDelayed()) throw error;
    });
  }
  return job.isActive();
}
