import type { Logger } from '@app/platform';
import { QUEUES, type DeliveryProducer } from '@app/queue';

export interface BulkMoverOptions {
  /** Between two looks, ± 20 %. */
  intervalMs: number;
  /** Pushes of one provider that all workers can have in hand at once. */
  slots: () => number;
  /** For the queue to answer. */
  timeoutMs: number;
  logger: Pick<Logger, 'debug'>;
}

/** Of the slots, each time that bulk stood still: the share of it that small sends cannot take. */
const SHARE = 1 / 4;

/**
 * Small sends pass bulk in the queue, however many there are. Where bulk stands still for a whole look, some of it joins their
 * line: a timer of its own in every worker. Of several workers one finds what stood still, the others what that one moved.
 */
export class BulkMover {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private current: Promise<void> = Promise.resolve();

  constructor(
    private readonly producer: Pick<DeliveryProducer, 'moveBulk'>,
    private readonly options: BulkMoverOptions,
  ) {}

  start(): void {
    this.schedule();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.current;
  }

  /** One look at each queue. */
  async move(): Promise<void> {
    const { slots, timeoutMs } = this.options;
    const pushes = Math.ceil(slots() * SHARE);
    await Promise.all(QUEUES.map((queue) => this.producer.moveBulk(queue, pushes, timeoutMs)));
  }

  private schedule(): void {
    if (this.stopped) return;
    const { intervalMs } = this.options;
    this.timer = setTimeout(
      () => {
        this.current = this.move()
          // The queue is away, as dispatch says aloud: nothing waits in it.
          .catch((err: unknown) => this.options.logger.debug({ err }, 'Bulk was not looked at'))
          .then(() => this.schedule());
      },
      intervalMs * (0.8 + 0.4 * Math.random()),
    );
  }
}
