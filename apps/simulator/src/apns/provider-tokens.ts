import type { CredentialStore } from '../credentials.js';
import { parseJwt, signedBy } from '../jwt.js';
import type { ApnsReason } from './answers.js';

/** Apple refuses a token older than an hour… */
const MAX_AGE_SECONDS = 3_600;
/** …and one renewed more often than every 20 minutes. */
const MIN_RENEWAL_SECONDS = 1_200;
/** How far the signer's clock may be ahead of ours. */
const SKEW_SECONDS = 300;

const MAX_CACHED = 1_000;

/** A token whose form and signature are right. Its age is judged at each use. */
interface ProviderToken {
  teamId: string;
  keyId: string;
  topic: string;
  /** Epoch seconds. */
  issuedAt: number;
}

export type Verified =
  { ok: true; teamId: string; topic: string } | { ok: false; reason: ApnsReason };

/**
 * The JWTs of "token-based" APNs: ES256, `kid`, `iss`, `iat`.
 * https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns
 */
export class ProviderTokens {
  /** By the text of the header, so that a signature is verified once and not with every push. */
  private readonly verified = new Map<string, ProviderToken | null>();
  /** By key id: the `iat`s accepted within the last hour, ascending. */
  private readonly issued = new Map<string, number[]>();

  constructor(
    private readonly credentials: CredentialStore,
    private readonly now: () => number,
  ) {}

  /** @param authorization the header as it came */
  verify(authorization: string): Verified {
    let token = this.verified.get(authorization);
    if (token === undefined) {
      token = this.read(authorization);
      this.remember(authorization, token);
    }
    if (token === null) return { ok: false, reason: 'InvalidProviderToken' };

    const age = this.now() - token.issuedAt;
    if (age > MAX_AGE_SECONDS) return { ok: false, reason: 'ExpiredProviderToken' };
    if (age < -SKEW_SECONDS) return { ok: false, reason: 'InvalidProviderToken' };
    if (!this.mayUse(token)) return { ok: false, reason: 'TooManyProviderTokenUpdates' };
    return { ok: true, teamId: token.teamId, topic: token.topic };
  }

  /** No renewal is too early any more. */
  forget(): void {
    this.verified.clear();
    this.issued.clear();
  }

  /** Different tokens with one `iat` count as one: replicas may sign the same second each. */
  private mayUse({ keyId, issuedAt }: ProviderToken): boolean {
    let known = this.issued.get(keyId);
    if (known === undefined) this.issued.set(keyId, (known = []));
    if (known.includes(issuedAt)) return true;
    const oldest = this.now() - MAX_AGE_SECONDS;
    const live = known.filter((iat) => iat >= oldest);
    if (live.some((iat) => Math.abs(iat - issuedAt) < MIN_RENEWAL_SECONDS)) return false;
    live.push(issuedAt);
    this.issued.set(keyId, live);
    return true;
  }

  private read(authorization: string): ProviderToken | null {
    if (authorization.slice(0, 7).toLowerCase() !== 'bearer ') return null;
    const jwt = parseJwt(authorization.slice(7));
    if (jwt === undefined) return null;
    const { kid } = jwt.header;
    const { iss, iat } = jwt.claims;
    if (typeof kid !== 'string' || typeof iat !== 'number') return null;
    const signer = this.credentials.signer(kid);
    if (signer === undefined || signer.set.teamId !== iss) return null;
    if (!signedBy(jwt, 'ES256', signer.key)) return null;
    return { teamId: iss, keyId: kid, topic: signer.set.topic, issuedAt: iat };
  }

  private remember(authorization: string, token: ProviderToken | null): void {
    if (this.verified.size >= MAX_CACHED) {
      const oldest = this.verified.keys().next();
      if (oldest.done !== true) this.verified.delete(oldest.value);
    }
    this.verified.set(authorization, token);
  }
}
