import type { Uuid } from '@app/domain';
import type {
  AuditRepository,
  ExpireRepository,
  LostPush,
  Round,
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
  /** How long a claim holds a push. */
  leaseMs: number;
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

/** Rules of the pass's own transaction. */
type PassRule = 'close-parts' | 'forget-keys' | 'drop-registrations' | 'lost' | 'windows';

export type SweepRule =
  'queue-lost' | 'push-lost' | 'window-wrong' | 'counter-wrong' | 'part-wrong';

const LOST_LIMIT = 5_000;
/** Of those: what the queue takes within its time-out, and then is not looked at again for a while. */
const REQUEUED_AT_ONCE = 500;
const CLOSE_LIMIT = 10_000;
const DROP_LIMIT = 1_000;
const FORGET_LIMIT = 10_000;
const AUDIT_EVERY = 10;
/** Of each pass; the next goes on where this one ended. */
const EXPIRE = { operations: 5_000, pushes: 5_000 };
/**
 * A pass counts as many as it takes to come round in an hour, within these bounds: the most, in operations and in
 * pushes, cost some ten milliseconds.
 */
const AUDITED = { leastOperations: 10, mostOperations: 1_000, pushes: 10_000, roundMs: 3_600_000 };
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

  constructor(
    private readonly sweeps: Pick<
      SweepRepository,
      'pass' | 'rewindAll' | 'handedOverAgain' | 'rounds' | 'keepRounds'
    >,
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

  /** One pass, unless another worker is at it, or was a moment ago. What each rule does is kept, whatever becomes of the others. */
  async sweep(): Promise<void> {
    // Asked before the transaction: a queue that does not answer must not hold the lock.
    const epoch = await this.epoch();
    const found = await this.sweeps.pass(async (pass) =>
      (await pass.isDue(this.options.intervalMs * 0.8)) ? this.mend(pass, epoch) : null,
    );
    if (found === null) return;
    this.passes++;
    const { queueLost, lost } = found;
    if (queueLost !== null) await this.apart('rewind', () => this.rewind(queueLost));
    if (lost.length > 0) await this.apart('requeue', () => this.requeue(lost));
    const { next, operations } = await this.sweeps.rounds();
    await this.round('expire', () => this.expire(next.expire));
    await this.round('counters', () => this.auditCounters(next.counters, operations));
    await this.round('parts', () => this.auditParts(next.parts));
  }

  /** A rule that takes a few operations a pass; the next one goes on where it ended. */
  private async round(name: Round, rule: () => Promise<Uuid | null>): Promise<void> {
    await this.apart(name, async () => this.sweeps.keepRounds({ [name]: await rule() }));
  }

  /** One rule that fails, as often as it may, holds back no other. */
  private async apart(
    rule: Round | PassRule | 'rewind' | 'requeue',
    work: () => Promise<void>,
  ): Promise<void> {
    if (this.stopped) return;
    await work().catch((err: unknown) =>
      this.options.logger.warn({ err, rule }, 'A rule of the sweep failed, trying again'),
    );
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
    const apart = (rule: PassRule, work: () => Promise<void>) =>
      this.apart(rule, () => pass.apart(work));
    await apart('close-parts', () => pass.closeParts(CLOSE_LIMIT));
    await apart('forget-keys', () => pass.forgetKeys(FORGET_LIMIT));
    await apart('drop-registrations', async () => void (await pass.dropRegistrations(DROP_LIMIT)));
    let lost: LostPush[] = [];
    // Lost rows lie behind the cursors; after the rewind there are none.
    if (epoch !== null && queueLost === null)
      await apart('lost', async () => {
        lost = await pass.lostPushes(this.options.lostAfterMs, LOST_LIMIT);
      });
    if (this.passes % AUDIT_EVERY === 0)
      await apart('windows', async () => this.fault('window-wrong', await pass.auditWindows()));
    return { queueLost, lost };
  }

  private async expire(after: Uuid | null): Promise<Uuid | null> {
    const { retryWindowMs, leaseMs, onExpired, onWork } = this.options;
    const options = { ...EXPIRE, retryWindowMs, leaseMs };
    const { next, expired } = await this.expiries.expire(after, options);
    if (expired > 0) {
      onExpired?.(expired);
      onWork();
    }
    return next;
  }

  /** @param stored about how many operations there are. */
  private async auditCounters(after: Uuid | null, stored: number): Promise<Uuid | null> {
    const { retentionDays, intervalMs, logger } = this.options;
    const { leastOperations, mostOperations, pushes, roundMs } = AUDITED;
    const share = Math.ceil((stored * intervalMs) / roundMs);
    const operations = Math.min(Math.max(share, leastOperations), mostOperations);
    const limit = { operations, pushes };
    const { next, wrong, mended } = await this.audits.counters(after, retentionDays, limit);
    if (wrong > 0) {
      this.fault('counter-wrong', wrong);
      logger.warn({ wrong, mended }, 'Counters of operations did not match their pushes');
    }
    return next;
  }

  private async auditParts(after: Uuid | null): Promise<Uuid | null> {
    const { next, mended } = await this.audits.parts(after, PARTS_OF);
    if (mended > 0) {
      this.fault('part-wrong', mended);
      this.options.logger.warn({ parts: mended }, 'Pushes that nobody looked at are dispatched');
      this.options.onWork();
    }
    return next;
  }

  private async rewind(epoch: string): Promise<void> {
    const rewound = await this.sweeps.rewindAll(epoch, { isStopped: () => this.stopped });
    if (rewound === null) return;
    const { parts, before } = rewound;
    // Another worker has done it meanwhile.
    if (before === epoch) return;
    if (before !== null) this.fault('queue-lost', 1);
    this.options.logger.info({ parts }, 'The queue is new or lost its memory, parts rewound');
    this.options.onWork();
  }

  private async requeue(lost: readonly LostPush[]): Promise<void> {
    for (let from = 0; from < lost.length && !this.stopped; from += REQUEUED_AT_ONCE) {
      const some = lost.slice(from, from + REQUEUED_AT_ONCE);
      await this.options.requeue(some);
      await this.sweeps.handedOverAgain(some);
      this.fault('push-lost', some.length);
      this.options.logger.warn(
        { pushes: some.length },
        'Pushes whose job was lost are queued again',
      );
    }
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
