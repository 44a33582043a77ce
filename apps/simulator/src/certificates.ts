// @peculiar/x509 finds its parts through tsyringe, which needs this before it.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
  cryptoProvider,
} from '@peculiar/x509';

cryptoProvider.set(webcrypto);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

/** The attribute in which Apple's push certificates carry the bundle id. */
const USER_ID = '0.9.2342.19200300.100.1.1';

/** Both PEM; the key is PKCS#8. */
export interface KeyedCertificate {
  certificate: string;
  privateKey: string;
}

/** A new certificate authority, valid for ten years. */
export async function makeAuthority(): Promise<KeyedCertificate> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // A name of its own: a certificate of another simulator's CA is then simply unknown. Were the
    // names the same, its signature would be tried, and Node would cut the connection over the
    // error that this leaves behind in OpenSSL instead of letting us answer.
    name: [{ CN: [`Fanfare simulator CA ${serialNumber().slice(0, 8)}`] }],
    serialNumber: serialNumber(),
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + 3_650 * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  return { certificate: certificatePem(certificate), privateKey: await keyPem(keys.privateKey) };
}

/** A server certificate for loopback and, if it is another name, `publicHost`. */
export function issueServerCertificate(
  authority: KeyedCertificate,
  publicHost: string,
): Promise<KeyedCertificate> {
  const names: JsonGeneralName[] = [
    { type: 'dns', value: 'localhost' },
    { type: 'ip', value: '127.0.0.1' },
    { type: 'ip', value: '::1' },
  ];
  if (/^\d+\.\d+\.\d+\.\d+$/.test(publicHost)) names.push({ type: 'ip', value: publicHost });
  else if (publicHost !== 'localhost') names.push({ type: 'dns', value: publicHost });
  return issue(authority, [{ CN: [publicHost] }], ExtendedKeyUsage.serverAuth, names);
}

/** A push certificate as Apple makes them: the topic as UID and in the common name. */
export function issuePushCertificate(
  authority: KeyedCertificate,
  topic: string,
): Promise<KeyedCertificate> {
  const subject: JsonName = [{ [USER_ID]: [topic] }, { CN: [`Apple Push Services: ${topic}`] }];
  return issue(authority, subject, ExtendedKeyUsage.clientAuth, []);
}

async function issue(
  authority: KeyedCertificate,
  subject: JsonName,
  usage: ExtendedKeyUsage,
  names: JsonGeneralName[],
): Promise<KeyedCertificate> {
  const issuer = new X509Certificate(authority.certificate);
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    PemConverter.decodeFirst(authority.privateKey),
    ALGORITHM,
    false,
    ['sign'],
  );
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.create({
    subject,
    issuer: issuer.subjectName,
    serialNumber: serialNumber(),
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Math.min(Date.now() + 395 * DAY_MS, issuer.notAfter.getTime())),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([usage]),
      ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return { certificate: certificatePem(certificate), privateKey: await keyPem(keys.privateKey) };
}

/** With the line end that PEM files have, so that two can simply be put together. */
function certificatePem(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${PemConverter.encode(der, 'PRIVATE KEY')}\n`;
}

/** 16 random bytes with the top bits `01`, so that the number is positive and its length fixed. */
function serialNumber(): string {
  const bytes = Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}
