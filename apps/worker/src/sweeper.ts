import type { LostPush, SweepPass, SweepRepository } from '@app/persistence';
import type { Logger } from '@app/platform';

export interface SweeperOptions {
  /** Between two passes, ± 20 %. */
  intervalMs: number;
  /** A push that is due for so long without anybody holding it has lost its job. */
  lostAfterMs: number;
  /** Changes when the queue lost its memory. */
  epoch: () => Promise<string>;
  /** Adds jobs again, under the ids that they had. */
  requeue: (pushes: readonly LostPush[]) => Promise<void>;
  /** Parts were rewound: there is work to dispatch. */
  onRewound: () => void;
  onFault?: (rule: SweepRule, count: number) => void;
  logger: Pick<Logger, 'info' | 'warn'>;
}

export type SweepRule = 'queue-lost' | 'push-lost' | 'window-wrong';

const LOST_LIMIT = 1_000;
const CLOSE_LIMIT = 10_000;
const DROP_LIMIT = 1_000;
const FORGET_LIMIT = 10_000;
const AUDIT_EVERY = 10;

/**
 * Repairs what crashes and a forgetful queue leave behind. A timer in every worker, passes never
 * overlap (an advisory lock); nothing in the queue keeps it alive, since FLUSHALL would end that too.
 */
export class Sweeper {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private passes = 0;
  private current: Promise<void> = Promise.resolve();

  constructor(
    private readonly sweeps: Pick<SweepRepository, 'pass'>,
    private readonly options: SweeperOptions,
  ) {}

  start(): void {
    this.schedule(0);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.current;
  }

  /** One pass, unless another worker is at it. */
  async sweep(): Promise<void> {
    // Asked before the transaction: a queue that does not answer must not hold the lock.
    const epoch = await this.options.epoch();
    let rewound = false;
    await this.sweeps.pass(async (pass) => {
      rewound = await this.rewindIfQueueLost(pass, epoch);
      await pass.closeParts(CLOSE_LIMIT);
      // Lost rows lie behind the cursors; after a rewind there are none.
      if (!rewound) await this.requeueLost(pass);
      if (this.passes % AUDIT_EVERY === 0) this.fault('window-wrong', await pass.auditWindows());
      await pass.dropRegistrations(DROP_LIMIT);
      await pass.forgetKeys(FORGET_LIMIT);
    });
    this.passes++;
    if (rewound) this.options.onRewound();
  }

  private async rewindIfQueueLost(pass: SweepPass, epoch: string): Promise<boolean> {
    const before = await pass.remember('queue-epoch', epoch);
    if (before === epoch) return false;
    const parts = await pass.rewindAll();
    if (before !== null) this.fault('queue-lost', 1);
    this.options.logger.info({ parts }, 'The queue is new or lost its memory, parts rewound');
    return true;
  }

  private async requeueLost(pass: SweepPass): Promise<void> {
    const lost = await pass.lostPushes(this.options.lostAfterMs, LOST_LIMIT);
    if (lost.length === 0) return;
    await this.options.requeue(lost);
    this.fault('push-lost', lost.length);
    this.options.logger.warn({ pushes: lost.length }, 'Pushes whose job was lost are queued again');
  }

  private fault(rule: SweepRule, count: number): void {
    if (count > 0) this.options.onFault?.(rule, count);
  }

  private schedule(inMs: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.current = this.sweep()
        .catch((err: unknown) => this.options.logger.warn({ err }, 'Sweep failed, trying again'))
        .then(() => this.schedule(this.options.intervalMs * (0.8 + 0.4 * Math.random())));
    }, inMs);
  }
}
