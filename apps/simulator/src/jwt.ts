import { type KeyObject, verify } from 'node:crypto';

export interface Jwt {
  header: Record<string, unknown>;
  claims: Record<string, unknown>;
  /** What the signature covers. */
  signed: string;
  signature: Buffer;
}

/** Takes a JWS compact serialization (RFC 7515) apart; undefined when it is none. Checks nothing. */
export function parseJwt(text: string): Jwt | undefined {
  const parts = text.split('.');
  const [head, body, signature] = parts;
  if (parts.length !== 3 || !head || !body || !signature) return undefined;
  const header = jsonObject(head);
  const claims = jsonObject(body);
  if (header === undefined || claims === undefined) return undefined;
  return {
    header,
    claims,
    signed: `${head}.${body}`,
    signature: Buffer.from(signature, 'base64url'),
  };
}

/** RS256 or ES256 (whose signature is the two numbers side by side, RFC 7518 section 3.4). */
export function signedBy(jwt: Jwt, algorithm: 'RS256' | 'ES256', key: KeyObject): boolean {
  if (jwt.header['alg'] !== algorithm) return false;
  const data = Buffer.from(jwt.signed);
  if (algorithm === 'RS256') return verify('sha256', data, key, jwt.signature);
  return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, jwt.signature);
}

function jsonObject(base64url: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(base64url, 'base64url').toString());
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
