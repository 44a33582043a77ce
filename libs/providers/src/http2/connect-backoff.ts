import type { Random } from '@app/domain';

const BACKOFF = { baseMs: 500, capMs: 30_000 };

/** How long a pool leaves a peer alone that it could not reach, and why it could not. */
export class ConnectBackoff {
  private failures = 0;
  private retryAt = 0;
  /** Why the last connection came to nothing. */
  lastFailure = '';
  certificateRefused = false;

  constructor(private readonly random: Random) {}

  /** @param now monotonic milliseconds, here and below. */
  isWaiting(now: number): boolean {
    return now < this.retryAt;
  }

  /** Whole milliseconds until the next connection may be tried. */
  leftMs(now: number): number {
    return Math.max(0, Math.ceil(this.retryAt - now));
  }

  /** The peer has answered: the next failure is the first one again. */
  reset(): void {
    this.failures = 0;
  }

  /**
   * A connection ended without one answer.
   *
   * @param wasReady it got as far as the peer's SETTINGS.
   */
  fail(now: number, wasReady: boolean, why: string, certificateRefused: boolean): void {
    this.certificateRefused = certificateRefused;
    this.lastFailure = why;
    // A peer that was there and sent us away once is asked again at once, and only then waited for.
    const exponent = this.failures - (wasReady ? 1 : 0);
    const ceiling =
      exponent < 0 ? 0 : Math.min(BACKOFF.capMs, BACKOFF.baseMs * 2 ** Math.min(exponent, 10));
    this.failures += 1;
    this.retryAt = now + ceiling * (1 - 0.2 * this.random());
  }
}
