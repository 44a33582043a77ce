import type { Uuid } from '@app/domain';
import type {
  AuditRepository,
  ExpireRepository,
  LostPush,
  SweepPass,
  SweepRepository,
} from '@app/persistence';
import type { Logger } from '@app/platform';

export interface SweeperOptions {
  /** Between two passes, ± 20 %. */
  intervalMs: number;
  /** A push that is due for so long without anybody holding it has lost its job. */
  lostAfterMs: number;
  /** Operations older than that may have lost pushes: their counters are not looked at. */
  retentionDays: number;
  /** Our own retries end so long after the first attempt, waiting included. */
  retryWindowMs: number;
  /** Changes when the queue lost its memory. */
  epoch: () => Promise<string>;
  /** Adds jobs again, under the ids that they had. */
  requeue: (pushes: readonly LostPush[]) => Promise<void>;
  /** There may be work to dispatch: parts were rewound, or room came free. */
  onWork: () => void;
  onExpired?: (pushes: number) => void;
  onFault?: (rule: SweepRule, count: number) => void;
  logger: Pick<Logger, 'info' | 'warn'>;
}

export type SweepRule =
  'queue-lost' | 'push-lost' | 'window-wrong' | 'counter-wrong' | 'part-wrong';

const LOST_LIMIT = 5_000;
const CLOSE_LIMIT = 10_000;
const DROP_LIMIT = 1_000;
const FORGET_LIMIT = 10_000;
const AUDIT_EVERY = 10;
/** Of each pass; the next goes on where this one ended. */
const EXPIRE = { operations: 5_000, pushes: 5_000 };
const AUDITED = { operations: 10, pushes: 10_000 };
const PARTS_OF = 1_000;

/**
 * Repairs what crashes and a forgetful queue leave behind. A timer in every worker, passes never
 * overlap (an advisory lock); nothing in the queue keeps it alive, since FLUSHALL would end that too.
 */
export class Sweeper {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private passes = 0;
  private current: Promise<void> = Promise.resolve();
  private queueAway = false;
  /** How far the rules have come that take a few operations a pass. */
  private readonly next: Record<'expire' | 'counters' | 'parts', Uuid | null> = {
    expire: null,
    counters: null,
    parts: null,
  };

  constructor(
    private readonly sweeps: Pick<SweepRepository, 'pass' | 'rewindAll' | 'handedOverAgain'>,
    private readonly expiries: Pick<ExpireRepository, 'expire'>,
    private readonly audits: Pick<AuditRepository, 'counters' | 'parts'>,
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

  /** One pass, unless another worker is at it. What needs the queue comes last, or waits for it. */
  async sweep(): Promise<void> {
    // Asked before the transaction: a queue that does not answer must not hold the lock.
    const epoch = await this.epoch();
    const found = await this.sweeps.pass((pass) => this.mend(pass, epoch));
    this.passes++;
    if (found === null) return;
    if (found.queueLost !== null) await this.rewind(found.queueLost);
    await this.expire();
    await this.audit();
    if (found.lost.length > 0) await this.requeue(found.lost);
  }

  /** @returns null while the queue is away: of its jobs nothing is known. */
  private async epoch(): Promise<string | null> {
    try {
      const epoch = await this.options.epoch();
      this.queueAway = false;
      return epoch;
    } catch (err) {
      if (!this.queueAway) {
        this.options.logger.warn({ err }, 'The queue is away, sweeping without it');
      }
      this.queueAway = true;
      return null;
    }
  }

  private async mend(
    pass: SweepPass,
    epoch: string | null,
  ): Promise<{ queueLost: string | null; lost: LostPush[] }> {
    const queueLost = epoch === null || (await pass.knowsQueue(epoch)) ? null : epoch;
    await pass.closeParts(CLOSE_LIMIT);
    await pass.forgetKeys(FORGET_LIMIT);
    await pass.dropRegistrations(DROP_LIMIT);
    // Lost rows lie behind the cursors; after the rewind there are none.
    const search = epoch !== null && queueLost === null;
    const lost = search ? await pass.lostPushes(this.options.lostAfterMs, LOST_LIMIT) : [];
    if (this.passes % AUDIT_EVERY === 0) this.fault('window-wrong', await pass.auditWindows());
    return { queueLost, lost };
  }

  private async expire(): Promise<void> {
    const { retryWindowMs, onExpired, onWork } = this.options;
    const { next, expired } = await this.expiries.expire(this.next.expire, {
      ...EXPIRE,
      retryWindowMs,
    });
    this.next.expire = next;
    if (expired === 0) return;
    onExpired?.(expired);
    onWork();
  }

  private async audit(): Promise<void> {
    const counters = await this.audits.counters(
      this.next.counters,
      this.options.retentionDays,
      AUDITED,
    );
    this.next.counters = counters.next;
    if (counters.wrong > 0) {
      this.fault('counter-wrong', counters.wrong);
      const { wrong, mended } = counters;
      this.options.logger.warn(
        { wrong, mended },
        'Counters of operations did not match their pushes',
      );
    }
    const parts = await this.audits.parts(this.next.parts, PARTS_OF);
    this.next.parts = parts.next;
    if (parts.mended === 0) return;
    this.fault('part-wrong', parts.mended);
    this.options.logger.warn(
      { parts: parts.mended },
      'Pushes that nobody looked at are dispatched',
    );
    this.options.onWork();
  }

  private async rewind(epoch: string): Promise<void> {
    const rewound = await this.sweeps.rewindAll(epoch);
    if (rewound === null) return;
    const { parts, before } = rewound;
    // Another worker has done it meanwhile.
    if (before === epoch) return;
    if (before !== null) this.fault('queue-lost', 1);
    this.options.logger.info({ parts }, 'The queue is new or lost its memory, parts rewound');
    this.options.onWork();
  }

  private async requeue(lost: readonly LostPush[]): Promise<void> {
    await this.options.requeue(lost);
    await this.sweeps.handedOverAgain(lost);
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
