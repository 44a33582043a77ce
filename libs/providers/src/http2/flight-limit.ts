/** Somebody who found no room and wants to hear of some. */
export interface Waiter {
  /** There is room; take it now or leave it to the next. */
  onRoom(): void;
}

/**
 * The semaphore of all credentials together: so many requests on the wire at once in this process.
 * Who waits for room is told in turn, so that one busy credential cannot keep it all.
 */
export class FlightLimit {
  private readonly waiters = new Set<Waiter>();
  private taken = 0;

  constructor(private readonly max: number = Number.POSITIVE_INFINITY) {}

  get hasRoom(): boolean {
    return this.taken < this.max;
  }

  /** Only with `hasRoom`; each `take` is followed by one `release`. */
  take(): void {
    this.taken += 1;
  }

  release(): void {
    this.taken -= 1;
    if (this.waiters.size === 0) return;
    // Each is asked once: who could not use the room now waits for something else.
    for (const waiter of this.waiters) {
      if (!this.hasRoom) return;
      this.waiters.delete(waiter);
      waiter.onRoom();
    }
  }

  /** Tells `waiter` once, when there is room and its turn has come. */
  wait(waiter: Waiter): void {
    this.waiters.add(waiter);
  }

  /** It does not want to hear any more. */
  leave(waiter: Waiter): void {
    this.waiters.delete(waiter);
  }

  /** For metrics and tests. */
  get stats(): { inFlight: number; waiters: number } {
    return { inFlight: this.taken, waiters: this.waiters.size };
  }
}
