import forge from 'node-forge';
import type { Pkcs12File } from './pkcs12-files.js';

const { asn1, pkcs12, pki } = forge;
const { SEQUENCE, OCTETSTRING, INTEGER, OID } = asn1.Type;
const { UNIVERSAL, CONTEXT_SPECIFIC } = asn1.Class;

type Node = forge.asn1.Asn1;

const PASSPHRASE = 'pässword';
/** A minute of the api's time. */
const MANY = 4_000_000;

const sequence = (...value: Node[]) => asn1.create(UNIVERSAL, SEQUENCE, true, value);
const explicit = (value: Node) => asn1.create(CONTEXT_SPECIFIC, 0, true, [value]);
const oid = (name: string) =>
  asn1.create(UNIVERSAL, OID, false, asn1.oidToDer(pki.oids[name] as string).getBytes());
const whole = (value: number) =>
  asn1.create(UNIVERSAL, INTEGER, false, asn1.integerToDer(value).getBytes());
const bytes = (value: string) => asn1.create(UNIVERSAL, OCTETSTRING, false, value);
const der = (node: Node) => asn1.toDer(node).getBytes();

/** The same bytes as an OCTET STRING of pieces (BER), none of which means anything by itself. */
const inPieces = (value: string) =>
  asn1.create(UNIVERSAL, OCTETSTRING, true, [bytes(value.slice(0, 5)), bytes(value.slice(5))]);

/** What derives a key and opens a box: triple DES by PKCS#12's own derivation. */
const algorithm = (rounds: number) =>
  sequence(oid('pbeWithSHAAnd3-KeyTripleDES-CBC'), sequence(bytes('saltsalt'), whole(rounds)));

/** Safe contents with one encrypted key that asks for so many rounds. Nobody gets to see the key. */
const safeWithKey = (rounds: number) =>
  sequence(
    sequence(
      oid('pkcs8ShroudedKeyBag'),
      explicit(sequence(algorithm(rounds), bytes('x'.repeat(64)))),
    ),
  );

const plainSafe = (contents: Node) => sequence(oid('data'), explicit(bytes(der(contents))));

const encryptedSafe = (contents: Node, passphrase: string, rounds = 1) => {
  const salt = forge.util.createBuffer('saltsalt');
  const derive = (id: number, length: number) => {
    const buffer = forge.util.createBuffer(salt.bytes());
    return pkcs12.generateKey(passphrase, buffer, id, rounds, length);
  };
  const cipher = forge.cipher.createCipher('3DES-CBC', derive(1, 24));
  cipher.start({ iv: derive(2, 8) as never });
  cipher.update(forge.util.createBuffer(der(contents)));
  cipher.finish();
  const sealed = asn1.create(CONTEXT_SPECIFIC, 0, false, cipher.output.getBytes());
  const info = sequence(oid('data'), algorithm(rounds), sealed);
  return sequence(oid('encryptedData'), explicit(sequence(whole(0), info)));
};

/** A file without a checksum, which is optional and so saves its maker the work. */
const file = (content: Node): Pkcs12File => {
  const pfx = sequence(whole(3), sequence(oid('data'), explicit(content)));
  return { passphrase: PASSPHRASE, base64: Buffer.from(der(pfx), 'binary').toString('base64') };
};

const safes = (...all: Node[]) => bytes(der(sequence(...all)));
/** As the library derives the second time, when the passphrase is not plain ASCII. */
const asUtf8 = Buffer.from(PASSPHRASE).toString('latin1');

/** Files that ask for more work than anybody may be asked for. */
export const HOSTILE_PKCS12: Record<string, () => Pkcs12File> = {
  'in the open': () => file(safes(plainSafe(safeWithKey(MANY)))),
  'in an OCTET STRING of pieces': () => file(inPieces(der(sequence(plainSafe(safeWithKey(MANY)))))),
  'inside an encrypted safe': () => file(safes(encryptedSafe(safeWithKey(MANY), PASSPHRASE))),
  'inside one that only the UTF-8 spelling opens': () =>
    file(safes(encryptedSafe(safeWithKey(MANY), asUtf8))),
  'by many that ask for little each': () =>
    file(safes(...Array.from({ length: 200 }, () => plainSafe(safeWithKey(9_000))))),
};
