import type { Outcome } from '@app/domain';

/** The names on the wire of the contract: `to[].provider`. */
export type ProviderName = 'FCM' | 'APN';

/** One push, rendered, as every adapter takes it. Nothing in it is a template any more. */
export interface Message {
  /** UUID (lower case, with dashes) of the push: `apns-id`, default collapse id and tag. */
  id: string;
  /** Opaque text from outside: encode it wherever it goes. */
  token: string;
  /** Absent for a data-only push. */
  title?: string;
  body?: string;
  imageUrl?: string;
  data?: Record<string, string>;
  priority: 'HIGH' | 'LOW';
  sound: string | null;
  badge?: number;
  /** Replaces an earlier push on the device; absent: `id` is used so that a repeat shows once. */
  collapseKey?: string;
  /** When the push is worth nothing any more. */
  expiresAt: Date;
  /** The instant of this attempt, by the clock that `expiresAt` is on: this machine's may be wrong. */
  attemptAt: Date;
  /** True when the caller set `ttlSeconds: 0`: exactly one attempt, not stored by the provider. */
  immediate: boolean;
  /** Merged last into the FCM message / APNs headers and payload. */
  overrides?: { fcm?: Record<string, unknown>; apn?: ApnOverrides };
}

export interface ApnOverrides {
  headers?: Record<string, string>;
  aps?: Record<string, unknown>;
  payload?: Record<string, unknown>;
}

/** An unsealed credential. Clients are cached by id + version + type. */
export type ProviderCredential = FcmCredential | ApnCredential;

export interface FcmCredential {
  id: string;
  version: number;
  type: 'FCM';
  /** What the service-account JSON held, checked at upload. */
  content: FcmCredentialContent;
}

export interface ApnCredential {
  id: string;
  version: number;
  type: 'APN' | 'APN_SANDBOX';
  content: ApnCredentialContent;
}

export interface FcmCredentialContent {
  kind: 'service-account';
  projectId: string;
  clientEmail: string;
  /** PKCS#8 PEM. */
  privateKey: string;
  privateKeyId?: string;
}

export type ApnCredentialContent =
  | {
      kind: 'token';
      /** PKCS#8 PEM of the `.p8` file. */
      signingKey: string;
      keyId: string;
      teamId: string;
      /** Bundle id. */
      topic: string;
    }
  | {
      kind: 'certificate';
      /** PEM, leaf first. */
      certificate: string;
      /** PEM. */
      privateKey: string;
      /** Bundle id, from the certificate or chosen among several. */
      topic: string;
    };

/**
 * One adapter. It holds session pools by credential and speaks its vendor's protocol; it never
 * throws for anything the vendor or the network did: that is an `Outcome`.
 */
export interface Provider<C extends ProviderCredential = ProviderCredential> {
  readonly name: ProviderName;
  /**
   * Sends one message.
   *
   * @param deadlineMs wall-clock milliseconds the whole attempt may take, from this call.
   */
  send(credential: C, message: Message, deadlineMs?: number): Promise<Outcome>;
  /**
   * Asks the provider whether it takes this credential; nothing is delivered. Never rejects.
   *
   * @param deadlineMs wall-clock milliseconds that it may take.
   */
  check(credential: C, deadlineMs?: number): Promise<CheckResult>;
  /**
   * For a process that must end before its provider answers. What is on the wire ends as `unknown`, what still waits
   * for a token or a stream as `not-sent`, and nothing is sent any more.
   */
  giveUp(): void;
  /** Ends all sessions once their requests have settled; resolves when no socket is left. */
  close(): Promise<void>;
}

/** What asking the provider about a credential showed. */
export interface CheckResult {
  ok: boolean;
  /** False when the credential may be right all the same: unreachable, throttled, no answer. */
  conclusive: boolean;
  /** A sentence for the operator, with the provider's words; never a secret. */
  detail: string;
}

/** Where the vendors are and how patient the transport is. */
export interface ProviderOptions {
  fcmOrigin: string;
  googleTokenUrl: string;
  apnsOrigin: string;
  apnsSandboxOrigin: string;
  /** PEM of extra certificate authorities for those origins. */
  ca?: string;
  /** Wall-clock deadline of a request. */
  requestTimeoutMs: number;
  /** A session is pinged this often… */
  pingIntervalMs: number;
  /** …and destroyed without an answer in this time. */
  pingTimeoutMs: number;
  /** Requests on the wire at once for one credential. Default: all that its sessions can carry. */
  credentialMaxInFlight?: number;
  /** The same for all credentials of all providers together. Default: no limit but theirs. */
  maxInFlight?: number;
  /** How long a request may wait for a stream before it is `not-sent`. Default 1,000. */
  slotWaitMs?: number;
  /** A session opens no streams any more at this age (up to 20 % earlier). Default one hour. */
  maxSessionAgeMs?: number;
}

/** Which APNs token is meant. Equal team and key ids with another key must never share one. */
export interface ApnsTokenKey {
  teamId: string;
  keyId: string;
  /** SHA-256 of the public key, hex. */
  fingerprint: string;
}

export interface ApnsToken {
  /** A signed ES256 JWT. A secret. */
  token: string;
  /** Its `iat`. */
  signedAt: Date;
}

/**
 * Keeps one APNs token a team and key for all replicas: Apple limits how often a team may show a
 * new one, over all its servers.
 */
export interface ApnsTokenStore {
  /**
   * The token in force; mints one when there is none or it is 50 minutes old, never two at once.
   *
   * @param rejected a token that Apple called expired. When it is still the one in force and at
   *   least 20 minutes old, a new one is minted; a younger one is returned as it is.
   */
  current(key: ApnsTokenKey, mint: () => Promise<ApnsToken>, rejected?: string): Promise<ApnsToken>;
}
