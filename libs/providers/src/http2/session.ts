import { constants, connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, Settings } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Connection, Exchange, Flight } from './exchange.js';
import { Heartbeat } from './heartbeat.js';
import { openStream } from './open-stream.js';
import { resetName } from './reset-codes.js';
import type { SessionOptions } from './session-options.js';
import { StreamRequest } from './stream-request.js';
import { connectTls, isCertificateAlert } from './tls-socket.js';

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

/** A drained session whose peer does not close gets this long. */
const CLOSE_GRACE_MS = 1_000;

/**
 * One HTTP/2 connection. It knows how many streams it may open, hands each request back when its
 * stream has closed, and dies loudly when the peer falls silent.
 *
 * States: connecting → open → draining → closed; any of them may go straight to closed.
 */
export class Session implements Connection {
  private readonly socket: TLSSocket;
  private readonly http2: ClientHttp2Session;
  private readonly heartbeat: Heartbeat;
  private readonly active = new Set<StreamRequest>();
  private readonly startedAt = performance.now();
  private peerMaxStreams = 0;
  private ready = false;
  private draining = false;
  private drainedAt = 0;
  private lastStreamId: number | undefined;
  private deadlinesInRow = 0;
  /** Monotonic milliseconds. */
  private lastAnswerAt = -Infinity;
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
    this.trusted = !options.oneStreamUntilAnswered;
    // The socket is ours, not the session's: only so can a connection whose peer has vanished be
    // destroyed at once in every state.
    this.socket = connectTls(options.origin, options.secureContext);
    const onError = (error: NodeJS.ErrnoException) => (this.lastError ??= error);
    this.socket.on('error', onError);
    this.socket.once('close', () => this.onSocketClose());
    this.http2 = connectHttp2(options.origin, {
      createConnection: () => this.socket,
      settings: { enablePush: false },
      maxSessionMemory: 32,
    });
    this.http2.on('error', onError);
    this.http2.on('remoteSettings', (settings: Settings) => this.onSettings(settings));
    this.http2.on('goaway', (_code: number, lastStreamId: number) => {
      this.lastStreamId = lastStreamId;
      this.startDraining();
    });
    this.http2.on('close', () => this.socket.destroy());
    this.heartbeat = new Heartbeat(this.http2, options.pingIntervalMs, options.pingTimeoutMs);
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
    const limit = Math.min(this.options.maxStreams, this.peerMaxStreams);
    return (this.trusted ? limit : Math.min(limit, 1)) - this.active.size;
  }

  /** Why the connection ended, when the network said so. */
  get error(): NodeJS.ErrnoException | undefined {
    return this.lastError;
  }

  /** Puts one request on the wire; only with `free > 0`. Ends in exactly one `onFlightEnd`. */
  open(flight: Flight): void {
    let stream: ClientHttp2Stream;
    try {
      stream = openStream(this.http2, flight.headers);
    } catch (error) {
      this.onRequestThrew(flight, error as NodeJS.ErrnoException);
      return;
    }
    const { maxBodyLength } = this.options;
    this.active.add(new StreamRequest(flight, stream, maxBodyLength, this.onStreamClose));
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
    // The session follows when the socket has closed. Destroyed both at once with a stream open, Node 24 keeps a handle
    // that never closes: a process that comes to its end by itself spins in its clean-up for ever.
    this.socket.destroy();
  }

  tick(now: number): void {
    if (this.closed) return;
    if (this.isConnecting) {
      if (now - this.startedAt >= this.options.connectTimeoutMs) this.destroy('connect timed out');
      return;
    }
    for (const request of this.active) {
      // Slow requests among answered ones say nothing about the connection.
      if (request.tick(now) && request.openedAt >= this.lastAnswerAt) this.deadlinesInRow += 1;
    }
    if (this.deadlinesInRow >= this.options.maxDeadlinesInRow) {
      this.destroy(`${this.deadlinesInRow} requests in a row got no answer`);
    } else if (!this.heartbeat.beat(now)) {
      this.destroy('no answer to a ping');
    } else {
      if (now >= this.startedAt + this.options.maxAgeMs) this.drain();
      const isOver = this.drainedAt !== 0 && now - this.drainedAt >= CLOSE_GRACE_MS;
      if (isOver) this.destroy('the peer did not close');
    }
  }

  private readonly onStreamClose = (request: StreamRequest): void => {
    this.active.delete(request);
    const exchange = this.exchangeOf(request);
    // First, so that the pool knows of a fruitless session before it looks for the next one.
    if (this.draining) this.closeWhenDrained();
    this.owner.onFlightEnd(this, request.flight, exchange);
    if (this.socketGone) this.finish();
  };

  private onSettings(settings: Settings): void {
    this.peerMaxStreams = settings.maxConcurrentStreams ?? Number.MAX_SAFE_INTEGER;
    if (!this.ready) {
      this.ready = true;
      this.heartbeat.start(performance.now());
    }
    if (this.isOpen) this.owner.onSlots();
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
      default: {
        const header = error.code ?? error.message;
        this.owner.onFlightEnd(this, flight, { kind: 'unsendable', header });
      }
    }
  }

  private exchangeOf(request: StreamRequest): Exchange | 'refused' {
    const answer = request.answerOn(this);
    if (answer === undefined) return this.unanswered(request);
    this.answers += 1;
    this.deadlinesInRow = 0;
    this.lastAnswerAt = performance.now();
    // 403 is how APNs refuses a certificate or token; everything else came after it said yes.
    if (answer.status !== constants.HTTP_STATUS_FORBIDDEN) this.trusted = true;
    return answer;
  }

  /** Whatever may have reached the peer's application is `lost`, never anything milder. */
  private unanswered(request: StreamRequest): Exchange | 'refused' {
    const { started } = request;
    const lost = (reason: string, message: string): Exchange => {
      return { kind: 'lost', reason, message, ...started };
    };
    if (request.isCancelled) return lost('deadline', 'No answer in time');
    if (started === undefined) {
      // Who has been answered on this connection was let in: then an alert takes nothing back.
      if (this.answers === 0 && isCertificateAlert(this.lastError)) {
        return { kind: 'certificate-refused', message: this.lastError?.message ?? '' };
      }
      if (request.wasRefused(this.lastStreamId)) return 'refused';
    }
    if (this.lastError !== undefined || this.socket.destroyed || this.http2.destroyed) {
      const detail = this.lastError?.message ?? 'the peer closed the connection';
      return lost('connection-lost', `Connection lost: ${detail}`);
    }
    const name = resetName(request.resetCode);
    return lost(`RST_${name}`, `The peer reset the stream: ${name}`);
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
    for (const request of this.active) request.destroy();
    setImmediate(() => this.finish());
  }

  private finish(): void {
    if (this.closed || this.active.size > 0) return;
    this.closed = true;
    this.owner.onClosed(this);
  }
}
