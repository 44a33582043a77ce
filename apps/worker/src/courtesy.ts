export interface CourtesyOptions {
  /** Milliseconds on any clock that is never set. */
  monotonicMs: () => number;
  /** Whether something is left after its turn. */
  hasBacklog: () => boolean;
}

/** Judged together: pushes of so long, and so many at least. Milliseconds. */
const WINDOW_MS = 1_000;
const LEAST_JUDGED = 5;
/** Of more than that the last ones. */
const MOST_JUDGED = 100;
/** Up to twice as late as the best, or this much later, is in time. Milliseconds. */
const LEAST_EXCESS_MS = 20;
/** To how much those that are late slow backlogs down, first and later; those in time let them go on so much faster. */
const SLOWER_FIRST = 0.5;
const SLOWER = 0.75;
const FASTER = 1.2;
/** What backlogs keep of the most that this worker settled: whoever is late, they go on. */
const LEAST_PACE = 1 / 8;
/** So many windows at the least pace did not help: nothing will. */
const MOST_IN_VAIN = 10;
/**
 * Who sent nothing for so long sends no more: backlogs need not wait. What is later than this waited for something else: a
 * pause, an outage, its turn behind a lost queue. Milliseconds.
 */
const LASTS_MS = 10_000;
/** The best is that of an hour, forgotten by sixths. */
const BEST_OF = 6;
const BEST_EVERY_MS = 600_000;

/**
 * Backlogs yield to those who send a push now and then. Windows and turns divide places in the queue, not what all share,
 * cores above all: where backlogs take all of those, each of the two dozen steps of a single push waits for one. So the worker
 * watches how long after they were due such pushes are tried. While that is more than twice as long as at its best, it holds
 * `Backlogs` to a pace. See docs/adr/0009-backlogs-yield.md.
 */
export class Courtesy {
  /** Pushes a second; Infinity: all that there is room for. */
  private found = Infinity;
  /** The most that this worker settled in a second, while some send now and then and others have a backlog. */
  private fullPace = 0;
  private inVain = 0;
  private heardAt = -Infinity;

  private begunAt: number;
  private late: number[] = [];
  private tried = 0;
  private settled = 0;
  /** When the window began. */
  private hadBacklog = false;

  private best = [Infinity];
  private bestAt: number;

  constructor(private readonly options: CourtesyOptions) {
    this.begunAt = this.bestAt = options.monotonicMs();
  }

  /** Pushes a second that backlogs are held to; Infinity when they are not. */
  get pace(): number {
    const isOver = this.options.monotonicMs() - this.heardAt > LASTS_MS;
    return isOver ? Infinity : this.found;
  }

  /** A push of somebody who sends now and then was tried, so many milliseconds after it was due. */
  onTried(lateMs: number): void {
    if (lateMs > LASTS_MS) return;
    const now = this.options.monotonicMs();
    if (now - this.heardAt > LASTS_MS) this.beginAnew(now);
    this.heardAt = now;
    this.late[this.tried++ % MOST_JUDGED] = lateMs;
    if (this.tried >= LEAST_JUDGED && now - this.begunAt >= WINDOW_MS) this.judge(now);
  }

  /** Of whomever: as many pushes had their end, or were put off. */
  onSettled(pushes: number): void {
    this.settled += pushes;
  }

  private judge(now: number): void {
    const middle = this.late.sort((a, b) => a - b)[this.late.length >> 1] ?? 0;
    const best = this.bestWith(middle, now);
    const isInTime = middle - best <= Math.max(best, LEAST_EXCESS_MS);
    // What was settled when the backlog began or ended within the window says nothing of what can be.
    const hasBacklog = this.hadBacklog && this.options.hasBacklog();
    if (hasBacklog) {
      const pace = (this.settled * 1_000) / (now - this.begunAt);
      this.fullPace = Math.max(this.fullPace, pace);
    }
    const least = this.fullPace * LEAST_PACE;
    if (isInTime) {
      this.inVain = 0;
      this.found *= FASTER;
      if (this.found >= this.fullPace) this.found = Infinity;
    } else if (hasBacklog && this.fullPace > 0) {
      this.inVain = this.found <= least ? this.inVain + 1 : 0;
      if (this.inVain >= MOST_IN_VAIN) this.giveUp(middle, now);
      else if (this.found === Infinity) this.found = this.fullPace * SLOWER_FIRST;
      else this.found = Math.min(this.found, this.fullPace) * SLOWER;
    }
    this.found = Math.max(this.found, least);
    this.begin(now);
  }

  /** It is not the backlogs that make pushes late: this is as good as it gets now. */
  private giveUp(middle: number, now: number): void {
    this.inVain = 0;
    this.found = Infinity;
    this.best = [middle];
    this.bestAt = now;
  }

  private beginAnew(now: number): void {
    this.inVain = 0;
    this.found = Infinity;
    this.fullPace = 0;
    this.begin(now);
  }

  private begin(now: number): void {
    this.begunAt = now;
    this.late = [];
    this.tried = 0;
    this.settled = 0;
    this.hadBacklog = this.options.hasBacklog();
  }

  private bestWith(middle: number, now: number): number {
    for (; now - this.bestAt >= BEST_EVERY_MS; this.bestAt += BEST_EVERY_MS) {
      this.best.push(Infinity);
      if (this.best.length > BEST_OF) this.best.shift();
    }
    const last = this.best.length - 1;
    this.best[last] = Math.min(this.best[last] ?? Infinity, middle);
    return Math.min(...this.best);
  }
}
