import { constants, connect as connectHttp2 } from 'node:http2';
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  IncomingHttpHeaders,
  Settings,
} from 'node:http2';
import { connect as connectTls } from 'node:tls';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { Connection, Exchange, Flight } from './exchange.js';

export interface SessionOptions {
  /** `https://host[:port]` */
  origin: string;
  secureContext: SecureContext | undefined;
  /** Our own ceiling; the peer's SETTINGS may lower it at any time. */
  maxStreams: number;
  /** APNs: one stream only until the peer has accepted who we are. */
  oneStreamUntilAnswered: boolean;
  connectTimeoutMs: number;
  pingIntervalMs: number;
  pingTimeoutMs: number;
  /** The session opens no stream once it is this old. */
  maxAgeMs: number;
  /** So many requests without an answer, one after the other, and the session is destroyed. */
  maxDeadlinesInRow: number;
  /** In characters; a longer body is cut and its stream cancelled. */
  maxBodyLength: number;
}

/** What a session tells its pool. */
export interface SessionOwner {
  /** Streams may be opened now, or more of them than before. */
  onSlots(): void;
  /** A request ended: settled, or refused in a way that makes sending it again safe. */
  onFlightEnd(session: Session, flight: Flight, exchange: Exchange | 'refused'): void;
  /** No new streams here any more; what is under way goes on. */
  onDraining(session: Session): void;
  /** Draining, and the last request has ended. */
  onDrained(session: Session): void;
  /** The socket is gone and every request of the session has been handed back. */
  onClosed(session: Session): void;
}

const CODE_NAMES = new Map<number, string>(
  (
    [
      'NO_ERROR',
      'PROTOCOL_ERROR',
      'INTERNAL_ERROR',
      'FLOW_CONTROL_ERROR',
      'SETTINGS_TIMEOUT',
      'STREAM_CLOSED',
      'FRAME_SIZE_ERROR',
      'REFUSED_STREAM',
      'CANCEL',
      'COMPRESSION_ERROR',
      'CONNECT_ERROR',
      'ENHANCE_YOUR_CALM',
      'INADEQUATE_SECURITY',
      'HTTP_1_1_REQUIRED',
    ] as const
  ).map((name) => [constants[`NGHTTP2_${name}`], name]),
);

/** After a deadline the stream gets this long to close by its RST_STREAM, then it is torn down. */
const CANCEL_GRACE_MS = 250;
/** A drained session whose peer does not close gets this long. */
const CLOSE_GRACE_MS = 1_000;
/** A request on its stream. */
interface Active {
  flight: Flight;
  stream: ClientHttp2Stream;
  /** When the deadline cancelled it; 0 = not yet. */
  cancelledAt: number;
}

/**
 * One HTTP/2 connection. It knows how many streams it may open, settles each request on its
 * stream's `close` and nothing earlier, and dies loudly when the peer falls silent.
 *
 * States: connecting → open → draining → closed; any of them may go straight to closed.
 */
export class Session implements Connection {
  private readonly socket: TLSSocket;
  private readonly http2: ClientHttp2Session;
  private readonly active = new Set<Active>();
  private readonly startedAt = performance.now();
  private readonly expiresAt: number;
  private peerMaxStreams = 0;
  private ready = false;
  private draining = false;
  private drainedAt = 0;
  private goneAway: { code: number; lastStreamId: number } | undefined;
  private pingSentAt = 0;
  private lastPingAt = 0;
  private deadlinesInRow = 0;
  private answers = 0;
  private trusted: boolean;
  private lastError: NodeJS.ErrnoException | undefined;
  private endedByUs = false;
  private fruitlessTaken = false;
  private socketGone = false;
  private closed = false;

