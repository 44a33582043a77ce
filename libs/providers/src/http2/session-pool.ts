import type { OutgoingHttpHeaders } from 'node:http2';
import type { SecureContext } from 'node:tls';
import type { Random } from '@app/domain';
import type { Exchange, Flight, NotSentReason } from './exchange.js';
import { invalidHeader } from './headers.js';
import { Session, isCertificateAlert } from './session.js';
import type { SessionOwner } from './session.js';
import type { Ticker, Ticking } from './ticker.js';

export interface PoolOptions {
  /** `https://host[:port]` */
  origin: string;
  secureContext?: SecureContext | undefined;
  maxSessions: number;
  maxStreamsPerSession: number;
  /** APNs: one stream until the peer has accepted who we are. */
  oneStreamUntilAnswered: boolean;
  /** Requests on streams at once, over all sessions: the credential's semaphore. */
  maxInFlight: number;
  /** Requests that may wait for a slot; a further one is answered at once. */
  maxWaiting: number;
  /** How long a request may wait for a slot. */
  slotWaitMs: number;
  requestTimeoutMs: number;
  connectTimeoutMs: number;
  pingIntervalMs: number;
  pingTimeoutMs: number;
  maxSessionAgeMs: number;
  /** In characters; longer answers are cut and their stream cancelled. */
  maxBodyLength: number;
}

export const poolDefaults = {
  maxWaiting: 20_000,
  slotWaitMs: 1_000,
  connectTimeoutMs: 10_000,
  maxSessionAgeMs: 3_600_000,
  maxBodyLength: 65_536,
} as const;

const MAX_RESENDS = 3;
const MAX_DEADLINES_IN_ROW = 3;
const CONNECT_BACKOFF = { baseMs: 500, capMs: 30_000 };

/**
 * The connections of one credential to one origin: finds a slot for each request, opens sessions
 * as they are needed, takes up again what was refused safely, and steps back while the peer cannot
 * be reached. Every request ends in one `Exchange`, at the latest shortly after its deadline.
 */
export class SessionPool implements Ticking {
  private readonly sessions = new Set<Session>();
  /** Refused safely elsewhere: these go first. */
  private resends: Flight[] = [];
  private waiting: Flight[] = [];
  private waitingHead = 0;
  private inFlight = 0;
  private connectFailures = 0;
  private retryConnectAt = 0;
  private lastFailure = '';
  private certificateRefused = false;
  private closing: Promise<void> | undefined;
  private onEmpty: (() => void) | undefined;
  private readonly owner: SessionOwner = {
    onSlots: () => this.pump(),
    onFlightEnd: (session, flight, exchange) => this.onFlightEnd(session, flight, exchange),
    onDraining: () => this.pump(),
    onDrained: (session) => this.stepBackFrom(session),
    onClosed: (session) => this.onClosed(session),
  };

  constructor(
    private readonly options: PoolOptions,
    private readonly ticker: Ticker,
    private readonly random: Random = Math.random,
  ) {}

  /**
   * Sends one POST and resolves when its stream has closed, or when it is sure that none will open.
   * It never rejects.
   *
   * @param headers all of them, pseudo-headers included; checked by RFC 9110 before use.
   * @param deadlineMs milliseconds from now, waiting for a slot included.
   */
  request(
    headers: OutgoingHttpHeaders,
    body: Buffer,
    deadlineMs: number = this.options.requestTimeoutMs,
  ): Promise<Exchange> {
    if (this.closing !== undefined) return Promise.resolve(this.notSent('closing'));
    const header = invalidHeader(headers);
    if (header !== undefined) return Promise.resolve({ kind: 'unsendable', header });
    return new Promise((resolve) => {
      const now = performance.now();
      this.place({
        headers,
        body,
        deadlineAt: now + deadlineMs,
        waitUntil: now + Math.min(this.options.slotWaitMs, deadlineMs),
        resends: 0,
        avoid: undefined,
        done: false,
        resolve,
      });
    });
  }

  /** Refuses new requests, lets those under way finish, resolves when no socket is left. */
  close(): Promise<void> {
    if (this.closing !== undefined) return this.closing;
    this.closing = new Promise((resolve) => {
      this.onEmpty = resolve;
    });
    this.settleWaiting(this.notSent('closing'));
    for (const session of this.sessions) session.drain();
    this.settleIfEmpty();
    this.updateTicker();
    return this.closing;
  }

