import { X509Certificate, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { makeCertificate } from '../test/certificates.js';
import type { KeyedCertificate } from '../test/certificates.js';
import { HOSTILE_PKCS12 } from '../test/hostile-pkcs12.js';
import { PKCS12 } from '../test/pkcs12-files.js';
import type { Pkcs12File } from '../test/pkcs12-files.js';
import { parseApnCredential, parseFcmCredential } from './checks.js';

const PKCS8 = { format: 'pem', type: 'pkcs8' } as const;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const weak = generateKeyPairSync('rsa', { modulusLength: 1_024 });
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });

const base64 = (text: string) => Buffer.from(text).toString('base64');

function account(change: Record<string, unknown> = {}) {
  return {
    type: 'service_account',
    project_id: 'demo-project',
    client_email: 'push@demo-project.iam.gserviceaccount.com',
    private_key: rsa.privateKey.export(PKCS8),
    private_key_id: 'abc123',
    token_uri: 'https://evil.example/token',
    ...change,
  };
}

const fcm = (change?: Record<string, unknown>) =>
  parseFcmCredential({ privateKey: base64(JSON.stringify(account(change))) });

describe('parseFcmCredential', () => {
  it('takes a service account, and nothing of its token_uri', () => {
    const checked = fcm();
    expect(checked).toEqual({
      content: {
        kind: 'service-account',
        projectId: 'demo-project',
        clientEmail: 'push@demo-project.iam.gserviceaccount.com',
        privateKey: rsa.privateKey.export(PKCS8),
        privateKeyId: 'abc123',
      },
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(JSON.stringify(checked)).not.toContain('evil');
  });

  it('takes base64 with line breaks and a legacy project of a domain', () => {
    const text = base64(JSON.stringify(account({ project_id: 'example.com:my-project' })));
    const wrapped = text.replace(/.{64}/g, '$&\n');
    expect(parseFcmCredential({ privateKey: wrapped })).toMatchObject({
      content: { projectId: 'example.com:my-project' },
    });
  });

  it.each([
    ['no object', undefined],
    ['no field', {}],
    ['an empty field', { privateKey: '' }],
    ['not base64', { privateKey: '{"a":1}' }],
    ['base64url', { privateKey: 'a-_a' }],
    ['not JSON', { privateKey: base64('hello') }],
    ['a JSON list', { privateKey: base64('[]') }],
    ['binary', { privateKey: Buffer.from([0, 255, 254]).toString('base64') }],
  ])('refuses %s', (_, content) => {
    expect(parseFcmCredential(content)).toMatchObject({ faults: [{ path: ['privateKey'] }] });
  });

  it.each([
    ['another type', { type: 'authorized_user' }],
    ['no project', { project_id: undefined }],
    ['a project with a slash', { project_id: 'demo/../other' }],
    ['a short project', { project_id: 'demo' }],
    ['a project in capitals', { project_id: 'Demo-Project' }],
    ['no e-mail', { client_email: 'nobody' }],
    ['an e-mail with a line break', { client_email: 'a\n@b.c' }],
    ['no key', { private_key: undefined }],
    ['a broken key', { private_key: '-----BEGIN PRIVATE KEY-----\nxx\n-----END PRIVATE KEY-----' }],
    ['a short key', { private_key: weak.privateKey.export(PKCS8) }],
    ['an EC key', { private_key: p256.privateKey.export(PKCS8) }],
  ])('refuses %s, without repeating a secret', (_, change) => {
    const checked = fcm(change);
    expect(checked).toMatchObject({ faults: [{ path: ['privateKey'] }] });
    expect(JSON.stringify(checked)).not.toContain('BEGIN');
  });

  it('names every fault at once', () => {
    const checked = fcm({ project_id: '/', client_email: '/', private_key: '/' });
    expect(checked).toHaveProperty('faults.length', 3);
  });
});

describe('parseApnCredential with a signing key', () => {
  const good = {
    signingKey: base64(p256.privateKey.export(PKCS8).toString()),
    keyId: 'ABC123DEFG',
    teamId: 'DEF123GHIJ',
    topic: 'com.example.app',
  };

  it('takes a .p8', () => {
    expect(parseApnCredential(good)).toEqual({
      content: {
        kind: 'token',
        signingKey: p256.privateKey.export(PKCS8),
        keyId: 'ABC123DEFG',
        teamId: 'DEF123GHIJ',
        topic: 'com.example.app',
      },
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it.each([
    ['signingKey', 'x'],
    ['signingKey', base64(p384.privateKey.export(PKCS8).toString())],
    ['signingKey', base64(rsa.privateKey.export(PKCS8).toString())],
    [
      'signingKey',
      base64(
        p256.privateKey
          .export({ ...PKCS8, cipher: 'aes-256-cbc', passphrase: 'secret' })
          .toString(),
      ),
    ],
    ['keyId', 'short'],
    ['keyId', undefined],
    ['teamId', '../../../..'],
    ['topic', 'com.example/app'],
    ['topic', ''],
    ['privateKey', 'x'],
  ])('refuses a wrong %s', (field, value) => {
    expect(parseApnCredential({ ...good, [field]: value })).toMatchObject({
      faults: [{ path: [field] }],
    });
  });
});

describe('parseApnCredential with a certificate', () => {
  const UID = 'com.example.app';
  let own: KeyedCertificate;
  let other: KeyedCertificate;
  beforeAll(async () => {
    own = await makeCertificate({ uid: UID });
    other = await makeCertificate();
  });
  const upload = (pair: KeyedCertificate, rest: Record<string, unknown> = {}) =>
    parseApnCredential({
      certificate: base64(pair.certificate),
      privateKey: base64(pair.privateKey),
      ...rest,
    });

  it('takes PEM, with the topic of its UID and its end', () => {
    expect(upload(own)).toMatchObject({
      content: { kind: 'certificate', topic: UID, privateKey: own.privateKey + '\n' },
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      expiresAt: expect.any(Date),
    });
  });

  it('puts the leaf first when a chain comes in another order', () => {
    const checked = upload({
      ...own,
      certificate: `Bag Attributes\n${other.certificate}\n${own.certificate}`,
    });
    if ('faults' in checked) throw new Error('refused');
    expect(checked.content).toMatchObject({ topic: UID });
    const { certificate } = checked.content as { certificate: string };
    expect(certificate.replace(/\s/g, '').indexOf(own.certificate.replace(/\s/g, ''))).toBe(0);
  });

  it('offers the topics of Apple’s extension', async () => {
    // SEQUENCE { UTF8String "com.example.app", SEQUENCE { UTF8String "app" },
    //            UTF8String "com.example.app.voip", SEQUENCE { UTF8String "voip" } }
    const utf8 = (text: string) =>
      Buffer.concat([Buffer.from([0x0c, text.length]), Buffer.from(text)]);
    const sequence = (...parts: Buffer[]) => {
      const inner = Buffer.concat(parts);
      return Buffer.concat([Buffer.from([0x30, inner.length]), inner]);
    };
    const topicsExtension = sequence(
      utf8(UID),
      sequence(utf8('app')),
      utf8(`${UID}.voip`),
      sequence(utf8('voip')),
    );
    const pair = await makeCertificate({ uid: UID, topicsExtension });
    expect(upload(pair, { topic: `${UID}.voip` })).toMatchObject({
      content: { topic: `${UID}.voip` },
    });
    expect(upload(pair, { topic: 'voip' })).toMatchObject({ faults: [{ path: ['topic'] }] });
  });

  it.each(['3003', '30820fff', '0c', '30050c7f', ''])(
    'survives a broken topics extension %s',
    async (hex) => {
      const pair = await makeCertificate({ uid: UID, topicsExtension: Buffer.from(hex, 'hex') });
      expect(upload(pair)).toMatchObject({ content: { topic: UID } });
    },
  );

  it('refuses a foreign key, a topic of somebody else, one without a topic, none at all', () => {
    expect(upload({ ...own, privateKey: other.privateKey })).toMatchObject({
      faults: [{ path: ['privateKey'] }],
    });
    expect(upload(own, { topic: 'com.other' })).toMatchObject({ faults: [{ path: ['topic'] }] });
    expect(upload(other)).toMatchObject({ faults: [{ path: ['certificate'] }] });
    expect(upload({ ...own, certificate: 'x' })).toMatchObject({
      faults: [{ path: ['certificate'] }],
    });
    expect(upload({ ...own, privateKey: 'x' })).toMatchObject({
      faults: [{ path: ['privateKey'] }],
    });
    expect(parseApnCredential({})).toMatchObject({
      faults: [{ path: ['certificate'] }, { path: ['privateKey'] }],
    });
  });

  it('refuses one that is over, and one that is still to come', async () => {
    const day = 86_400_000;
    const past = await makeCertificate({
      uid: UID,
      notBefore: new Date(Date.now() - 2 * day),
      notAfter: new Date(Date.now() - day),
    });
    expect(upload(past)).toMatchObject({ faults: [{ path: ['certificate'] }] });
    const future = await makeCertificate({
      uid: UID,
      notBefore: new Date(Date.now() + day),
      notAfter: new Date(Date.now() + 2 * day),
    });
    expect(upload(future)).toMatchObject({ faults: [{ path: ['certificate'] }] });
  });
});

describe('parseApnCredential with a PKCS#12 file', () => {
  const RSA = 'aa5a065bacc5f0831f1bfa172aba6358ad34c66a0c23416552c72d3bb7e37eb8';
  const ACCENTED = 'f5aa95513d11f7dde9edd8725ea3702c2943cfc9697250e5f0ef9e658823cf09';
  const EC = '5a7e10852ae848d56a8fd833e2db1ee1a73730cfa34e65aa43fa073a1400f642';
  const upload = ({ base64: pkcs12, passphrase }: Pkcs12File, rest: Record<string, unknown> = {}) =>
    parseApnCredential({ pkcs12, passphrase, ...rest });

  it.each([
    ['modern', PKCS12.modern, RSA],
    ['legacy', PKCS12.legacy, RSA],
    ['without a passphrase', PKCS12.withoutPassphrase, RSA],
    ['with a key on an elliptic curve', PKCS12.elliptic, EC],
    ['modern, with a passphrase that is not ASCII', PKCS12.accented, ACCENTED],
  ])(
    'turns one that is %s into PEM, byte for byte the same certificate',
    (_, file, fingerprint) => {
      const checked = upload(file);
      if ('faults' in checked) throw new Error(JSON.stringify(checked.faults));
      expect(checked.fingerprint).toBe(fingerprint);
      expect(checked.expiresAt?.getUTCFullYear()).toBeGreaterThan(2_100);
      const { content } = checked;
      if (content.kind !== 'certificate') throw new Error('another kind');
      expect(content.topic).toBe('com.example.app');
      const key = createPrivateKey(content.privateKey);
      expect(new X509Certificate(content.certificate).checkPrivateKey(key)).toBe(true);
    },
  );

  it('takes a file without a passphrase when none is named', () => {
    expect(parseApnCredential({ pkcs12: PKCS12.withoutPassphrase.base64 })).toMatchObject({
      fingerprint: RSA,
    });
  });

  it.each(['modern', 'legacy', 'accented'] as const)(
    'says when the passphrase of a %s one is wrong',
    (name) => {
      const wrong = { ...PKCS12[name], passphrase: 'wrong' };
      expect(upload(wrong)).toEqual({
        faults: [{ path: ['passphrase'], message: 'does not open the PKCS#12 file' }],
      });
    },
  );

  it('does not begin with millions of rounds', () => {
    const begun = performance.now();
    expect(upload(PKCS12.slow)).toMatchObject({ faults: [{ path: ['pkcs12'] }] });
    expect(performance.now() - begun).toBeLessThan(1_000);
  });

  it.each(Object.entries(HOSTILE_PKCS12))(
    'does not begin with millions of rounds that are asked for %s',
    (_, make) => {
      const file = make();
      const begun = performance.now();
      expect(upload(file)).toEqual({
        faults: [
          {
            path: ['pkcs12'],
            message: 'asks for too many rounds of key derivation: export it again',
          },
        ],
      });
      expect(performance.now() - begun).toBeLessThan(2_000);
    },
  );

  it.each([
    ['not base64', { pkcs12: '%' }],
    ['text', { pkcs12: base64('hello') }],
    ['cut off', { pkcs12: PKCS12.modern.base64.slice(0, 400) }],
    ['far too long', { pkcs12: Buffer.alloc(100_000, 0x30).toString('base64') }],
    ['nested without end', { pkcs12: Buffer.alloc(30_000, 0x30).toString('base64') }],
    ['empty', { pkcs12: '' }],
    ['beside a PEM certificate', { pkcs12: PKCS12.modern.base64, certificate: 'x' }],
    ['beside a signing key', { pkcs12: PKCS12.modern.base64, signingKey: 'x' }],
    ['with a passphrase that is no text', { pkcs12: PKCS12.modern.base64, passphrase: 7 }],
    [
      'for a topic of somebody else',
      { pkcs12: PKCS12.legacy.base64, passphrase: 'secret', topic: 'com.other' },
    ],
  ])('refuses one that is %s', (_, content) => {
    const checked = parseApnCredential(content);
    expect(checked).toHaveProperty('faults');
    expect(JSON.stringify(checked)).not.toContain(PKCS12.modern.passphrase);
  });

  it('refuses one that is over', () => {
    const { base64: pkcs12, passphrase } = PKCS12.modern;
    const content = { pkcs12, passphrase };
    expect(parseApnCredential(content, new Date('2200-01-01'))).toMatchObject({
      faults: [{ path: ['pkcs12'], message: expect.stringContaining('expired') }],
    });
  });
});
