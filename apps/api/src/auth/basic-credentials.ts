import { parseAccountId, parseApiKeyId } from '@app/domain';
import type { Uuid } from '@app/domain';

/** The two pairs that are accepted: account id and auth token, API key and its secret. */
export interface BasicCredentials {
  kind: 'account' | 'apiKey';
  id: Uuid;
  secret: string;
}

/**
 * Reads an `Authorization: Basic` header (RFC 7617).
 *
 * @returns null when there is none, it is malformed, or its user is neither an account nor a key.
 */
export function basicCredentials(header: string | undefined): BasicCredentials | null {
  const encoded = /^basic +([A-Za-z0-9+/_-]+={0,2}) *$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return null;
  const decoded = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon === -1) return null;
  const user = decoded.slice(0, colon);
  const secret = decoded.slice(colon + 1);
  const accountId = parseAccountId(user);
  if (accountId !== null) return { kind: 'account', id: accountId, secret };
  const keyId = parseApiKeyId(user);
  return keyId === null ? null : { kind: 'apiKey', id: keyId, secret };
}