  /** For metrics and tests. */
  stats(): { sessions: number; inFlight: number; waiting: number } {
    return {
      sessions: this.sessions.size,
      inFlight: this.inFlight,
      waiting: this.waiting.length - this.waitingHead + this.resends.length,
    };
  }

  tick(now: number): void {
    for (const session of this.sessions) session.tick(now);
    this.expireWaiting(now);
    this.pump();
    this.updateTicker();
  }

  private place(flight: Flight): void {
    const session = this.hasWaiting ? undefined : this.pick(flight);
    if (session !== undefined) {
      this.launch(session, flight);
      return;
    }
    if (this.isUnreachable) {
      this.settle(flight, this.unreachable());
      return;
    }
    if (this.waiting.length - this.waitingHead >= this.options.maxWaiting) {
      this.settle(flight, this.notSent('no-slot'));
      return;
    }
    this.waiting.push(flight);
    this.pump();
    this.updateTicker();
  }

  private launch(session: Session, flight: Flight): void {
    this.inFlight += 1;
    session.open(flight);
  }

  /** The session with most room, the one that refused this flight only if there is no other. */
  private pick(flight: Flight): Session | undefined {
    if (this.inFlight >= this.options.maxInFlight) return undefined;
    let best: Session | undefined;
    let avoided: Session | undefined;
    for (const session of this.sessions) {
      if (session.free <= 0) continue;
      if (session === flight.avoid) avoided = session;
      else if (best === undefined || session.free > best.free) best = session;
    }
    if (best !== undefined || avoided === undefined) return best;
    // Another session is on its way or may be opened: wait for that one.
    return this.isConnecting || this.mayConnect ? undefined : avoided;
  }

  /** Gives free slots to those who wait. */
  private pump(): void {
    if (this.resends.length > 0) {
      const again = this.resends;
      this.resends = [];
      for (const flight of again) {
        const session = this.pick(flight);
        if (session === undefined) this.resends.push(flight);
        else this.launch(session, flight);
      }
    }
    while (this.waitingHead < this.waiting.length) {
      const flight = this.waiting[this.waitingHead] as Flight;
      if (!flight.done) {
        const session = this.pick(flight);
        if (session === undefined) break;
        this.waitingHead += 1;
        this.launch(session, flight);
      } else {
        this.waitingHead += 1;
      }
    }
    this.compact();
    if (this.hasWaiting) this.grow();
  }

  /** Opens one more session when those that are there have shown that they are full. */
  private grow(): void {
    if (this.isConnecting || !this.mayConnect || this.inFlight >= this.options.maxInFlight) return;
    const avoided = this.resends[0]?.avoid;
    for (const session of this.sessions) {
      if (!session.isOpen || session === avoided) continue;
      // Until the peer has answered on this one, a second would only ask the same question.
      if (session.free > 0 || !session.isTrusted) return;
    }
    const { options } = this;
    this.sessions.add(
      new Session(
        {
          origin: options.origin,
          secureContext: options.secureContext,
          maxStreams: options.maxStreamsPerSession,
          oneStreamUntilAnswered: options.oneStreamUntilAnswered,
          connectTimeoutMs: options.connectTimeoutMs,
          pingIntervalMs: options.pingIntervalMs,
          pingTimeoutMs: options.pingTimeoutMs,
          // A fleet that started together must not reconnect together.
          maxAgeMs: options.maxSessionAgeMs * (1 - 0.2 * this.random()),
          maxDeadlinesInRow: MAX_DEADLINES_IN_ROW,
          maxBodyLength: options.maxBodyLength,
        },
        this.owner,
      ),
    );
    this.updateTicker();
  }

  private onFlightEnd(session: Session, flight: Flight, exchange: Exchange | 'refused'): void {
    this.inFlight -= 1;
    if (exchange === 'refused') {
      this.resend(session, flight);
    } else {
      if (exchange.kind === 'answered' && session.hasJustProven) this.connectFailures = 0;
      this.settle(flight, exchange);
    }
    if (this.hasWaiting) this.pump();
  }

  private resend(session: Session, flight: Flight): void {
    flight.resends += 1;
    flight.avoid = session;
    if (flight.resends > MAX_RESENDS || performance.now() >= flight.deadlineAt) {
      this.settle(flight, this.notSent('refused'));
    } else if (this.closing !== undefined) {
      this.settle(flight, this.notSent('closing'));
    } else {
      this.resends.push(flight);
    }
  }

  private onClosed(session: Session): void {
    this.sessions.delete(session);
    this.stepBackFrom(session);
    this.pump();
    this.settleIfEmpty();
    this.updateTicker();
  }

