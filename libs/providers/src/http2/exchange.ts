import type { IncomingHttpHeaders } from 'node:http2';
import type { HeaderList } from './headers.js';

/** The connection behind an answer, as far as anybody but the transport may care. */
export interface Connection {
  /** Streams that may be opened now. */
  readonly free: number;
  /** Opens no more streams; closes when those under way are done. */
  drain(): void;
}

/** What became of one request. A value, never an exception. */
export type Exchange = Answered | Lost | NotSent | Unsendable | CertificateRefused;

/** The whole answer arrived. */
export interface Answered {
  kind: 'answered';
  status: number;
  headers: IncomingHttpHeaders;
  /** UTF-8, cut at the transport's cap. */
  body: string;
  /** To drain when the answer says that this connection is over. */
  connection: Connection;
}

/** The headers went out and no whole answer came back: the peer may have acted on it. */
export interface Lost {
  kind: 'lost';
  /** `deadline`, `connection-lost` or `RST_` and the HTTP/2 error code. */
  reason: string;
  message: string;
  /** When the head of the answer arrived but not its end. */
  status?: number;
  headers?: IncomingHttpHeaders;
}

export type NotSentReason = 'no-slot' | 'connect-failed' | 'refused' | 'closing';

/** Nothing reached the peer's application: sending again is safe. */
export interface NotSent {
  kind: 'not-sent';
  reason: NotSentReason;
  message: string;
  /** Milliseconds after which a new try makes sense. */
  afterMs: number;
}

/** A header does not follow RFC 9110; no stream was opened. */
export interface Unsendable {
  kind: 'unsendable';
  /** Name of the header. */
  header: string;
}

/** The peer's TLS stack turned our client certificate down. */
export interface CertificateRefused {
  kind: 'certificate-refused';
  message: string;
}

/** One request on its way: waiting for a slot, then on a stream. Internal to the transport. */
export interface Flight {
  readonly headers: HeaderList;
  readonly body: Buffer;
  /** Monotonic milliseconds. */
  readonly deadlineAt: number;
  /** While no slot is found: when to give up. */
  waitUntil: number;
  /** How often it was refused safely and taken up again. */
  resends: number;
  /** The connection that refused it; another one is tried first. */
  avoid: Connection | undefined;
  done: boolean;
  readonly resolve: (exchange: Exchange) => void;
}
