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
/**
 * Rounds of key derivation in all: for the checksum, the certificates and the key. OpenSSL's and
 * macOS' exports have 2,048 each, Java's 10,000; one takes about 15 µs here.
 */
const MAX_ROUNDS = 30_000;
/** Real ones need a nesting far below this. */
const MAX_DEPTH = 32;
/** The upload asks for more than that. */
class TooSlow extends Error {}

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
  try {
    return opened(root, passphrase);
  } catch (error) {
    if (error instanceof TooSlow) return 'too-slow';
    const message = error instanceof Error ? error.message : '';
    if (/MAC could not/.test(message)) return 'wrong-passphrase';
    const isSealed = /password|decrypt/i.test(message);
    return withUtf8(root, passphrase) ?? (isSealed ? 'wrong-passphrase' : 'malformed');
  }
}

/**
 * A modern file derives the key of its checksum from the passphrase in UTF-16 and those of its
 * contents from it in UTF-8; the library knows one spelling for both. The checksum has been found
 * right by the time that this is tried: without it only the contents are left.
 */
function withUtf8(root: forge.asn1.Asn1, passphrase: string): Pkcs12 | 'too-slow' | undefined {
  const utf8 = Buffer.from(passphrase).toString('latin1');
  if (utf8 === passphrase || typeof root.value === 'string') return undefined;
  try {
    return opened({ ...root, value: root.value.slice(0, 2) }, utf8);
  } catch (error) {
    if (error instanceof TooSlow) return 'too-slow';
    return undefined;
  }
}

/** @throws TooSlow before the work that would be too much; other errors are the library's. */
function opened(root: forge.asn1.Asn1, passphrase: string): Pkcs12 {
  // How often a key is derived is the upload's own choice of work: ask first, it blocks everybody.
  new Rounds(passphrase).spend(root);
  return partsOf(pkcs12.pkcs12FromAsn1(root, passphrase));
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

/** Adds up what opening a file would take, before it is opened, and stops when that is too much. */
class Rounds {
  private left = MAX_ROUNDS;

  constructor(private readonly passphrase: string) {}

  /**
   * A count stands wherever a salt (OCTET STRING) is followed by a number, as in PBES1, PBKDF2 and
   * MacData. What an encrypted part hides is looked at too: it may be one more encrypted thing.
   *
   * @throws TooSlow
   */
  spend(node: forge.asn1.Asn1, depth = 0): void {
    if (depth > MAX_DEPTH) throw new TooSlow();
    const bytes = octets(node);
    if (bytes !== undefined) {
      const inner = parsed(bytes);
      if (inner !== undefined) this.spend(inner, depth + 1);
      return;
    }
    const { value } = node;
    if (typeof value === 'string') return;
    for (const [at, child] of value.entries()) {
      if (is(value[at - 1], asn1.Type.OCTETSTRING) && is(child, asn1.Type.INTEGER)) {
        this.take(wholeNumber(child.value));
      }
      this.spend(child, depth + 1);
    }
    // Its own rounds are taken by now: it may be opened.
    const hidden = isEncryptedInfo(value) ? this.decrypted(value) : undefined;
    if (hidden !== undefined) this.spend(hidden, depth + 1);
  }

  private take(rounds: number): void {
    this.left -= rounds;
    if (this.left < 0) throw new TooSlow();
  }

  private decrypted([, algorithm, content]: forge.asn1.Asn1[]): forge.asn1.Asn1 | undefined {
    const bytes = content && joined(content);
    if (algorithm === undefined || bytes === undefined) return undefined;
    const { UNIVERSAL } = asn1.Class;
    // The library opens an encrypted key in the same way, and does not mind what it finds in it.
    const sealed = asn1.create(UNIVERSAL, asn1.Type.SEQUENCE, true, [
      algorithm,
      asn1.create(UNIVERSAL, asn1.Type.OCTETSTRING, false, bytes),
    ]);
    try {
      return pki.decryptPrivateKeyInfo(sealed, this.passphrase) ?? undefined;
    } catch {
      // So will the library itself.
      return undefined;
    }
  }
}

/** EncryptedContentInfo: of type data, with an algorithm and [0]. */
function isEncryptedInfo([type, algorithm, content]: forge.asn1.Asn1[]): boolean {
  const { OID, SEQUENCE } = asn1.Type;
  const isImplicit = content?.tagClass === asn1.Class.CONTEXT_SPECIFIC;
  return isImplicit && is(type, OID) && is(algorithm, SEQUENCE);
}

function is(node: forge.asn1.Asn1 | undefined, type: forge.asn1.Type): boolean {
  return node?.tagClass === asn1.Class.UNIVERSAL && node.type === type;
}

/** Bytes of an OCTET STRING, which may be made of several. */
function octets(node: forge.asn1.Asn1): string | undefined {
  return is(node, asn1.Type.OCTETSTRING) ? joined(node) : undefined;
}

function joined({ value }: forge.asn1.Asn1): string | undefined {
  if (typeof value === 'string') return value;
  return value.every((part) => typeof part.value === 'string')
    ? value.map((part) => part.value as string).join('')
    : undefined;
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
