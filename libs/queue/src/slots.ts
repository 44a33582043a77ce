/** Lets so many pieces of work run at once; the others wait their turn, the oldest first. */
export class Slots {
  private free: number;
  private readonly first: (() => void)[] = [];
  private readonly waiting: (() => void)[] = [];

  constructor(count: number) {
    this.free = count;
  }

  /**
   * Resolves when a slot is the caller's, who gives it back by `release`.
   *
   * @param goesFirst before all that wait and do not.
   */
  take(goesFirst = false): Promise<void> {
    if (this.free > 0) {
      this.free--;
      return Promise.resolve();
    }
    return new Promise((resolve) => (goesFirst ? this.first : this.waiting).push(resolve));
  }

  /** Hands it to whoever waits longest, of those that go first if there are any. */
  release(): void {
    const next = this.first.shift() ?? this.waiting.shift();
    if (next === undefined) this.free++;
    else next();
  }
}
