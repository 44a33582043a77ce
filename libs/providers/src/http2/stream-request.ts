import { constants } from 'node:http2';
import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import type { Answered, Connection, Flight } from './exchange.js';

/** After a deadline the stream gets this long to close by its RST_STREAM, then it is torn down. */
const CANCEL_GRACE_MS = 250;

/**
 * One request on its stream. It collects the answer, cancels at the deadline, and ends on the
 * stream's `close` and on nothing earlier: an `end`, an `error` or a reset may still be followed by
 * something that says more.
 */
export class StreamRequest {
  private head: IncomingHttpHeaders | undefined;
  private whole = false;
  private chunks: Buffer[] | undefined;
  private body: Buffer | undefined;
  private length = 0;
  private cancelledAt = 0;
  /** Monotonic milliseconds. */
  readonly openedAt = performance.now();

  /**
   * @param maxBodyLength in bytes; a longer body is cut and its stream cancelled.
   * @param onClose called once.
   */
  constructor(
    readonly flight: Flight,
    private readonly stream: ClientHttp2Stream,
    private readonly maxBodyLength: number,
    onClose: (request: StreamRequest) => void,
  ) {
    stream.on('response', (headers, flags) => {
      this.head = headers;
      if ((flags & constants.NGHTTP2_FLAG_END_STREAM) === 0) this.readBody();
      else this.onEnd();
    });
    // The close that follows every error is what counts.
    stream.on('error', ignore);
    // A stream closes once: `once` would only wrap the listener.
    stream.on('close', () => onClose(this));
    stream.end(flight.body);
  }

  /** Not before the head is here: an answer without a body, as APNs accepts with, needs none of this. */
  private readBody(): void {
    const { stream, maxBodyLength } = this;
    stream.on('data', (chunk: Buffer) => {
      this.length += chunk.length;
      if (this.length <= maxBodyLength) {
        // Nearly all come whole, in one chunk.
        if (this.body === undefined) this.body = chunk;
        else (this.chunks ??= [this.body]).push(chunk);
      } else if (!this.whole) {
        // The head has told what happened; nobody's error body is that long.
        this.whole = true;
        stream.close(constants.NGHTTP2_CANCEL);
      }
    });
    // In front of Node's own listener, which destroys the stream when it has closed already.
    stream.prependListener('end', () => this.onEnd());
  }

  private onEnd(): void {
    // A reset also ends the readable side, but with its code set; so does a connection that is
    // gone, but with the stream destroyed.
    const { rstCode, destroyed } = this.stream;
    if (rstCode === constants.NGHTTP2_NO_ERROR && !destroyed && !this.isCancelled)
      this.whole = true;
  }

  /** The whole answer; undefined while it is not here, and when it never came. */
  answerOn(connection: Connection): Answered | undefined {
    const { head } = this;
    if (!this.whole || head === undefined) return undefined;
    const body = this.chunks === undefined ? this.body : Buffer.concat(this.chunks);
    return {
      kind: 'answered',
      status: statusOf(head),
      headers: head,
      body: body?.toString() ?? '',
      connection,
    };
  }

  /** The head of an answer, whatever became of the rest. */
  get started(): { status: number; headers: IncomingHttpHeaders } | undefined {
    const { head } = this;
    return head && { status: statusOf(head), headers: head };
  }

  /** Its deadline came first. */
  get isCancelled(): boolean {
    return this.cancelledAt !== 0;
  }

  get resetCode(): number {
    return this.stream.rstCode ?? constants.NGHTTP2_NO_ERROR;
  }

  /**
   * Refused before any processing, by RFC 9113 sections 6.8 and 8.7.
   *
   * @param lastStreamId of the peer's GOAWAY, if it sent one.
   */
  wasRefused(lastStreamId: number | undefined): boolean {
    if (this.stream.id === undefined) return true;
    if (this.stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) return true;
    return lastStreamId !== undefined && this.stream.id > lastStreamId;
  }

  /** @returns true when the deadline has just come and the stream was cancelled. */
  tick(now: number): boolean {
    if (this.isCancelled) {
      // A socket that takes no more bytes never sends the RST_STREAM, so no close would come.
      if (now - this.cancelledAt >= CANCEL_GRACE_MS) this.stream.destroy();
      return false;
    }
    if (now < this.flight.deadlineAt) return false;
    this.cancelledAt = now;
    this.stream.close(constants.NGHTTP2_CANCEL);
    return true;
  }

  /** The socket is gone: the stream closes without another word. */
  destroy(): void {
    this.stream.destroy();
  }
}

/** Node makes a number of it, which its type does not say. */
const statusOf = (head: IncomingHttpHeaders): number => head[':status'] as unknown as number;

function ignore(): void {}
