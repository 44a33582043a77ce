import type { PoolClient } from 'pg';
import type { Database } from './database.js';
import type { SecretBox } from './secret-box.js';

export interface SignedToken {
  token: string;
  signedAt: Date;
}

/** Which APNs provider token: one a team and signing key, for all replicas. */
export interface ApnsTokenKey {
  teamId: string;
  keyId: string;
  /** SHA-256 of the key, so that equal ids with another key never share a token. */
  fingerprint: string;
}

/**
 * Apple refuses a team that renews its token more than once in 20 minutes, counted over all servers:
 * so the token is a row, sealed, and whoever finds it too old signs a new one under the row's lock.
 */
export class ApnsTokenRepository {
  constructor(
    private readonly db: Database,
    private readonly box: SecretBox,
  ) {}

  /**
   * @param usable whether a stored token may still be used.
   * @param mint signs a new one; called under the row's lock, at most once a team and key at a time.
   */
  async current(
    key: ApnsTokenKey,
    usable: (stored: SignedToken) => boolean,
    mint: () => Promise<SignedToken>,
  ): Promise<SignedToken> {
    const stored = await this.db.query<TokenRow>(READ, values(key));
    const first = this.opened(stored[0], key);
    if (first !== null && usable(first)) return first;
    return this.db.transaction(async (client) => {
      const row = await lockRow(client, key);
      const found = this.opened(row, key);
      if (found !== null && usable(found)) return found;
      const minted = await mint();
      await client.query(
        `UPDATE apns_tokens SET sealed = $4, signed_at = $5
         WHERE team_id = $1 AND key_id = $2 AND key_fingerprint = $3`,
        [...values(key), this.box.seal(minted.token, place(key)), minted.signedAt],
      );
      return minted;
    });
  }

  private opened(row: TokenRow | undefined, key: ApnsTokenKey): SignedToken | null {
    // An empty record is a place to lock, never a token.
    if (row === undefined || row.sealed.length === 0) return null;
    try {
      return { token: this.box.open(row.sealed, place(key)), signedAt: row.signed_at };
    } catch {
      // Sealed with a key that left the ring, or damaged: a new token costs one signature.
      return null;
    }
  }
}

interface TokenRow {
  sealed: Buffer;
  signed_at: Date;
}

const READ = `SELECT sealed, signed_at FROM apns_tokens
  WHERE team_id = $1 AND key_id = $2 AND key_fingerprint = $3`;

async function lockRow(client: PoolClient, key: ApnsTokenKey): Promise<TokenRow | undefined> {
  await client.query(
    `INSERT INTO apns_tokens (team_id, key_id, key_fingerprint, sealed, signed_at)
     VALUES ($1, $2, $3, '', 'epoch') ON CONFLICT DO NOTHING`,
    values(key),
  );
  const { rows } = await client.query<TokenRow>(`${READ} FOR UPDATE`, values(key));
  return rows[0];
}

function values(key: ApnsTokenKey): string[] {
  return [key.teamId, key.keyId, key.fingerprint];
}

/** Associated data of a sealed token. */
function place(key: ApnsTokenKey): string {
  return `apns-token:${key.teamId}:${key.keyId}:${key.fingerprint}`;
}
