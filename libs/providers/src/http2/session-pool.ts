import type { Random } from '@app/domain';
import { ConnectBackoff } from './connect-backoff.js';
import type { Exchange, Flight, NotSentReason } from './exchange.js';
import { FlightLimit } from './flight-limit.js';
import type { Waiter } from './flight-limit.js';
import { invalidHeader } from './headers.js';
import type { HeaderList } from './headers.js';
import { notSent } from './not-sent.js';
import type { PoolOptions } from './pool-options.js';
import type { SessionOwner } from './session.js';
import { SessionSet } from './session-set.js';
import { Session } from './session.js';
import type { Ticker, Ticking } from './ticker.js';
import { isCertificateAlert } from './tls-socket.js';
import { WaitingLine } from './waiting-line.js';

const MAX_RESENDS = 3;
const MAX_DEADLINES_IN_ROW = 3;

/**
 * The connections of one credential to one origin: finds a slot for each request, opens sessions
 * as they are needed, takes up again what was refused safely, and steps back while the peer cannot
 * be reached. Every request ends in one `Exchange`, at the latest shortly after its deadline.
 */
export class SessionPool implements Ticking, Waiter {
  private readonly sessions = new SessionSet();
  private readonly line = new WaitingLine();
  private readonly backoff: ConnectBackoff;
  private inFlight = 0;
  /** Frozen headers that were checked last: who sends the same ones again sends what was checked. */
  private sendable: HeaderList | undefined;
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
    private readonly everybody = new FlightLimit(),
  ) {
    this.backoff = new ConnectBackoff(random);
  }

  /**
   * Sends one POST and resolves when its stream has closed, or when it is sure that none will open.
   * It never rejects.
   *
   * @param headers pseudo-headers included; checked by RFC 9110 before use; a frozen list that is sent again
   *   and again once only.
   * @param deadlineMs milliseconds from now, waiting for a slot included.
   * @param more headers of this request alone, after those.
   */
  request(
    headers: HeaderList,
    body: Buffer,
    deadlineMs: number = this.options.requestTimeoutMs,
    more: HeaderList = [],
  ): Promise<Exchange> {
    if (this.closing !== undefined) return Promise.resolve(this.notSent('closing'));
    const isChecked = headers === this.sendable;
    const header = (isChecked ? undefined : invalidHeader(headers)) ?? invalidHeader(more);
    if (header !== undefined) return Promise.resolve({ kind: 'unsendable', header });
    if (!isChecked && Object.isFrozen(headers)) this.sendable = headers;
    return new Promise((resolve) => {
      const now = performance.now();
      this.place({
        headers: more.length === 0 ? headers : [...headers, ...more],
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
    this.sendable = undefined;
    this.settleWaiting(this.notSent('closing'));
    this.everybody.leave(this);
    this.sessions.drain();
    this.settleIfEmpty();
    this.updateTicker();
    return this.closing;
  }

  /**
   * As `close`, at once: what is on a stream ends as lost, for the peer may act on it, and what waits for one
   * as not sent.
   */
  giveUp(): void {
    void this.close();
    this.sessions.destroy('given up, Fanfare is stopping');
  }

  /** For metrics and tests. */
  stats(): { sessions: number; inFlight: number; waiting: number } {
    return { sessions: this.sessions.size, inFlight: this.inFlight, waiting: this.line.length };
  }

  tick(now: number): void {
    this.sessions.tick(now);
    const expired = this.line.takeExpired(now);
    for (const flight of expired.waiting) this.settle(flight, this.notSent('no-slot'));
    for (const flight of expired.refused) this.settle(flight, this.notSent('refused'));
    this.pump();
    this.updateTicker();
  }

  onRoom(): void {
    this.pump();
  }

  private place(flight: Flight): void {
    const session = this.line.isEmpty ? this.pick(flight) : undefined;
    if (session !== undefined) {
      this.launch(session, flight);
    } else if (this.isUnreachable) {
      this.settle(flight, this.unreachable());
    } else if (this.line.ordinary >= this.options.maxWaiting) {
      this.settle(flight, this.notSent('no-slot'));
    } else {
      this.line.push(flight);
      this.pump();
      this.updateTicker();
    }
  }

  private launch(session: Session, flight: Flight): void {
    // A process that was stopped wakes up with events first and the ticker later: what its caller has
    // given up may belong to somebody else by now.
    if (performance.now() >= flight.deadlineAt) {
      this.settle(flight, this.notSent('no-slot'));
      return;
    }
    this.inFlight += 1;
    this.everybody.take();
    session.open(flight);
  }

  /** The session with most room, the one that refused this flight only if there is no other. */
  private pick(flight: Flight): Session | undefined {
    if (this.inFlight >= this.options.maxInFlight) return undefined;
    if (!this.everybody.hasRoom) {
      this.everybody.wait(this);
      return undefined;
    }
    const { best, avoided } = this.sessions.withRoom(flight.avoid);
    if (best !== undefined || avoided === undefined) return best;
    // Another session is on its way or may be opened: wait for that one.
    return this.sessions.isConnecting || this.mayConnect ? undefined : avoided;
  }

  /** Gives free slots to those who wait. */
  private pump(): void {
    this.line.offer(
      (flight) => this.pick(flight),
      (session, flight) => this.launch(session, flight),
    );
    if (!this.line.isEmpty) this.grow();
  }

  /** Opens one more session when those that are there have shown that they are full. */
  private grow(): void {
    if (!this.mayConnect || this.sessions.isConnecting) return;
    if (this.inFlight >= this.options.maxInFlight || !this.everybody.hasRoom) return;
    if (!this.sessions.areFull(this.line.firstRefused?.avoid)) return;
    const { maxStreamsPerSession: maxStreams, maxSessionAgeMs, secureContext } = this.options;
    // A fleet that started together must not reconnect together.
    const maxAgeMs = maxSessionAgeMs * (1 - 0.2 * this.random());
    const more = { maxStreams, maxAgeMs, maxDeadlinesInRow: MAX_DEADLINES_IN_ROW };
    this.sessions.add(new Session({ ...this.options, secureContext, ...more }, this.owner));
    this.updateTicker();
  }

  private onFlightEnd(session: Session, flight: Flight, exchange: Exchange | 'refused'): void {
    this.inFlight -= 1;
    if (exchange === 'refused') {
      this.resend(session, flight);
    } else {
      if (exchange.kind === 'answered' && session.hasJustProven) this.backoff.reset();
      this.settle(flight, exchange);
    }
    this.everybody.release();
    if (!this.line.isEmpty) this.pump();
  }

  private resend(session: Session, flight: Flight): void {
    const now = performance.now();
    flight.resends += 1;
    flight.avoid = session;
    if (flight.resends > MAX_RESENDS || now >= flight.deadlineAt) {
      this.settle(flight, this.notSent('refused'));
    } else if (this.closing !== undefined) {
      this.settle(flight, this.notSent('closing'));
    } else {
      // It may have been on its stream for long: it waits for the next one anew.
      flight.waitUntil = Math.min(now + this.options.slotWaitMs, flight.deadlineAt);
      this.line.pushRefused(flight);
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
    const { error, wasReady } = session;
    const why = error?.message ?? 'the peer closed the connection';
    this.backoff.fail(performance.now(), wasReady, why, isCertificateAlert(error));
    // As long as another session works, who waits may still get a slot there.
    if (this.isUnreachable) this.settleWaiting(this.unreachable());
  }

  private unreachable(): Exchange {
    const { certificateRefused, lastFailure } = this.backoff;
    return certificateRefused
      ? { kind: 'certificate-refused', message: lastFailure }
      : this.notSent('connect-failed');
  }

  private settleWaiting(exchange: Exchange): void {
    for (const flight of this.line.takeAll()) this.settle(flight, exchange);
  }

  private settle(flight: Flight, exchange: Exchange): void {
    flight.done = true;
    flight.resolve(exchange);
  }

  private notSent(reason: NotSentReason): Exchange {
    return notSent(reason, this.options.slotWaitMs, this.backoff);
  }

  private get mayConnect(): boolean {
    if (this.closing !== undefined || this.backoff.isWaiting(performance.now())) return false;
    return this.sessions.live < this.options.maxSessions;
  }

  /** Stepping back from a peer that cannot be reached, and no other session to wait for. */
  private get isUnreachable(): boolean {
    return this.backoff.isWaiting(performance.now()) && this.sessions.live === 0;
  }

  private updateTicker(): void {
    if (this.sessions.size > 0 || !this.line.isEmpty) this.ticker.add(this);
    else this.ticker.remove(this);
  }

  private settleIfEmpty(): void {
    if (this.closing !== undefined && this.sessions.size === 0) this.onEmpty?.();
  }
}
