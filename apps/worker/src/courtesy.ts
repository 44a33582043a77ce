import type { Uuid } from '@app/domain';
import type { PushSettlement } from '@app/persistence';

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
/** For so long the least pace did not help: nothing will. Milliseconds. */
const IN_VAIN_MS = 10_000;
/** It does not help while pushes are nearly as late as before anything was slowed. */
const NEARLY = 0.8;
/**
 * Who sent nothing for so long sends no more: backlogs need not wait. What is later than this waited for something else: a
 * pause, an outage, its turn behind a lost queue. Milliseconds.
 */
const LASTS_MS = 10_000;

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
  private mostSettled = new OfTheHour(Math.max, 0);
  private full = 0;
  /** How late pushes were when slowing began. Milliseconds. */
  private lateAtFirst = 0;
  private inVainMs = 0;
  private heardAt = -Infinity;

  /** The first push that is heard begins it. */
  private begunAt = -Infinity;
  private late: number[] = [];
  private tried = 0;
  private settled = 0;
  /** When the window began. */
  private hadBacklog = false;

  private best = new OfTheHour(Math.min, Infinity);

  constructor(private readonly options: CourtesyOptions) {}

  /** Pushes a second that backlogs are held to; Infinity when they are not. */
  get pace(): number {
    const isOver = this.options.monotonicMs() - this.heardAt > LASTS_MS;
    return isOver ? Infinity : this.found;
  }

  /** A push of somebody who sends now and then was tried, so many milliseconds after it was due. */
  onTried(lateMs: number): void {
    const now = this.options.monotonicMs();
    if (now - this.heardAt > LASTS_MS) this.beginAnew(now);
    this.heardAt = now;
    if (lateMs > LASTS_MS) return;
    this.late[this.tried++ % MOST_JUDGED] = lateMs;
    if (this.tried >= LEAST_JUDGED && now - this.begunAt >= WINDOW_MS) this.judge(now);
  }

  /** Of whomever: those count that were tried. What ends without, having expired say, takes next to nothing. */
  onCommitted(
    batch: readonly Pick<PushSettlement, 'id' | 'attempts'>[],
    changed: ReadonlySet<Uuid>,
  ): void {
    for (const { id, attempts } of batch)
      if (attempts.length > 0 && changed.has(id)) this.settled++;
  }

  private judge(now: number): void {
    const middle = this.late.sort((a, b) => a - b)[this.late.length >> 1] ?? 0;
    const best = this.best.with(middle, now);
    const isInTime = middle - best <= Math.max(best, LEAST_EXCESS_MS);
    const lastedMs = now - this.begunAt;
    const hasBacklog = this.options.hasBacklog();
    // What was settled when the backlog began or ended within the window says nothing of what can be.
    const isWhole = this.hadBacklog && hasBacklog;
    const settled = isWhole ? (this.settled * 1_000) / lastedMs : 0;
    // What is settled while backlogs are slowed says nothing of a full pace: the one of before is not forgotten meanwhile.
    const known = this.found === Infinity ? 0 : this.full;
    this.full = this.mostSettled.with(Math.max(settled, known), now);
    const { full } = this;
    const least = full * LEAST_PACE;
    if (isInTime || !(this.hadBacklog || hasBacklog)) {
      this.inVainMs = 0;
      this.found *= FASTER ** (Math.min(lastedMs, LASTS_MS) / 1_000);
      if (this.found >= full) this.found = Infinity;
    } else if (isWhole && full > 0) {
      const isInVain = this.found <= least && middle >= this.lateAtFirst * NEARLY;
      this.inVainMs = isInVain ? this.inVainMs + lastedMs : 0;
      if (this.inVainMs >= IN_VAIN_MS) this.giveUp(middle, now);
      else this.slowDown(middle, full);
    }
    this.found = Math.max(this.found, least);
    this.begin(now);
  }

  private slowDown(middle: number, full: number): void {
    if (this.found === Infinity) {
      this.lateAtFirst = middle;
      this.found = full * SLOWER_FIRST;
    } else this.found = Math.min(this.found, full) * SLOWER;
  }

  /** It is not the backlogs that make pushes late: this is as good as it gets now. */
  private giveUp(middle: number, now: number): void {
    this.inVainMs = 0;
    this.found = Infinity;
    this.best = new OfTheHour(Math.min, Infinity);
    this.best.with(middle, now);
  }

  private beginAnew(now: number): void {
    this.inVainMs = 0;
    this.found = Infinity;
    this.full = 0;
    this.mostSettled = new OfTheHour(Math.max, 0);
    this.begin(now);
  }

  private begin(now: number): void {
    this.begunAt = now;
    this.late = [];
    this.tried = 0;
    this.settled = 0;
    this.hadBacklog = this.options.hasBacklog();
  }
}

/** An hour is forgotten by sixths. */
const SIXTHS = 6;
const SIXTH_MS = 600_000;

/** The lowest or the highest of the values of the last hour. */
class OfTheHour {
  private readonly sixths: number[];
  private begunAt = -Infinity;

  constructor(
    private readonly pick: (...values: number[]) => number,
    private readonly none: number,
  ) {
    this.sixths = [none];
  }

  /** @returns what it is with one more value. */
  with(value: number, now: number): number {
    if (now - this.begunAt >= SIXTHS * SIXTH_MS) {
      this.sixths.splice(0, SIXTHS, this.none);
      this.begunAt = now;
    }
    for (; now - this.begunAt >= SIXTH_MS; this.begunAt += SIXTH_MS) {
      this.sixths.push(this.none);
      if (this.sixths.length > SIXTHS) this.sixths.shift();
    }
    const last = this.sixths.length - 1;
    this.sixths[last] = this.pick(this.sixths[last] ?? this.none, value);
    return this.pick(...this.sixths);
  }
}