  constructor(
    private readonly options: SessionOptions,
    private readonly owner: SessionOwner,
  ) {
    this.expiresAt = this.startedAt + options.maxAgeMs;
    this.trusted = !options.oneStreamUntilAnswered;
    const url = new URL(options.origin);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    // The socket is ours, not the session's: only so can a connection whose peer has vanished be
    // destroyed at once in every state.
    this.socket = connectTls({
      host,
      port: url.port === '' ? 443 : Number(url.port),
      servername: /^[\d.]+$|:/.test(host) ? '' : host,
      ALPNProtocols: ['h2'],
      minVersion: 'TLSv1.2',
      // Whatever the environment says: bearer tokens go through here.
      rejectUnauthorized: true,
      ...(options.secureContext === undefined ? {} : { secureContext: options.secureContext }),
    });
    this.socket.setNoDelay(true);
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.lastError ??= error;
    });
    this.socket.once('close', () => this.onSocketClose());
    this.http2 = connectHttp2(options.origin, {
      createConnection: () => this.socket,
      settings: { enablePush: false },
      maxSessionMemory: 32,
    });
    this.http2.on('error', (error: NodeJS.ErrnoException) => {
      this.lastError ??= error;
    });
    this.http2.on('remoteSettings', (settings: Settings) => this.onSettings(settings));
    this.http2.on('goaway', (code: number, lastStreamId: number) =>
      this.onGoaway(code, lastStreamId),
    );
    this.http2.on('close', () => this.socket.destroy());
  }

  get isConnecting(): boolean {
    return !this.ready && !this.draining && !this.closed;
  }

  get isOpen(): boolean {
    return this.ready && !this.draining && !this.closed;
  }

  /** True, and once only, when the peer ended it without one answer. */
  takeFruitless(): boolean {
    if (this.answers > 0 || this.endedByUs || this.fruitlessTaken) return false;
    this.fruitlessTaken = true;
    return true;
  }

  /** False for a peer that never got as far as its SETTINGS. */
  get wasReady(): boolean {
    return this.ready;
  }

  /** True for a first answer: the peer is really there. */
  get hasJustProven(): boolean {
    return this.answers === 1;
  }

  /** False while only one stream is allowed because nobody has answered yet. */
  get isTrusted(): boolean {
    return this.trusted;
  }

  /** Streams that may be opened now. */
  get free(): number {
    if (!this.isOpen) return 0;
    return this.limit - this.active.size;
  }

  get inFlight(): number {
    return this.active.size;
  }

  /** Why the connection ended, when the network said so. */
  get error(): NodeJS.ErrnoException | undefined {
    return this.lastError;
  }

  /** Puts one request on the wire; only with `free > 0`. Ends in exactly one `onFlightEnd`. */
  open(flight: Flight): void {
    let stream: ClientHttp2Stream;
    try {
      stream = this.http2.request(flight.headers, { endStream: false });
    } catch (error) {
      this.onRequestThrew(flight, error as NodeJS.ErrnoException);
      return;
    }
    const active: Active = { flight, stream, cancelledAt: 0 };
    this.active.add(active);

    let head: IncomingHttpHeaders | undefined;
    let whole = false;
    let body = '';
    let length = 0;
    stream.on('response', (headers) => {
      head = headers;
    });
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      length += chunk.length;
      if (length <= this.options.maxBodyLength) {
        body += chunk;
      } else if (!whole) {
        // The head has told what happened; nobody's error body is that long.
        whole = true;
        stream.close(constants.NGHTTP2_CANCEL);
      }
    });
    stream.on('end', () => {
      // A reset also ends the readable side, but with its code set.
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR && active.cancelledAt === 0) whole = true;
    });
    // The close that follows every error is what counts.
    stream.on('error', () => {});
    stream.once('close', () => {
      this.active.delete(active);
      const exchange =
        whole && head !== undefined
          ? this.answered(head, body)
          : this.unanswered(stream, active, head);
      // First, so that the pool knows of a fruitless session before it looks for the next one.
      if (this.draining) this.closeWhenDrained();
      this.owner.onFlightEnd(this, flight, exchange);
      if (this.socketGone) this.finish();
    });
    stream.end(flight.body);
  }

  /** Opens no more streams; closes when those under way are done. */
  drain(): void {
    this.endedByUs = true;
    this.startDraining();
  }

  /** Ends the connection now; what was on it ends as lost. */
  destroy(why: string): void {
    if (this.closed) return;
    this.lastError ??= new Error(why);
    this.draining = true;
    this.http2.destroy();
    this.socket.destroy();
  }

  tick(now: number): void {
    if (this.closed) return;
    if (this.isConnecting) {
      if (now - this.startedAt >= this.options.connectTimeoutMs) this.destroy('connect timed out');
      return;
    }
    this.cancelOverdue(now);
    if (this.deadlinesInRow >= this.options.maxDeadlinesInRow) {
      this.destroy(`${this.deadlinesInRow} requests in a row got no answer`);
      return;
    }
    this.ping(now);
    if (now >= this.expiresAt) this.drain();
    if (this.drainedAt !== 0 && now - this.drainedAt >= CLOSE_GRACE_MS) {
      this.destroy('the peer did not close');
    }
  }

  private get limit(): number {
    const limit = Math.min(this.options.maxStreams, this.peerMaxStreams);
    return this.trusted ? limit : Math.min(limit, 1);
  }

  private cancelOverdue(now: number): void {
    for (const active of this.active) {
      if (active.cancelledAt !== 0) {
        // A socket that takes no more bytes never sends the RST_STREAM, so no close would come.
        if (now - active.cancelledAt >= CANCEL_GRACE_MS) active.stream.destroy();
      } else if (now >= active.flight.deadlineAt) {
        active.cancelledAt = now;
        this.deadlinesInRow += 1;
        active.stream.close(constants.NGHTTP2_CANCEL);
      }
    }
  }

  private ping(now: number): void {
    if (this.pingSentAt !== 0) {
      if (now - this.pingSentAt >= this.options.pingTimeoutMs) this.destroy('no answer to a ping');
      return;
    }
    if (this.http2.destroyed || now - this.lastPingAt < this.options.pingIntervalMs) return;
    this.lastPingAt = now;
    this.pingSentAt = now;
    this.http2.ping((error) => {
      if (error === null) this.pingSentAt = 0;
    });
  }

  private onSettings(settings: Settings): void {
    this.peerMaxStreams = settings.maxConcurrentStreams ?? Number.MAX_SAFE_INTEGER;
    if (!this.ready) {
      this.ready = true;
      this.lastPingAt = performance.now();
    }
    if (this.isOpen) this.owner.onSlots();
  }

  private onGoaway(code: number, lastStreamId: number): void {
    this.goneAway = { code, lastStreamId };
    this.startDraining();
  }

  private onRequestThrew(flight: Flight, error: NodeJS.ErrnoException): void {
    switch (error.code) {
      // The session ended between two events; nothing of this request was written.
      case 'ERR_HTTP2_GOAWAY_SESSION':
      case 'ERR_HTTP2_INVALID_SESSION':
      case 'ERR_HTTP2_OUT_OF_STREAMS':
        this.startDraining();
        this.owner.onFlightEnd(this, flight, 'refused');
        return;
      default:
        this.owner.onFlightEnd(this, flight, {
          kind: 'unsendable',
          header: error.code ?? error.message,
        });
    }
  }

  private answered(head: IncomingHttpHeaders, body: string): Exchange {
    const status = head[':status'] as unknown as number;
    this.answers += 1;
    this.deadlinesInRow = 0;
    // 403 is how APNs refuses a certificate or token; everything else came after it said yes.
    if (status !== constants.HTTP_STATUS_FORBIDDEN) this.trusted = true;
    return { kind: 'answered', status, headers: head, body, connection: this };
  }

  private unanswered(
    stream: ClientHttp2Stream,
    active: Active,
    head: IncomingHttpHeaders | undefined,
  ): Exchange | 'refused' {
    const started = head && { status: head[':status'] as unknown as number, headers: head };
    if (active.cancelledAt !== 0) {
      return { kind: 'lost', reason: 'deadline', message: 'No answer in time', ...started };
    }
    if (started === undefined) {
      if (isCertificateAlert(this.lastError)) {
        return { kind: 'certificate-refused', message: this.lastError?.message ?? '' };
      }
      if (this.wasRefused(stream)) return 'refused';
    }
    if (this.lastError !== undefined || this.socket.destroyed || this.http2.destroyed) {
      const detail = this.lastError?.message ?? 'the peer closed the connection';
      const message = `Connection lost: ${detail}`;
      return { kind: 'lost', reason: 'connection-lost', message, ...started };
    }
    const code = stream.rstCode ?? constants.NGHTTP2_NO_ERROR;
    const name = CODE_NAMES.get(code) ?? String(code);
    const message = `The peer reset the stream: ${name}`;
    return { kind: 'lost', reason: `RST_${name}`, message, ...started };
  }

  /** Refused before any processing, by RFC 9113 sections 6.8 and 8.7. */
  private wasRefused(stream: ClientHttp2Stream): boolean {
    if (stream.id === undefined) return true;
    if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) return true;
    return this.goneAway !== undefined && stream.id > this.goneAway.lastStreamId;
  }

  private startDraining(): void {
    if (this.draining || this.closed) return;
    this.draining = true;
    this.owner.onDraining(this);
    this.closeWhenDrained();
  }

  private closeWhenDrained(): void {
    if (this.active.size > 0 || this.drainedAt !== 0 || this.socketGone) return;
    this.drainedAt = performance.now();
    this.owner.onDrained(this);
    if (!this.ready) this.destroy('closed while connecting');
    else if (!this.http2.closed) this.http2.close();
  }

  private onSocketClose(): void {
    this.socketGone = true;
    this.draining = true;
    // Destroys the streams that are left; each reports its own close.
    if (!this.http2.destroyed) this.http2.destroy();
    for (const { stream } of this.active) stream.destroy();
    setImmediate(() => this.finish());
  }

  private finish(): void {
    if (this.closed || this.active.size > 0) return;
    this.closed = true;
    this.owner.onClosed(this);
  }
}

/** The peer's TLS stack refused the certificate that we showed, in or just after the handshake. */
export function isCertificateAlert(error: NodeJS.ErrnoException | undefined): boolean {
  return /^ERR_SSL_.*ALERT_(.*CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/.test(error?.code ?? '');
}
