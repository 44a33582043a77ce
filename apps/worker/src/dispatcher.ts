import {
  DISPATCH_LANES,
  type DispatchChunk,
  type DispatchLane,
  type DispatchRepository,
  type Shares,
  type Turns,
} from '@app/persistence';
import type { Logger } from '@app/platform';
import type { Backlogs } from './backlogs.js';

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
  /** Says which have less of a turn, or none. */
  backlogs: Pick<Backlogs, 'slowed' | 'restMs' | 'onTurn'>;
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
  /** Whose backlogs the last look passed by. */
  private resting: DispatchLane[] = [];
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
    const { intervalMs, backlogs } = this.options;
    // A rest may have ended since.
    const rests = this.resting.map((lane) => backlogs.restMs(lane));
    this.timer = setTimeout(() => this.wake(), Math.min(intervalMs, ...rests));
  }

  /** Rounds of turns until one whole round finds nothing. */
  private async takeTurns(): Promise<void> {
    for (;;) {
      this.resting = [];
      await this.options.usable();
      const { shares, backlogs } = this.options;
      const { slowed } = backlogs;
      this.resting = DISPATCH_LANES.filter(
        (lane) => slowed[lane].credentialIds.length > 0 && slowed[lane].most === 0,
      );
      const lanes = await this.dispatches.lanesWithWork(shares(), slowed);
      if (lanes.length === 0) return;
      const taken = { handedOver: 0, passed: 0 };
      const isBulkFirst = this.rounds % BULK_FIRST_EVERY === BULK_FIRST_EVERY - 1;
      const round = isBulkFirst ? BULK_FIRST : SMALL_FIRST;
      for (const [lane, turns] of round)
        if (lanes.includes(lane)) await this.take(lane, turns, taken);
      if (taken.handedOver + taken.passed === 0) return;
      this.rounds++;
      this.options.onHandedOver?.(taken.handedOver);
    }
  }

  /** Up to `turns` turns of a lane, added to `sum`; stops at the first that finds nothing. */
  private async take(
    lane: DispatchLane,
    turns: number,
    sum: Pick<Turns, 'handedOver' | 'passed'>,
  ): Promise<void> {
    const { chunk, handOver, shares, backlogs } = this.options;
    for (let turn = 0; turn < turns && !this.stopped; turn++) {
      const { slowed } = backlogs;
      const taken = await this.dispatches.takeTurns(lane, chunk, handOver, shares(), slowed);
      if (taken === null) break;
      backlogs.onTurn(lane, taken);
      sum.handedOver += taken.handedOver;
      sum.passed += taken.passed;
    }
  }
}
