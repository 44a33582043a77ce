import type { DispatchLane, Slowed } from '@app/persistence';
import type { Uuid } from '@app/domain';

export interface CourtesyOptions {
  /** Milliseconds on any clock that is never set. */
  monotonicMs: () => number;
}

/** Pushes whose lateness is judged together, by their median. */
const JUDGED = 5;
/** Up to twice as late as the best, or this much later, is in time. Milliseconds. */
const LEAST_EXCESS_MS = 20;
/** To how much those that are late slow backlogs down, first and later; those in time let them go on so much faster. */
const SLOWER_FIRST = 0.5;
const SLOWER = 0.75;
const FASTER = 1.1;
/** A pace shows after a while, when what was handed over before is through. Milliseconds. */
const SHOWS_AFTER_MS = 1_000;
/** What backlogs keep of the most that this worker settled: whoever is late, they go on. */
const LEAST_PACE = 1 / 8;
/** A slowed backlog has small turns; smaller ones than this cost more for each push than they spare. Milliseconds, pushes. */
const TURN_EVERY_MS = 100;
const LEAST_TURN = 50;
/** Nothing rests longer, however little was settled while the pace was found. Milliseconds. */
const MOST_REST_MS = 1_000;
/** What had more than its turn took is a backlog for so long after its rest. Milliseconds. */
const REMEMBERED_MS = 2_000;
/** Credentials a lane; each look at the database names them. */
const MAX_REMEMBERED = 500;
/** Who sent nothing for so long sends no more: backlogs need not wait. Milliseconds. */
const LASTS_MS = 10_000;
/** The best is that of an hour, forgotten by sixths. */
const BEST_OF = 6;
const BEST_EVERY_MS = 600_000;

/**
 * Backlogs yield to those who send a push now and then. Windows and turns divide places in the queue, not what all share,
 * cores above all: where backlogs take all of those, each of the two dozen steps of a single push waits for one. So the worker
 * watches how long after accept such pushes are tried. While that is more than twice as long as at its best, backlogs have small turns, and a
 * rest after each. See docs/adr/0009-backlogs-yield.md.
 */
export class Courtesy {
  /** Pushes a second of backlogs that may be handed over; Infinity: all that there is room for. */
  private pace = Infinity;
  /** The most that this worker settled in a second, while some send now and then. */
  private fullPace = 0;
  private slowedAt = -Infinity;
  private restUntil = -Infinity;
  private readonly backlogs: Record<DispatchLane, Set<Uuid>> = {
    small: new Set(),
    bulk: new Set(),
  };
  private late: number[] = [];
  private heardAt = -Infinity;
  private judgedAt: number;
  /** Since `judgedAt`. */
  private settled = 0;
  private hasBacklog = false;
  private readonly best: number[];
  private bestAt: number;

  constructor(private readonly options: CourtesyOptions) {
    this.judgedAt = this.bestAt = options.monotonicMs();
    this.best = [Infinity];
  }

  /** Pushes a second that backlogs are held to; Infinity when they are not. */
  get limit(): number {
    const isOver = this.options.monotonicMs() - this.heardAt > LASTS_MS;
    return isOver ? Infinity : this.pace;
  }

  /**
   * A push of somebody who sends now and then was tried.
   *
   * @param lateMs after it was accepted, by two clocks that need not agree: what counts is how much it grows.
   */
  onTried(lateMs: number): void {
    const now = this.options.monotonicMs();
    if (now - this.heardAt > LASTS_MS) this.forget(now);
    this.heardAt = now;
    this.late.push(lateMs);
    if (this.late.length < JUDGED) return;
    const middle = this.late.sort((a, b) => a - b)[JUDGED >> 1] ?? 0;
    this.late = [];
    this.judge(middle - this.bestWith(middle, now), now);
  }

  /** @param backlogs by credential, how many pushes a turn handed over that left others of it. */
  onTurn(lane: DispatchLane, backlogs: ReadonlyMap<Uuid, number>): void {
    if (backlogs.size === 0) return;
    const now = this.options.monotonicMs();
    if (now > this.restUntil + REMEMBERED_MS)
      for (const ids of Object.values(this.backlogs)) ids.clear();
    let pushes = 0;
    for (const [credentialId, count] of backlogs) {
      if (this.backlogs[lane].size < MAX_REMEMBERED) this.backlogs[lane].add(credentialId);
      pushes += count;
    }
    this.hasBacklog = true;
    const restUntil = Math.max(this.restUntil, now) + (pushes * 1_000) / this.limit;
    this.restUntil = Math.min(restUntil, now + MOST_REST_MS);
  }

  /** Of whomever: as many pushes had their end, or were put off. */
  onSettled(pushes: number): void {
    this.settled += pushes;
  }

  /** How long backlogs rest from now. Milliseconds. */
  get restMs(): number {
    return Math.max(this.restUntil - this.options.monotonicMs(), 0);
  }

  /** The credentials whose backlogs are held back, and how many of each a turn may hand over now. */
  get slowed(): Slowed {
    if (this.limit === Infinity) return NOBODY;
    const { small, bulk } = this.backlogs;
    return { small: [...small], bulk: [...bulk], most: this.restMs > 0 ? 0 : this.turn };
  }

  private get turn(): number {
    return Math.max(Math.round((this.pace * TURN_EVERY_MS) / 1_000), LEAST_TURN);
  }

  private judge(excessMs: number, now: number): void {
    const best = Math.min(...this.best);
    const pace = (this.settled * 1_000) / Math.max(now - this.judgedAt, 1);
    const { hasBacklog } = this;
    this.begin(now);
    this.fullPace = Math.max(this.fullPace, pace);
    if (excessMs <= Math.max(best, LEAST_EXCESS_MS)) {
      this.pace *= FASTER;
      if (this.pace >= this.fullPace) this.pace = Infinity;
    } else if (hasBacklog && this.fullPace > 0 && now - this.slowedAt >= SHOWS_AFTER_MS) {
      this.slowedAt = now;
      const slower =
        this.pace === Infinity
          ? this.fullPace * SLOWER_FIRST
          : Math.min(this.pace, this.fullPace) * SLOWER;
      this.pace = Math.max(slower, this.fullPace * LEAST_PACE);
    }
  }

  private forget(now: number): void {
    this.late = [];
    this.pace = Infinity;
    this.fullPace = 0;
    this.begin(now);
  }

  private begin(now: number): void {
    this.judgedAt = now;
    this.settled = 0;
    this.hasBacklog = false;
  }

  private bestWith(middle: number, now: number): number {
    if (now - this.bestAt >= BEST_EVERY_MS) {
      this.bestAt = now;
      this.best.push(Infinity);
      if (this.best.length > BEST_OF) this.best.shift();
    }
    const last = this.best.length - 1;
    this.best[last] = Math.min(this.best[last] ?? Infinity, middle);
    return Math.min(...this.best);
  }
}

const NOBODY: Slowed = { small: [], bulk: [], most: 0 };
