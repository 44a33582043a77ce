import type { Clock } from '@app/domain';
import type { ApnsToken, ApnsTokenKey, ApnsTokenStore } from '../port.js';

const MINUTE = 60_000;
/** Apple: renew no less often than every 60 minutes… */
export const APNS_TOKEN_MAX_AGE_MS = 50 * MINUTE;
/** …and no more often than every 20. */
export const APNS_TOKEN_MIN_AGE_MS = 20 * MINUTE;

/**
 * Whether the stored token must be replaced, by the rules of `ApnsTokenStore.current`.
 *
 * @see https://developer.apple.com/documentation/usernotifications/establishing-a-token-based-connection-to-apns
 */
export function needsMinting(
  stored: ApnsToken | undefined,
  rejected: string | undefined,
  now: Date,
): boolean {
  if (stored === undefined) return true;
  const ageMs = now.getTime() - stored.signedAt.getTime();
  if (stored.token === rejected) return ageMs >= APNS_TOKEN_MIN_AGE_MS;
  return ageMs >= APNS_TOKEN_MAX_AGE_MS;
}

/** Shares tokens inside one process only: for tests and for a gateway that is a single worker. */
export class MemoryApnsTokenStore implements ApnsTokenStore {
  private readonly tokens = new Map<string, Promise<ApnsToken>>();

  constructor(private readonly clock: Clock) {}

  async current(
    key: ApnsTokenKey,
    mint: () => Promise<ApnsToken>,
    rejected?: string,
  ): Promise<ApnsToken> {
    const name = `${key.teamId}:${key.keyId}:${key.fingerprint}`;
    const before = this.tokens.get(name);
    const stored = await before?.catch(() => undefined);
    // Somebody else may have minted while we waited.
    const latest = this.tokens.get(name);
    if (latest !== undefined && latest !== before) return latest;
    if (stored !== undefined && !needsMinting(stored, rejected, this.clock.now())) return stored;
    const minted = mint();
    this.tokens.set(name, minted);
    return minted;
  }
}
