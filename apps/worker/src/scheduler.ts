import type { ScheduleRepository } from '@app/persistence';
import type { Logger } from '@app/platform';

export interface SchedulerOptions {
  /** Between two looks, ± 20 %. */
  intervalMs: number;
  /** Pushes began: there is work to dispatch. */
  onBegun: () => void;
  logger: Pick<Logger, 'warn'>;
}

/** Pushes a transaction. */
const CHUNK = 5_000;

/**
 * Lets scheduled pushes begin when their time has come. A timer of its own in every worker, not a
 * rule of the sweep: no other repair holds it up, and several may be at it at once.
 */
export class Scheduler {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private current: Promise<void> = Promise.resolve();

  constructor(
    private readonly schedules: Pick<ScheduleRepository, 'beginDue'>,
    private readonly options: SchedulerOptions,
  ) {}

  start(): void {
    this.schedule(0);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.current;
  }

  /** Everything that is due, chunk by chunk. */
  async begin(): Promise<void> {
    const { onBegun } = this.options;
    while (!this.stopped && (await this.schedules.beginDue(CHUNK, onBegun)) > 0);
  }

  private schedule(inMs: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.current = this.begin()
        .catch((err: unknown) => this.options.logger.warn({ err }, 'Scheduled pushes wait'))
        .then(() => this.schedule(this.options.intervalMs * (0.8 + 0.4 * Math.random())));
    }, inMs);
  }
}
