import type { ServerHttp2Session } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { ServerName } from './behaviour.js';

/** The client certificate of a connection, as far as APNs cares. */
export interface ClientCertificate {
  /** Signed by the simulator's CA and inside its dates. */
  trusted: boolean;
  /** Bundle id, from the subject's UID. */
  topic: string | undefined;
}

const PROBE_MS = 1_000;

/** One TLS connection to one of the servers. */
export class Connection {
  readonly openedAt = Date.now();
  /** Requests that came on it, and the most that were under way at once. */
  requests = 0;
  active = 0;
  peak = 0;
  /** APNs: the team whose tokens this connection carries. */
  team: string | undefined;
  private greeted = false;
  private leaving = false;
  private lastStream = Number.POSITIVE_INFINITY;
  private highestStream = 0;
  private peer: ClientCertificate | null | undefined;

  constructor(
    readonly id: number,
    readonly server: ServerName,
    readonly protocol: 'h2' | 'http/1.1',
    private readonly socket: TLSSocket,
    readonly session: ServerHttp2Session | undefined,
  ) {}

  /** Counts a request until `end` is called. */
  begin(): void {
    this.requests += 1;
    this.active += 1;
    if (this.active > this.peak) this.peak = this.active;
  }

  end(): void {
    this.active -= 1;
    // Streams above the GOAWAY's last one close while it is being written: let it go out first.
    if (this.leaving && this.active === 0) setImmediate(() => this.socket.destroySoon());
  }

  /**
   * After a GOAWAY: the socket ends with its last stream. (Node's `session.close()` would send a
   * second GOAWAY with a higher last stream, which is a protocol error.)
   */
  leave(lastStream: number): void {
    this.leaving = true;
    this.lastStream = lastStream;
  }

  /** Ends the connection of a peer that has gone. */
  probe(): void {
    if (this.session === undefined || this.session.destroyed) return;
    const timer = setTimeout(() => this.socket.destroy(), PROBE_MS).unref();
    this.session.ping((error) => {
      if (error === null) clearTimeout(timer);
    });
  }

  /** GOAWAY after the requests that are here; nothing when one has been said. */
  sayGoodbye(): void {
    if (!this.leaving) this.session?.close();
  }

  /**
   * Whether a request may be looked at: what lies above the GOAWAY's last stream will be sent again
   * elsewhere, so whoever looks at it here delivers it twice.
   */
  admits(stream: number): boolean {
    if (stream > this.lastStream) return false;
    if (stream > this.highestStream) this.highestStream = stream;
    return true;
  }

  /** The highest stream that was looked at: a GOAWAY may not leave that out any more. */
  get highest(): number {
    return this.highestStream;
  }

  /** Null when the client showed none. */
  get certificate(): ClientCertificate | null {
    if (this.peer === undefined) {
      const shown = this.socket.getPeerCertificate();
      if (Object.keys(shown).length === 0) this.peer = null;
      else {
        const subject: Record<string, unknown> = { ...shown.subject };
        const topic = subject['UID'];
        this.peer = {
          trusted: this.socket.authorized,
          topic: typeof topic === 'string' ? topic : undefined,
        };
      }
    }
    return this.peer;
  }

  /** After the first authenticated request: the stream limit rises from one to the usual. */
  greet(maxConcurrentStreams: number): void {
    if (this.greeted) return;
    this.greeted = true;
    this.allow(maxConcurrentStreams);
  }

  get authenticated(): boolean {
    return this.greeted;
  }

  allow(maxConcurrentStreams: number): void {
    if (this.session === undefined || this.session.destroyed || this.session.closed) return;
    this.session.settings({ maxConcurrentStreams });
  }
}
