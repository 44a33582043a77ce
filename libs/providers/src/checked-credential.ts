import { createHash, createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** One fault of an uploaded credential; its message never repeats what was uploaded. */
export interface CredentialFault {
  /** Relative to the credential's `content`. */
  path: string[];
  message: string;
}

/** An uploaded credential that passed every check. */
export interface CheckedCredential<Content> {
  /** What is sealed and later given to the adapter. */
  content: Content;
  /** SHA-256 of the public key or certificate, hex: tells credentials apart without their secret. */
  fingerprint: string;
  /** Certificates only. */
  expiresAt?: Date;
}

export type CredentialCheck<Content> = CheckedCredential<Content> | { faults: CredentialFault[] };

/** Collects faults while the parts of a credential are read. */
export class Faults {
  readonly list: CredentialFault[] = [];

  add(path: string, message: string): undefined {
    this.list.push({ path: [path], message });
    return undefined;
  }
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The bytes behind a base64 field; line breaks in it are fine, as `base64` makes them. */
export function base64Bytes(
  content: Record<string, unknown>,
  field: string,
  faults: Faults,
): Buffer | undefined {
  const value = content[field];
  if (typeof value !== 'string' || value === '') return faults.add(field, 'is required');
  const compact = value.replace(/\s+/g, '');
  if (compact === '' || !BASE64.test(compact)) return faults.add(field, 'must be base64');
  return Buffer.from(compact, 'base64');
}

/** The UTF-8 text behind a base64 field. */
export function base64Text(
  content: Record<string, unknown>,
  field: string,
  faults: Faults,
): string | undefined {
  const text = base64Bytes(content, field, faults)?.toString('utf8');
  if (text === undefined) return undefined;
  return text.includes('\u0000') || text.includes('\ufffd')
    ? faults.add(field, 'must be the base64 of a text file')
    : text;
}

/** A plain text field of a given form. */
export function formedText(
  content: Record<string, unknown>,
  field: string,
  form: { pattern: RegExp; means: string },
  faults: Faults,
): string | undefined {
  const value = content[field];
  if (typeof value !== 'string' || value === '') return faults.add(field, 'is required');
  return form.pattern.test(value) ? value : faults.add(field, `must be ${form.means}`);
}

/** Parses a PEM private key; encrypted ones are refused, since nobody could type the passphrase. */
export function privateKeyOf(pem: string): KeyObject | 'encrypted' | undefined {
  if (/ENCRYPTED/.test(pem)) return 'encrypted';
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

/** PKCS#8 PEM, whatever form came in. */
export function toPkcs8(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** SHA-256 in hex. */
export function sha256(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex');
}
