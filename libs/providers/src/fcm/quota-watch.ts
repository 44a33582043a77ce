/**
 * Tells one busy device from a project that is out of quota: FCM answers both with 429
 * QUOTA_EXCEEDED. When it comes for three different tokens within ten seconds, it is the project.
 */
export class QuotaWatch {
  private readonly seen = new Map<string, number>();

  constructor(
    private readonly distinct = 3,
    private readonly windowMs = 10_000,
  ) {}

  /**
   * Notes a 429 for this token.
   *
   * @param now milliseconds, monotonic.
   * @returns true when the whole credential must wait.
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
}
