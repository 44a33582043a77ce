import type { Forgotten, PartitionRepository, RetentionRepository } from '@app/persistence';
import type { Logger } from '@app/platform';

export interface RetentionOptions {
  retentionDays: number;
  /** Between two rounds of all workers together. */
  roundMs?: number;
  /** Between two looks of this one, ± 20 %. */
  intervalMs?: number;
  logger: Pick<Logger, 'info' | 'warn'>;
}

const ROUND_MS = 3_600_000;
const INTERVAL_MS = 60_000;
/** Operations a statement: some 50 ms. */
const FORGET_LIMIT = 5_000;

/**
 * Makes the partitions of the coming days and removes what has been kept long enough. A timer of its own in
 * every worker, not a rule of the sweep: copying a partition may take minutes, in many short transactions, and no
 * repair waits for it.
 * One worker does a round.
 */
export class Retention {
  private timer: NodeJS.Timeout | undefined;
  private readonly stopping = new AbortController();
  /** The round is this worker's and not finished. */
  private mine = false;
  private current: Promise<void> = Promise.resolve();

  constructor(
    private readonly partitions: Pick<PartitionRepository, 'ensure' | 'retire'>,
    private readonly retention: Pick<RetentionRepository, 'takeRound' | 'forgetOperations'>,
    private readonly options: RetentionOptions,
  ) {}

  start(): void {
    this.schedule(0);
  }

  /** Waits for no step: PostgreSQL finishes it, and the next worker goes on from there. */
  async stop(): Promise<void> {
    this.stopping.abort();
    clearTimeout(this.timer);
    await this.current;
  }

  /** One look: a round, when its time has come and no other worker has taken it. */
  async look(): Promise<void> {
    const { retentionDays, roundMs = ROUND_MS, logger } = this.options;
    await this.partitions.ensure();
    this.mine ||= await this.retention.takeRound(roundMs);
    if (!this.mine) return;
    const { partitions, unfinished } = await this.partitions.retire(
      retentionDays,
      this.stopping.signal,
    );
    const operations = await this.forgetOperations();
    this.mine = unfinished;
    if (partitions.length + operations > 0)
      logger.info({ partitions, operations }, 'Removed what was kept long enough');
  }

  private get stopped(): boolean {
    return this.stopping.signal.aborted;
  }

  /** After the pushes: an operation goes with its last one. */
  private async forgetOperations(): Promise<number> {
    let total = 0;
    let at: Forgotten = { gone: 0, next: null };
    do {
      at = await this.retention.forgetOperations(this.options.retentionDays, at.next, FORGET_LIMIT);
      total += at.gone;
    } while (at.next !== null && !this.stopped);
    return total;
  }

  private schedule(inMs: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.current = this.look()
        .catch((err: unknown) => {
          if (!this.stopped) this.options.logger.warn({ err }, 'Retention failed, trying again');
        })
        .then(() =>
          this.schedule((this.options.intervalMs ?? INTERVAL_MS) * (0.8 + 0.4 * Math.random())),
        );
    }, inMs);
  }
}
