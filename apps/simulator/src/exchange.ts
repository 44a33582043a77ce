import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Connection } from './connection.js';
import type { ResetCode } from './rules.js';

export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body?: string;
  /** A word for the ledger; absent when the push was accepted. */
  reason?: string;
}

/** One request, whole, and the ways to end it; the same over HTTP/2 and HTTP/1.1. */
export interface Exchange {
  readonly connection: Connection;
  readonly method: string;
  /** As sent, with its query if it has one. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The body did not fit; `text()` is its beginning. */
  readonly truncated: boolean;
  text(): string;
  /** The caller has gone, or it was answered: ending it again does nothing. */
  readonly over: boolean;
  /** Called once, when `reply` has sent an answer. */
  answered: (() => void) | undefined;
  reply(reply: Reply): void;
  /** RST_STREAM; HTTP/1.1 knows nothing gentler than a closed connection. */
  reset(code: ResetCode | 'refuse'): void;
  /**
   * GOAWAY that leaves this request out: the peer may safely send it elsewhere.
   *
   * @returns false where that cannot be said: HTTP/1.1, the first stream of a session, and when a
   *   later request has been looked at already.
   */
  disown(): boolean;
}

/** Bodies beyond this are read to their end but not kept: nothing valid is near it. */
const MAX_BODY = 1_048_576;

const resetCodes: Record<ResetCode | 'refuse', number> = {
  cancel: constants.NGHTTP2_CANCEL,
  internal: constants.NGHTTP2_INTERNAL_ERROR,
  protocol: constants.NGHTTP2_PROTOCOL_ERROR,
  refuse: constants.NGHTTP2_REFUSED_STREAM,
};

/** Collects a body without copying when, as nearly always, it comes in one piece. */
class Body {
  truncated = false;
  private first: Buffer | undefined;
  private rest: Buffer[] | undefined;
  private bytes = 0;
  private decoded: string | undefined;

  add(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.bytes > MAX_BODY) this.truncated = true;
    else if (this.first === undefined) this.first = chunk;
    else (this.rest ??= []).push(chunk);
  }

  text(): string {
    if (this.decoded !== undefined) return this.decoded;
    const whole =
      this.first !== undefined && this.rest !== undefined
        ? Buffer.concat([this.first, ...this.rest])
        : this.first;
    // The chunk may be a view of a whole TLS record: let go of it.
    this.first = undefined;
    this.rest = undefined;
    this.decoded = whole?.toString('utf8') ?? '';
    return this.decoded;
  }
}

export class Http2Exchange implements Exchange {
  readonly method: string;
  readonly path: string;
  answered: (() => void) | undefined;
  private readonly body = new Body();

  constructor(
    readonly connection: Connection,
    private readonly stream: ServerHttp2Stream,
    readonly headers: IncomingHttpHeaders,
    handle: (exchange: Exchange) => void,
  ) {
    this.method = String(headers[':method']);
    this.path = String(headers[':path']);
    stream.on('data', (chunk: Buffer) => {
      this.body.add(chunk);
    });
    stream.on('end', () => {
      if (connection.admits(stream.id ?? 0)) handle(this);
    });
    // A peer that resets its stream has nobody left to tell.
    stream.on('error', ignore);
  }

  get truncated(): boolean {
    return this.body.truncated;
  }

  get over(): boolean {
    return this.stream.closed || this.stream.destroyed || this.stream.headersSent;
  }

  text(): string {
    return this.body.text();
  }

  reply(reply: Reply): void {
    if (this.over) return;
    const headers: OutgoingHttpHeaders = { ':status': reply.status, ...reply.headers };
    if (reply.body === undefined) {
      this.stream.respond(headers, { endStream: true });
    } else {
      this.stream.respond(headers);
      this.stream.end(reply.body);
    }
    this.answered?.();
  }

  reset(code: ResetCode | 'refuse'): void {
    if (!this.over) this.stream.close(resetCodes[code]);
  }

  disown(): boolean {
    const { session, id } = this.stream;
    // Node takes a last-stream-id of 0 as "the latest", so the first stream cannot be left out.
    if (session === undefined || session.destroyed || id === undefined || id <= 1) return false;
    if (this.connection.highest > id) return false;
    session.goaway(constants.NGHTTP2_NO_ERROR, id - 2);
    this.connection.leave(id - 2);
    return true;
  }
}

export class Http1Exchange implements Exchange {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  answered: (() => void) | undefined;
  private readonly body = new Body();

  constructor(
    readonly connection: Connection,
    request: IncomingMessage,
    private readonly response: ServerResponse,
    handle: (exchange: Exchange) => void,
  ) {
    this.method = request.method ?? '';
    this.path = request.url ?? '';
    this.headers = request.headers;
    request.on('data', (chunk: Buffer) => {
      this.body.add(chunk);
    });
    request.on('end', () => {
      handle(this);
    });
    request.on('error', ignore);
    response.on('error', ignore);
  }

  get truncated(): boolean {
    return this.body.truncated;
  }

  get over(): boolean {
    return this.response.headersSent || this.response.destroyed;
  }

  text(): string {
    return this.body.text();
  }

  reply(reply: Reply): void {
    if (this.over) return;
    this.response.writeHead(reply.status, reply.headers);
    this.response.end(reply.body);
    this.answered?.();
  }

  reset(): void {
    this.response.destroy();
  }

  disown(): boolean {
    return false;
  }
}

function ignore(): void {}
