/**
 * Tells an answer to one push from one to everything of its credential, where a provider has the same
 * words for both: when it comes for three different tokens within a while, it is the credential.
 */
export class DistinctWatch {
  private readonly seen = new Map<string, number>();

  constructor(
    private readonly windowMs = 10_000,
    private readonly distinct = 3,
  ) {}

  /**
   * Notes such an answer for this token.
   *
   * @param now milliseconds, monotonic.
   * @returns true when the whole credential is meant.
   */
  note(token: string, now: number): boolean {
    this.seen.delete(token);
    this.seen.set(token, now);
    for (const [other, at] of this.seen) {
      // Oldest first. No more than the last few are ever needed.
      if (now - at <= this.windowMs && this.seen.size <= this.distinct) break;
      this.seen.delete(other);
    }
    return this.seen.size >= this.distinct;
  }

  /** A push was taken: what was noted before was about those pushes. */
  reset(): void {
    this.seen.clear();
  }
}
