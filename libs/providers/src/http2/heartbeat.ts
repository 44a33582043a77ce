import type { ClientHttp2Session } from 'node:http2';

/** Pings the peer of one session, to notice when packets vanish while TCP stays open. */
export class Heartbeat {
  private sentAt = 0;
  private lastAt = 0;

  /**
   * A dead peer is noticed at the latest after `intervalMs` + `timeoutMs` and one tick: with the
   * defaults of 30 s and 5 s, inside 40 s.
   */
  constructor(
    private readonly http2: ClientHttp2Session,
    private readonly intervalMs: number,
    private readonly timeoutMs: number,
  ) {}

  /** The connection works as of `now`: the first ping is due one interval later. */
  start(now: number): void {
    this.lastAt = now;
  }

  /** Sends a ping when one is due. @returns false when the last one has had no answer in time. */
  beat(now: number): boolean {
    if (this.sentAt !== 0) return now - this.sentAt < this.timeoutMs;
    if (this.http2.destroyed || now - this.lastAt < this.intervalMs) return true;
    this.lastAt = now;
    this.sentAt = now;
    this.http2.ping((error) => {
      if (error === null) this.sentAt = 0;
    });
    return true;
  }
}
