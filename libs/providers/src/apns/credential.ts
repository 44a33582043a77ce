import { X509Certificate, createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import {
  Faults,
  base64Bytes,
  base64Text,
  formedText,
  privateKeyOf,
  sha256,
  toPkcs8,
} from '../checked-credential.js';
import type { CredentialCheck } from '../checked-credential.js';
import { isObject } from '../merge.js';
import type { ApnCredentialContent } from '../port.js';
import { certificateTopics } from './certificate-topics.js';
import { openPkcs12 } from './pkcs12.js';

const APPLE_ID = { pattern: /^[A-Z0-9]{10}$/, means: '10 capital letters and digits' };
const TOPIC = {
  pattern: /^[A-Za-z0-9][A-Za-z0-9.-]{0,199}$/,
  means: 'a bundle id: letters, digits, dots and hyphens',
};

/**
 * Checks an uploaded APNs credential: `{signingKey, keyId, teamId, topic}` with the base64 of a
 * `.p8` file, `{certificate, privateKey, topic?}` with base64 of PEM, or
 * `{pkcs12, passphrase?, topic?}` with the base64 of a PKCS#12 file, which is kept as PEM.
 *
 * @param now certificates must be valid at this instant.
 */
export function parseApnCredential(
  content: unknown,
  now = new Date(),
): CredentialCheck<ApnCredentialContent> {
  const faults = new Faults();
  const fields = isObject(content) ? content : {};
  const checked =
    fields['signingKey'] === undefined
      ? certificateCredential(fields, now, faults)
      : tokenCredential(fields, faults);
  return checked === undefined || faults.list.length > 0 ? { faults: faults.list } : checked;
}

/** @param secret what was sealed of a credential. @returns its bundle id; undefined when it is none of APNs. */
export function apnTopicOf(secret: unknown): string | undefined {
  return isObject(secret) && typeof secret['topic'] === 'string' ? secret['topic'] : undefined;
}

/** SHA-256 of the public half of a private key, hex. */
export function keyFingerprint(key: KeyObject): string {
  return sha256(createPublicKey(key).export({ type: 'spki', format: 'der' }));
}

function tokenCredential(fields: Record<string, unknown>, faults: Faults) {
  const pem = base64Text(fields, 'signingKey', faults);
  const keyId = formedText(fields, 'keyId', APPLE_ID, faults);
  const teamId = formedText(fields, 'teamId', APPLE_ID, faults);
  const topic = formedText(fields, 'topic', TOPIC, faults);
  for (const field of ['certificate', 'privateKey', 'pkcs12']) {
    if (fields[field] !== undefined) faults.add(field, 'does not go with signingKey');
  }
  const key = pem === undefined ? undefined : signingKey(pem, faults);
  if (!key || !keyId || !teamId || !topic) return undefined;
  return {
    content: { kind: 'token' as const, signingKey: toPkcs8(key), keyId, teamId, topic },
    fingerprint: keyFingerprint(key),
  };
}

function signingKey(pem: string, faults: Faults): KeyObject | undefined {
  const key = privateKeyOf(pem);
  if (key === undefined || key === 'encrypted') {
    return faults.add('signingKey', 'must be the base64 of the .p8 file from Apple');
  }
  return key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
    ? key
    : faults.add('signingKey', 'is not a P-256 key');
}

function certificateCredential(fields: Record<string, unknown>, now: Date, faults: Faults) {
  const isPkcs12 = fields['pkcs12'] !== undefined;
  const uploaded = isPkcs12 ? fromPkcs12(fields, faults) : fromPem(fields, faults);
  if (uploaded === undefined) return undefined;
  const { chain, keys } = uploaded;

  // Exports often put the chain in any order.
  const own = (key: KeyObject) => chain.find((certificate) => certificate.checkPrivateKey(key));
  const key = keys.find((candidate) => own(candidate) !== undefined);
  const leaf = key && own(key);
  if (key === undefined || leaf === undefined) {
    return isPkcs12
      ? faults.add('pkcs12', 'has no private key that belongs to its certificate')
      : faults.add('privateKey', 'does not belong to the certificate');
  }
  const expiresAt = new Date(leaf.validTo);
  const field = isPkcs12 ? 'pkcs12' : 'certificate';
  if (expiresAt <= now) faults.add(field, `expired on ${expiresAt.toISOString()}`);
  if (new Date(leaf.validFrom) > now) faults.add(field, 'is not valid yet');
  const topic = certificateTopic(leaf, fields['topic'], field, faults);
  if (topic === undefined) return undefined;
  const ordered = [leaf, ...chain.filter((certificate) => certificate !== leaf)];
  return {
    content: {
      kind: 'certificate' as const,
      certificate: ordered.map((certificate) => certificate.toString()).join(''),
      privateKey: toPkcs8(key),
      topic,
    },
    fingerprint: sha256(leaf.raw),
    expiresAt,
  };
}

interface Uploaded {
  /** Leaf and what signed it, in any order. */
  chain: X509Certificate[];
  keys: KeyObject[];
}

function fromPem(fields: Record<string, unknown>, faults: Faults): Uploaded | undefined {
  const certificatePem = base64Text(fields, 'certificate', faults);
  const keyPem = base64Text(fields, 'privateKey', faults);
  const chain = certificatePem === undefined ? [] : certificates(certificatePem, faults);
  const key = keyPem === undefined ? undefined : certificateKey(keyPem, faults);
  return chain.length === 0 || key === undefined ? undefined : { chain, keys: [key] };
}

function fromPkcs12(fields: Record<string, unknown>, faults: Faults): Uploaded | undefined {
  for (const field of ['certificate', 'privateKey']) {
    if (fields[field] !== undefined) faults.add(field, 'does not go with pkcs12');
  }
  const file = base64Bytes(fields, 'pkcs12', faults);
  const passphrase = fields['passphrase'] ?? '';
  if (typeof passphrase !== 'string') return faults.add('passphrase', 'must be text');
  if (file === undefined) return undefined;
  const opened = openPkcs12(file, passphrase);
  switch (opened) {
    case 'malformed':
      return faults.add('pkcs12', 'must be the base64 of a PKCS#12 file (.p12 or .pfx)');
    case 'wrong-passphrase':
      return faults.add('passphrase', 'does not open the PKCS#12 file');
    case 'too-slow':
      return faults.add('pkcs12', 'asks for too many rounds of key derivation: export it again');
    default:
      return { chain: opened.certificates, keys: opened.keys };
  }
}

function certificates(pem: string, faults: Faults): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    const parsed = blocks.map((block) => new X509Certificate(block));
    if (parsed.length > 0) return parsed;
  } catch {
    // The same fault as no certificate at all.
  }
  faults.add('certificate', 'must be the base64 of a certificate in PEM');
  return [];
}

function certificateKey(pem: string, faults: Faults): KeyObject | undefined {
  const key = privateKeyOf(pem);
  if (key === 'encrypted') {
    return faults.add('privateKey', 'is encrypted: remove its passphrase first');
  }
  return key ?? faults.add('privateKey', 'must be the base64 of a private key in PEM');
}

function certificateTopic(leaf: X509Certificate, wanted: unknown, field: string, faults: Faults) {
  const topics = certificateTopics(leaf);
  const [first] = topics;
  if (first === undefined || !TOPIC.pattern.test(first)) {
    return faults.add(field, 'names no topic (UID): it is not an APNs certificate');
  }
  if (wanted === undefined) return first;
  return typeof wanted === 'string' && topics.includes(wanted)
    ? wanted
    : faults.add('topic', 'is not a topic of the certificate');
}
