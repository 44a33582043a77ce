import { createPrivateKey } from 'node:crypto';
import type { Clock, Outcome } from '@app/domain';
import { within } from '@app/platform';
import { SignJWT } from 'jose';
import type { ApnCredentialContent, ApnsToken, ApnsTokenKey, ApnsTokenStore } from '../port.js';
import { keyFingerprint } from './credential.js';
import { APNS_TOKEN_MAX_AGE_MS, APNS_TOKEN_MIN_AGE_MS } from './token-store.js';

type TokenContent = Extract<ApnCredentialContent, { kind: 'token' }>;

/** Apple refuses a token at 60 minutes: so long it may serve while the store does not answer. */
const USABLE_MS = 58 * 60_000;
/** After the store failed it is left alone for this long. */
const STORE_PAUSE_MS = 1_000;

/** What goes into `authorization`, or why there is none. */
export type ProviderBearer = { authorization: string } | { outcome: Outcome };

/** Our own trouble, not the credential's. */
export const TOKEN_UNAVAILABLE: Outcome = {
  kind: 'not-sent',
  reason: 'apns-token-unavailable',
  message: 'The APNs token could not be read or signed in time',
  afterMs: STORE_PAUSE_MS,
};

/**
 * The APNs token of one team and key as this process knows it. The store decides which token is in
 * force, for all replicas; memory only saves asking it for each push.
 */
export class ProviderToken {
  private readonly key: ApnsTokenKey;
  private readonly signingKey: ReturnType<typeof createPrivateKey>;
  private authorization = '';
  private token = '';
  private signedAt = Number.NEGATIVE_INFINITY;
  private fetching: Promise<void> | undefined;
  private pausedUntil = 0;

  constructor(
    content: TokenContent,
    private readonly store: ApnsTokenStore,
    private readonly clock: Clock,
  ) {
    this.signingKey = createPrivateKey(content.signingKey);
    const { teamId, keyId } = content;
    this.key = { teamId, keyId, fingerprint: keyFingerprint(this.signingKey) };
  }

  /** The header value when no waiting is needed, as on all but the first request of 50 minutes. */
  ready(): string | undefined {
    const now = this.clock.now().getTime();
    const ageMs = now - this.signedAt;
    if (ageMs >= USABLE_MS) return undefined;
    if (ageMs >= APNS_TOKEN_MAX_AGE_MS && now >= this.pausedUntil) void this.fetch();
    return this.authorization;
  }

  /** @param waitMs how long this request can wait for a token; no longer than until `signal` is aborted. */
  async get(waitMs: number, signal?: AbortSignal): Promise<ProviderBearer> {
    await within(this.fetch(), waitMs, undefined, signal);
    const authorization = this.ready();
    if (authorization !== undefined) return { authorization };
    return { outcome: TOKEN_UNAVAILABLE };
  }

  /**
   * Apple called this token expired: get another one.
   *
   * @returns whether there is one. `too-young`: Apple lets nobody renew it yet; `unavailable`: it could
   *   not be read or signed in time.
   */
  async renew(
    authorization: string,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<'renewed' | 'too-young' | 'unavailable'> {
    if (authorization !== this.authorization) return 'renewed';
    if (this.clock.now().getTime() - this.signedAt < APNS_TOKEN_MIN_AGE_MS) return 'too-young';
    await within(this.fetch(this.token), waitMs, undefined, signal);
    return authorization === this.authorization ? 'unavailable' : 'renewed';
  }

  private fetch(rejected?: string): Promise<void> {
    this.fetching ??= this.load(rejected).finally(() => {
      this.fetching = undefined;
    });
    return this.fetching;
  }

  private async load(rejected: string | undefined): Promise<void> {
    try {
      const { token, signedAt } = await this.store.current(this.key, () => this.mint(), rejected);
      this.token = token;
      this.authorization = `bearer ${token}`;
      this.signedAt = signedAt.getTime();
    } catch {
      // The store's trouble is not the credential's: who needed the token is told to come again.
      this.pausedUntil = this.clock.now().getTime() + STORE_PAUSE_MS;
    }
  }

  private async mint(): Promise<ApnsToken> {
    const issuedAt = Math.floor(this.clock.now().getTime() / 1_000);
    const token = await new SignJWT()
      .setProtectedHeader({ alg: 'ES256', kid: this.key.keyId })
      .setIssuer(this.key.teamId)
      .setIssuedAt(issuedAt)
      .sign(this.signingKey);
    return { token, signedAt: new Date(issuedAt * 1_000) };
  }
}
