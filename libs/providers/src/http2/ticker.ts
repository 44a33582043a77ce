/** Whatever wants to look at the time now and then. */
export interface Ticking {
  /** @param now milliseconds of the monotonic clock, as `performance.now()`. */
  tick(now: number): void;
}

/**
 * One coarse timer for every deadline, ping and age of all pools: no timer is made per request.
 * It runs only while somebody is registered, so an idle process is not kept alive by it.
 */
export class Ticker {
  private readonly members = new Set<Ticking>();
  private timer: NodeJS.Timeout | undefined;

  /** @param periodMs how late a deadline may be noticed. */
  constructor(private readonly periodMs = 50) {}

  add(member: Ticking): void {
    this.members.add(member);
    this.timer ??= setInterval(this.run, this.periodMs);
  }

  remove(member: Ticking): void {
    if (this.members.delete(member) && this.members.size === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
    }
  }

  /** True while the timer runs; for tests that look for leaks. */
  get running(): boolean {
    return this.timer !== undefined;
  }

  // After a stall of the event loop the answers that lie in the sockets must be read before
  // anybody is declared late: timers run before I/O, immediates after it.
  private readonly run = (): void => {
    setImmediate(() => {
      const now = performance.now();
      for (const member of this.members) member.tick(now);
    });
  };
}
