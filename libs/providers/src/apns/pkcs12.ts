import { X509Certificate, createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import forge from 'node-forge';

/** What a PKCS#12 file holds, out of its wrapping. */
export interface Pkcs12 {
  /** In the file's order. */
  certificates: X509Certificate[];
  keys: KeyObject[];
}

const { asn1, pkcs12, pki } = forge;

/** An export of one certificate has 3 to 6 kB. */
const MAX_BYTES = 64 * 1_024;
/** OpenSSL's and macOS' exports have 2,048 rounds, Java's 10,000: about 15 µs each here. */
const MAX_ITERATIONS = 10_000;
/** Real ones need a nesting far below this. */
const MAX_DEPTH = 32;

/**
 * Opens a PKCS#12 file, modern (AES) or legacy (RC2 and triple DES).
 *
 * @param passphrase empty for a file without one.
 * @returns its parts, or why they cannot be had.
 * @see https://www.rfc-editor.org/rfc/rfc7292
 */
export function openPkcs12(
  file: Buffer,
  passphrase: string,
): Pkcs12 | 'malformed' | 'wrong-passphrase' | 'too-slow' {
  if (file.length > MAX_BYTES) return 'malformed';
  let root: forge.asn1.Asn1;
  try {
    root = asn1.fromDer(file.toString('binary'));
  } catch {
    return 'malformed';
  }
  // Deriving the key is the upload's own choice of work: ask first, it blocks everybody else.
  if (iterations(root) > MAX_ITERATIONS) return 'too-slow';
  try {
    return partsOf(pkcs12.pkcs12FromAsn1(root, passphrase));
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    if (/password|MAC could not|decrypt/i.test(message)) return 'wrong-passphrase';
    return withUtf8(root, passphrase) ?? 'malformed';
  }
}

/**
 * A modern file derives the key of its checksum from the passphrase in UTF-16 and those of its
 * contents from it in UTF-8; the library knows one spelling for both. The checksum has been found
 * right by the time that this is tried: without it only the contents are left.
 */
function withUtf8(root: forge.asn1.Asn1, passphrase: string): Pkcs12 | undefined {
  const utf8 = Buffer.from(passphrase).toString('latin1');
  if (utf8 === passphrase || typeof root.value === 'string') return undefined;
  try {
    return partsOf(pkcs12.pkcs12FromAsn1({ ...root, value: root.value.slice(0, 2) }, utf8));
  } catch {
    return undefined;
  }
}

function partsOf(opened: forge.pkcs12.Pkcs12Pfx): Pkcs12 {
  const parts: Pkcs12 = { certificates: [], keys: [] };
  for (const { safeBags } of opened.safeContents) {
    for (const bag of safeBags) {
      if (bag.type === pki.oids['certBag']) parts.certificates.push(certificateOf(bag));
      if (bag.type === pki.oids['keyBag'] || bag.type === pki.oids['pkcs8ShroudedKeyBag']) {
        parts.keys.push(keyOf(bag));
      }
    }
  }
  return parts;
}

/** What the library cannot read itself (elliptic curves) it leaves as it was: `bag.asn1`. */
function certificateOf(bag: forge.pkcs12.Bag): X509Certificate {
  return new X509Certificate(der(bag.cert ? pki.certificateToAsn1(bag.cert) : bag.asn1));
}

function keyOf(bag: forge.pkcs12.Bag): KeyObject {
  const info = bag.key ? pki.wrapRsaPrivateKey(pki.privateKeyToAsn1(bag.key)) : bag.asn1;
  return createPrivateKey({ key: der(info), format: 'der', type: 'pkcs8' });
}

function der(node: forge.asn1.Asn1): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'binary');
}

/**
 * The largest iteration count of a key derivation in a file: wherever a salt (OCTET STRING) is
 * followed by a number, as in PBES1, PBKDF2 and MacData.
 */
function iterations(node: forge.asn1.Asn1, depth = 0): number {
  if (depth > MAX_DEPTH) return Number.POSITIVE_INFINITY;
  const { value } = node;
  if (typeof value === 'string') {
    const inner = node.type === asn1.Type.OCTETSTRING ? parsed(value) : undefined;
    return inner === undefined ? 0 : iterations(inner, depth + 1);
  }
  let most = 0;
  for (const [at, child] of value.entries()) {
    const before = value[at - 1];
    if (before?.type === asn1.Type.OCTETSTRING && child.type === asn1.Type.INTEGER) {
      most = Math.max(most, wholeNumber(child.value));
    }
    most = Math.max(most, iterations(child, depth + 1));
  }
  return most;
}

function parsed(bytes: string): forge.asn1.Asn1 | undefined {
  try {
    return asn1.fromDer(bytes);
  } catch {
    return undefined;
  }
}

function wholeNumber(bytes: forge.asn1.Asn1['value']): number {
  if (typeof bytes !== 'string' || bytes.length > 6) return Number.POSITIVE_INFINITY;
  let number = 0;
  for (let i = 0; i < bytes.length; i += 1) number = number * 256 + bytes.charCodeAt(i);
  return number;
}
