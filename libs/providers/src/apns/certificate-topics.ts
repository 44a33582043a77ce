import type { X509Certificate } from 'node:crypto';

/** OBJECT IDENTIFIER 1.2.840.113635.100.6.3.6: the topics of an Apple push certificate, in DER. */
const TOPICS_OID = Buffer.from('060a2a864886f76364060306', 'hex');
const OCTET_STRING = 0x04;
const SEQUENCE = 0x30;
const UTF8_STRING = 0x0c;

/**
 * The bundle ids that an Apple push certificate may send for: the UID of its subject, then what its
 * topics extension lists (`SEQUENCE { topic, SEQUENCE OF name, … }`).
 */
export function certificateTopics(certificate: X509Certificate): string[] {
  const uid = /^UID=(.+)$/m.exec(certificate.subject)?.[1];
  const topics = new Set(uid === undefined ? [] : [uid]);
  const at = certificate.raw.indexOf(TOPICS_OID);
  if (at === -1) return [...topics];
  const octets = readDer(certificate.raw, at + TOPICS_OID.length, OCTET_STRING);
  const list = octets && readDer(octets, 0, SEQUENCE);
  for (let rest = list; rest !== undefined && rest.length > 0;) {
    const tag = rest[0] as number;
    const value = readDer(rest, 0, tag);
    if (value === undefined) break;
    if (tag === UTF8_STRING) topics.add(value.toString('utf8'));
    rest = rest.subarray(value.byteOffset - rest.byteOffset + value.length);
  }
  return [...topics];
}

/** The content of the DER value at `offset`, or undefined when it is another tag or cut off. */
function readDer(bytes: Buffer, offset: number, tag: number): Buffer | undefined {
  const first = bytes[offset + 1];
  if (bytes[offset] !== tag || first === undefined) return undefined;
  let start = offset + 2;
  let length = first;
  if (first >= 0x80) {
    const size = first - 0x80;
    if (size === 0 || size > 3 || start + size > bytes.length) return undefined;
    length = bytes.readUIntBE(start, size);
    start += size;
  }
  return start + length <= bytes.length ? bytes.subarray(start, start + length) : undefined;
}
