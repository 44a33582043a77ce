import { TooManyRequests } from '@app/domain';
import type { RateLimitStore } from '@app/queue';
import { LRUCache } from 'lru-cache';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

const MAX_CALLERS = 10_000;

/**
 * So many points a second and caller, over all processes. No request waits for the store: this process
 * counts in its own memory, and tells the store behind the request's back, one message a caller on its way
 * and the rest collected until it is back. When the store says that all processes together have used the
 * second up, the caller is refused until the next one. So the limit may be overstepped by what comes within
 * one round trip, and a store that is away costs nothing: each process then counts for itself.
 */
export class RateLimit {
  private readonly own: RateLimiterMemory;
  /** Until when the store wants a caller refused, by the clock. */
  private readonly refused: LRUCache<string, number>;
  private readonly untold = new Map<string, number>();
  private readonly telling = new Set<string>();

  constructor(
    private readonly name: string,
    private readonly perSecond: number,
    private readonly store: RateLimitStore,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.own = new RateLimiterMemory({ points: perSecond, duration: 1, keyPrefix: name });
    this.refused = new LRUCache({ max: MAX_CALLERS });
  }

  /** @throws TooManyRequests */
  async charge(caller: string, points: number): Promise<void> {
    const leftMs = (this.refused.get(caller) ?? 0) - this.nowMs();
    if (leftMs > 0) this.refuse(leftMs);
    try {
      await this.own.consume(caller, points);
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      this.refuse(error.msBeforeNext);
    }
    this.untold.set(caller, (this.untold.get(caller) ?? 0) + points);
    if (!this.telling.has(caller)) void this.tell(caller);
  }

  private async tell(caller: string): Promise<void> {
    this.telling.add(caller);
    for (let points; (points = this.untold.get(caller)) !== undefined;) {
      this.untold.delete(caller);
      try {
        const waitMs = await this.store.consume(caller, points);
        if (waitMs > 0) this.refused.set(caller, this.nowMs() + waitMs);
      } catch {
        // Away: what this process counts holds until it is back.
      }
    }
    this.telling.delete(caller);
  }

  private refuse(waitMs: number): never {
    throw new TooManyRequests(
      `More than ${this.perSecond} ${this.name} a second.`,
      Math.max(1, Math.ceil(waitMs / 1_000)),
    );
  }
}
