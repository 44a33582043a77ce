import type { SecureContext } from 'node:tls';

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
