import type { SecureContext } from 'node:tls';
import type { Exchange, Flight } from './exchange.js';
import type { Session } from './session.js';

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
