import type { DispatchChunk, DispatchLane, DispatchRepository, Shares } from '@app/persistence';
import type { Logger } from '@app/platform';
import type { Courtesy } from './courtesy.js';

/** Small sends pass bulk: three turns of theirs, then one of the others. */
const SMALL_FIRST: readonly [DispatchLane, number][] = [
  ['small', 3],
  ['bulk', 1],
];
/** Where small sends take all the room of a window as it comes free, bulk would never find any. */
const BULK_FIRST = SMALL_FIRST.toReversed();
const BULK_FIRST_EVERY = 4;

export interface DispatcherOptions {
  /** Most pushes an account's turn hands over. */
  chunk: number;
  /** How often it looks for work without being woken. */
  intervalMs: number;
  /** Adds the jobs of one turn; rejects when the queue does not answer in time. */
  handOver: (chunk: DispatchChunk) => Promise<void>;
  /** Resolves when the queue takes jobs: a turn that waits for it would hold its rows meanwhile. */
  usable: () => Promise<void>;
  /** Most that one credential may have outstanding now, whatever its window. */
  shares: () => Shares;
  /** Says whose backlogs have less of a turn, or none. */
  courtesy: Pick<Courtesy, 'slowed' | 'restMs' | 'onTurn'>;
  onHandedOver?: (pushes: number) => void;
  logger: Pick<Logger, 'warn'>;
}

/**
 * Moves what is QUEUED in PostgreSQL into the delivery queues: turn after turn while there is work,
 * then it sleeps until it is woken or its interval is over.
 */
export class Dispatcher {
  /** That handed something over: each wake ends with one that does not. */
  private rounds = 0;
  private running = false;
  private stopped = false;
  private wanted = false;
  private timer: NodeJS.Timeout | undefined;
  private finished: Promise<void> = Promise.resolve();

  constructor(
    private readonly dispatches: Pick<DispatchRepository, 'lanesWithWork' | 'takeTurns'>,
    private readonly options: DispatcherOptions,
  ) {}

  /** There may be work: an operation was accepted, room came free, parts were rewound. */
  wake(): void {
    this.wanted = true;
    if (this.running || this.stopped) return;
    this.running = true;
    clearTimeout(this.timer);
    this.finished = this.run();
  }

  /** Finishes the turn in hand and takes no other. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.finished;
  }

  private async run(): Promise<void> {
    while (this.wanted && !this.stopped) {
      this.wanted = false;
      try {
        await this.takeTurns();
      } catch (err) {
        // Nothing moved: the same turn comes again with the next interval.
        this.options.logger.warn({ err }, 'Dispatch failed, trying again');
        this.wanted = false;
      }
    }
    this.running = false;
    if (this.stopped) return;
    const { intervalMs, courtesy } = this.options;
    const { restMs } = courtesy;
    this.timer = setTimeout(
      () => this.wake(),
      restMs > 0 ? Math.min(restMs, intervalMs) : intervalMs,
    );
  }

  /** Rounds of turns until one whole round hands nothing over. */
  private async takeTurns(): Promise<void> {
    for (;;) {
      await this.options.usable();
      const { shares, courtesy } = this.options;
      const lanes = await this.dispatches.lanesWithWork(shares(), courtesy.slowed);
      if (lanes.length === 0) return;
      let handedOver = 0;
      const isBulkFirst = this.rounds % BULK_FIRST_EVERY === BULK_FIRST_EVERY - 1;
      const round = isBulkFirst ? BULK_FIRST : SMALL_FIRST;
      for (const [lane, turns] of round)
        if (lanes.includes(lane)) handedOver += await this.take(lane, turns);
      if (handedOver === 0) return;
      this.rounds++;
      this.options.onHandedOver?.(handedOver);
    }
  }

  /** Up to `turns` turns of a lane; stops at the first that finds nothing. */
  private async take(lane: DispatchLane, turns: number): Promise<number> {
    const { chunk, handOver, shares, courtesy } = this.options;
    let handedOver = 0;
    for (let turn = 0; turn < turns && !this.stopped; turn++) {
      const { slowed } = courtesy;
      const taken = await this.dispatches.takeTurns(lane, chunk, handOver, shares(), slowed);
      if (taken === null) break;
      courtesy.onTurn(lane, taken.backlogs);
      handedOver += taken.handedOver;
    }
    return handedOver;
  }
}
