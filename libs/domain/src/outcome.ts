/**
 * What a provider's answer means for one push: a closed set that says what to do next.
 * An answer is a value, never an exception. Adapters map a vendor's words to an outcome in their
 * `outcomes.ts`; `settle` is the only place that switches on `kind`.
 */
export type Outcome =
  | AcceptedOutcome
  | UnregisteredOutcome
  | InvalidTokenOutcome
  | PayloadOutcome
  | CredentialOutcome
  | RetryOutcome
  | UnknownOutcome
  | NotSentOutcome;

/** The provider's own words, cleaned of nothing yet; `reason` is its shortest stable name. */
export interface Answer {
  /** HTTP status; absent when no response head arrived. */
  status?: number;
  /** Vendor reason such as `UNREGISTERED` or `BadDeviceToken`, or ours such as `deadline`. */
  reason: string;
  /** Human-readable detail. Never contains a device token or a secret. */
  message: string;
}

/** The provider took the message. */
export interface AcceptedOutcome {
  kind: 'accepted';
  /** FCM: the message `name`. APNs: the `apns-id`. */
  providerMessageId: string;
}

/** The token is dead: a registered one is retired, if it was registered before `since`. */
export interface UnregisteredOutcome extends Answer {
  kind: 'unregistered';
  /** APNs' `timestamp`: when the token stopped being valid. */
  since?: Date;
}

/** The token does not fit this App or environment. FAILED, but nothing is retired. */
export interface InvalidTokenOutcome extends Answer {
  kind: 'invalid-token';
}

/** The message itself is at fault and would be refused again. */
export interface PayloadOutcome extends Answer {
  kind: 'payload';
  /** More exact than the general failure when known. */
  failure?: 'PAYLOAD_TOO_LARGE' | 'LIQUID_RENDER' | 'THIRD_PARTY_AUTH';
}

/** The failure came before anything of the push had left: a token endpoint, a TLS handshake. */
interface Unsent {
  unsent?: true;
}

/** The credential is refused; it waits, the push keeps its attempts. */
export interface CredentialOutcome extends Answer, Unsent {
  kind: 'credential';
  /**
   * The answer may be to this push alone: it waits by itself. Absent: it cannot depend on the push,
   * or three different ones heard it, and everything of the credential waits.
   */
  suspect?: true;
}

/** Try again later; one attempt is counted, unless nothing had left. */
export interface RetryOutcome extends Answer, Unsent {
  kind: 'retry';
  /** Whether the wait concerns this device alone or everything of the credential. */
  scope: 'device' | 'credential';
  /** The provider's own wish (Retry-After) in milliseconds; 0 = at once. Absent: back off. */
  afterMs?: number;
  /** Decides when `afterMs` is absent. */
  backoff: Backoff;
}

/** Exponential back-off with full jitter; see `backoffMs`. */
export interface Backoff {
  /** Never sooner: the first interval where the provider names one, else 0. ADR 7. */
  leastMs: number;
  baseMs: number;
  capMs: number;
}

/** Everything of a credential waits; part of the settlement of the push that heard why. */
export interface Pause {
  /**
   * `refused`: it does not work. `slowed`: it works, but less is wanted of it (429, 503), and its window is halved.
   * `held`: its provider was not even asked, since its token endpoint has to be waited for.
   */
  kind: 'refused' | 'slowed' | 'held';
  /** The provider's own wish in milliseconds, a little longer; null: back off. */
  afterMs: number | null;
  backoff: Backoff;
  /** In [0, 1), for the back-off. */
  jitter: number;
  /** The provider's words. */
  reason: string;
}

/**
 * Reasons of an unknown outcome that blame the request itself: the peer's HTTP/2 broke on it. Once
 * may be an accident of the peer; a push that it happens to twice would break every connection.
 */
export const BLAMING_RESETS: readonly string[] = ['RST_PROTOCOL_ERROR', 'RST_INTERNAL_ERROR'];

/** The request was on the wire and its answer was lost: the provider may have delivered it. */
export interface UnknownOutcome extends Answer {
  kind: 'unknown';
}

/**
 * Nothing can have been delivered: refused stream, never connected, no slot. Sending again is safe,
 * so no attempt is counted.
 */
export interface NotSentOutcome extends Answer {
  kind: 'not-sent';
  /** How long to wait before the next try, in milliseconds. */
  afterMs: number;
}
