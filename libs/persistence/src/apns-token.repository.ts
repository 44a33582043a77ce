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
  /** SHA-256 of the signing key, so that equal ids with another key never share a token. */
  keyFingerprint: string;
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
   * @param maxAgeMs a stored token younger than this is used as it is.
   * @param mint signs a new one; called under the row's lock, at most once a team and key at a time.
   */
  async current(
    key: ApnsTokenKey,
    maxAgeMs: number,
    mint: () => Promise<SignedToken>,
  ): Promise<SignedToken> {
    const stored = await this.db.query<{ sealed: Buffer; signed_at: Date }>(READ, values(key));
    const young = this.young(stored[0], key, maxAgeMs);
    if (young !== null) return young;
    return this.db.transaction(async (client) => {
      const row = await lockRow(client, key);
      const found = this.young(row, key, maxAgeMs);
      if (found !== null) return found;
      const minted = await mint();
      await client.query(
        `UPDATE apns_tokens SET sealed = $4, signed_at = $5
         WHERE team_id = $1 AND key_id = $2 AND key_fingerprint = $3`,
        [...values(key), this.box.seal(minted.token, place(key)), minted.signedAt],
      );
      return minted;
    });
  }

  private young(
    row: { sealed: Buffer; signed_at: Date } | undefined,
    key: ApnsTokenKey,
    maxAgeMs: number,
  ): SignedToken | null {
    if (row === undefined || row.sealed.length === 0) return null;
    if (Date.now() - row.signed_at.getTime() >= maxAgeMs) return null;
    return { token: this.box.open(row.sealed, place(key)), signedAt: row.signed_at };
  }
}

const READ = `SELECT sealed, signed_at FROM apns_tokens
  WHERE team_id = $1 AND key_id = $2 AND key_fingerprint = $3`;

async function lockRow(
  client: PoolClient,
  key: ApnsTokenKey,
): Promise<{ sealed: Buffer; signed_at: Date } | undefined> {
  // An empty record is a place to lock, never a token.
  await client.query(
    `INSERT INTO apns_tokens (team_id, key_id, key_fingerprint, sealed, signed_at)
     VALUES ($1, $2, $3, '', '-infinity') ON CONFLICT DO NOTHING`,
    values(key),
  );
  const { rows } = await client.query<{ sealed: Buffer; signed_at: Date }>(
    `${READ} FOR UPDATE`,
    values(key),
  );
  return rows[0];
}

function values(key: ApnsTokenKey): string[] {
  return [key.teamId, key.keyId, key.keyFingerprint];
}

/** Associated data of a sealed token. */
function place(key: ApnsTokenKey): string {
  return `apns-token:${key.teamId}:${key.keyId}:${key.keyFingerprint}`;
}
