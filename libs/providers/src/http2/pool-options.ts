import type { SecureContext } from 'node:tls';

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
