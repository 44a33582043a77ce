// @peculiar/x509 finds its parts through tsyringe, which needs this before it.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  BasicConstraintsExtension,
  Extension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  cryptoProvider,
} from '@peculiar/x509';

cryptoProvider.set(webcrypto);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

/** Both PEM. */
export interface KeyedCertificate {
  certificate: string;
  privateKey: string;
}

export interface CertificateWish {
  commonName?: string;
  /** Subject UID, as in Apple's certificates. */
  uid?: string;
  /** Value of Apple's topics extension, in DER. */
  topicsExtension?: Buffer;
  notBefore?: Date;
  notAfter?: Date;
}

/** A self-signed certificate for localhost, good as server, client and authority at once. */
export async function makeCertificate(wish: CertificateWish = {}): Promise<KeyedCertificate> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const uid = wish.uid === undefined ? [] : [{ '0.9.2342.19200300.100.1.1': [wish.uid] }];
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [...uid, { CN: [wish.commonName ?? 'localhost'] }],
    serialNumber: '01',
    notBefore: wish.notBefore ?? new Date(Date.now() - DAY_MS),
    notAfter: wish.notAfter ?? new Date(Date.now() + DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ]),
      ...(wish.topicsExtension === undefined
        ? []
        : [new Extension('1.2.840.113635.100.6.3.6', false, wish.topicsExtension)]),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    certificate: certificate.toString('pem'),
    privateKey: PemConverter.encode(pkcs8, 'PRIVATE KEY'),
  };
}
