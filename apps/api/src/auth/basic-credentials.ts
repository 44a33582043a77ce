import { parseAccountId } from '@app/domain';
import type { Uuid } from '@app/domain';

export interface BasicCredentials {
  accountId: Uuid;
  token: string;
}

/**
 * Reads an `Authorization: Basic` header (RFC 7617).
 *
 * @returns null when there is none, it is malformed, or its user is no account id.
 */
export function basicCredentials(header: string | undefined): BasicCredentials | null {
  const encoded = /^basic +([A-Za-z0-9+/_-]+={0,2}) *$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return null;
  const decoded = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  const accountId = colon === -1 ? null : parseAccountId(decoded.slice(0, colon));
  return accountId === null ? null : { accountId, token: decoded.slice(colon + 1) };
}
