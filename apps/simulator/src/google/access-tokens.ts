import { randomBytes } from 'node:crypto';
import type { CredentialSet } from '../credentials.js';

export interface AccessToken {
  set: CredentialSet;
  /** Epoch seconds. */
  expiresAt: number;
}

/** Google says 3,599 and so do we. */
export const LIFETIME_SECONDS = 3_599;

const MAX_HELD = 10_000;

/** The bearers that the token endpoint handed out. */
export class AccessTokens {
  private readonly held = new Map<string, AccessToken>();
  private minted = 0;

  /** How many were ever minted. */
  get mints(): number {
    return this.minted;
  }

  /** @param now epoch seconds */
  mint(set: CredentialSet, now: number): string {
    if (this.held.size >= MAX_HELD) {
      const oldest = this.held.keys().next();
      if (oldest.done !== true) this.held.delete(oldest.value);
    }
    const token = `ya29.sim.${randomBytes(48).toString('base64url')}`;
    this.held.set(token, { set, expiresAt: now + LIFETIME_SECONDS });
    this.minted += 1;
    return token;
  }

  /** Whose token this is; undefined when it is unknown or too old. */
  owner(token: string, now: number): CredentialSet | undefined {
    const found = this.held.get(token);
    return found === undefined || found.expiresAt <= now ? undefined : found.set;
  }

  /** None of them works any more: every caller must fetch a new one. */
  forget(): void {
    this.held.clear();
  }
}
