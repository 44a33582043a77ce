import {
  DISPATCH_LANES,
  NOBODY_SLOWED,
  type DispatchLane,
  type Slowed,
  type SlowedInLane,
  type Turns,
} from '@app/persistence';
import type { Uuid } from '@app/domain';

export interface BacklogsOptions {
  /** Milliseconds on any clock that is never set. */
  monotonicMs: () => number;
  /** Pushes a second that all backlogs together may be handed over at; Infinity: all that there is room for. */
  pace: () => number;
}

/** A slowed lane has small turns; smaller ones than this cost more for each push than they spare. Milliseconds, pushes. */
const TURN_EVERY_MS = 100;
const LEAST_TURN = 50;
/** Nothing rests longer, however slow the pace. Milliseconds. */
const MOST_REST_MS = 1_000;
/** What had more than its turn took is a backlog for so long after the rest that followed. Milliseconds. */
const REMEMBERED_MS = 2_000;
/** Credentials a lane; each look at the database names them. */
const MAX_REMEMBERED = 500;

interface Lane {
  /** Until when each is a backlog unless a turn leaves some of it again; the one that ends first comes first. */
  until: Map<Uuid, number>;
  restUntil: number;
}

/**
 * The credentials of which turns left some, lane by lane, and how much less of a turn they get while they are held to a pace:
 * small turns, and after each a rest of the lane that those turns are to be paid with. See docs/adr/0009-backlogs-yield.md.
 */
export class Backlogs {
  private readonly lanes: Record<DispatchLane, Lane> = {
    small: { until: new Map(), restUntil: -Infinity },
    bulk: { until: new Map(), restUntil: -Infinity },
  };

  constructor(private readonly options: BacklogsOptions) {}

  /** Whether there is one in any lane. */
  get exist(): boolean {
    return DISPATCH_LANES.some((lane) => this.in(lane).size > 0);
  }

  /** A turn was taken. What it took of those that were backlogs before is what their lane rests for. */
  onTurn(lane: DispatchLane, { counts, backlogs }: Pick<Turns, 'counts' | 'backlogs'>): void {
    const its = this.lanes[lane];
    const known = this.in(lane);
    let pushes = 0;
    for (const [credentialId, count] of counts) if (known.has(credentialId)) pushes += count;
    const now = this.options.monotonicMs();
    const restMs = pushes === 0 ? 0 : (pushes * 1_000) / this.paceOf(lane);
    its.restUntil = Math.min(Math.max(its.restUntil, now) + restMs, now + MOST_REST_MS);
    for (const credentialId of counts.keys()) {
      known.delete(credentialId);
      if (backlogs.has(credentialId) && known.size < MAX_REMEMBERED)
        known.set(credentialId, its.restUntil + REMEMBERED_MS);
    }
  }

  /** How long a lane's backlogs rest from now. Milliseconds. */
  restMs(lane: DispatchLane): number {
    if (this.options.pace() === Infinity) return 0;
    return Math.max(this.lanes[lane].restUntil - this.options.monotonicMs(), 0);
  }

  /** What a turn may take now of the backlogs of each lane. */
  get slowed(): Slowed {
    if (this.options.pace() === Infinity) return NOBODY_SLOWED;
    return { small: this.slowedIn('small'), bulk: this.slowedIn('bulk') };
  }

  private slowedIn(lane: DispatchLane): SlowedInLane {
    const credentialIds = [...this.in(lane).keys()];
    if (credentialIds.length === 0) return NOBODY_SLOWED[lane];
    if (this.restMs(lane) > 0) return { credentialIds, most: 0 };
    const turn = Math.max((this.paceOf(lane) * TURN_EVERY_MS) / 1_000, LEAST_TURN);
    return { credentialIds, most: Math.max(Math.round(turn / credentialIds.length), 1) };
  }

  /** Lanes with a backlog have equal parts of the pace. */
  private paceOf(lane: DispatchLane): number {
    const isAlone = DISPATCH_LANES.every((other) => other === lane || this.in(other).size === 0);
    return isAlone ? this.options.pace() : this.options.pace() / DISPATCH_LANES.length;
  }

  /** Without those whose time is over. */
  private in(lane: DispatchLane): Map<Uuid, number> {
    const { until } = this.lanes[lane];
    const now = this.options.monotonicMs();
    for (const [credentialId, end] of until) {
      if (end >= now) break;
      until.delete(credentialId);
    }
    return until;
  }
}