  /** Lets the next connection wait when this one came to nothing. */
  private stepBackFrom(session: Session): void {
    if (this.closing !== undefined || !session.takeFruitless()) return;
    this.certificateRefused = isCertificateAlert(session.error);
    this.lastFailure = session.error?.message ?? 'the peer closed the connection';
    const { baseMs, capMs } = CONNECT_BACKOFF;
    // A peer that was there and sent us away once is asked again at once, and only then waited for.
    const exponent = this.connectFailures - (session.wasReady ? 1 : 0);
    const ceiling = exponent < 0 ? 0 : Math.min(capMs, baseMs * 2 ** Math.min(exponent, 10));
    this.connectFailures += 1;
    this.retryConnectAt = performance.now() + ceiling * (1 - 0.2 * this.random());
    // As long as another session works, who waits may still get a slot there.
    if (this.isUnreachable) this.settleWaiting(this.unreachable());
  }

  private unreachable(): Exchange {
    return this.certificateRefused
      ? { kind: 'certificate-refused', message: this.lastFailure }
      : this.notSent('connect-failed');
  }

  private expireWaiting(now: number): void {
    for (let i = this.waitingHead; i < this.waiting.length; i += 1) {
      const flight = this.waiting[i] as Flight;
      if (!flight.done && now >= flight.waitUntil) this.settle(flight, this.notSent('no-slot'));
    }
    const expired = this.resends.filter((flight) => now >= flight.waitUntil);
    if (expired.length === 0) return;
    this.resends = this.resends.filter((flight) => now < flight.waitUntil);
    for (const flight of expired) this.settle(flight, this.notSent('refused'));
  }

  private settleWaiting(exchange: Exchange): void {
    const all = [...this.resends, ...this.waiting.slice(this.waitingHead)];
    this.resends = [];
    this.waiting = [];
    this.waitingHead = 0;
    for (const flight of all) if (!flight.done) this.settle(flight, exchange);
  }

  private settle(flight: Flight, exchange: Exchange): void {
    flight.done = true;
    flight.resolve(exchange);
  }

  private notSent(reason: NotSentReason): Exchange {
    switch (reason) {
      case 'no-slot':
        return {
          kind: 'not-sent',
          reason,
          message: 'No stream became free in time',
          afterMs: this.options.slotWaitMs,
        };
      case 'connect-failed': {
        const afterMs = Math.max(0, Math.ceil(this.retryConnectAt - performance.now()));
        const message = `The provider cannot be reached: ${this.lastFailure}`;
        return { kind: 'not-sent', reason, message, afterMs };
      }
      case 'refused':
        return {
          kind: 'not-sent',
          reason,
          message: 'The provider refused the stream each time',
          afterMs: 1_000,
        };
      case 'closing':
        return { kind: 'not-sent', reason, message: 'The transport is closing', afterMs: 0 };
    }
  }

  private get hasWaiting(): boolean {
    return this.waitingHead < this.waiting.length || this.resends.length > 0;
  }

  private get isConnecting(): boolean {
    for (const session of this.sessions) if (session.isConnecting) return true;
    return false;
  }

  /** Draining sessions do not count: they end within a deadline and their successor is needed. */
  private get mayConnect(): boolean {
    if (this.closing !== undefined || performance.now() < this.retryConnectAt) return false;
    let live = 0;
    for (const session of this.sessions) if (session.isOpen || session.isConnecting) live += 1;
    return live < this.options.maxSessions;
  }

  /** Stepping back from a peer that cannot be reached, and no other session to wait for. */
  private get isUnreachable(): boolean {
    if (performance.now() >= this.retryConnectAt) return false;
    for (const session of this.sessions) if (session.isOpen || session.isConnecting) return false;
    return true;
  }

  private compact(): void {
    if (this.waitingHead === this.waiting.length) {
      this.waiting = [];
      this.waitingHead = 0;
    } else if (this.waitingHead > 1_024 && this.waitingHead * 2 > this.waiting.length) {
      this.waiting = this.waiting.slice(this.waitingHead);
      this.waitingHead = 0;
    }
  }

  private updateTicker(): void {
    if (this.sessions.size > 0 || this.hasWaiting) this.ticker.add(this);
    else this.ticker.remove(this);
  }

  private settleIfEmpty(): void {
    if (this.closing !== undefined && this.sessions.size === 0) this.onEmpty?.();
  }
}
