import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

export interface EncryptionKey {
  id: string;
  /** 32 bytes. */
  key: Buffer;
}

const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Its key is not in the ring, or the record was altered or moved. The message names the key id, never content. */
export class SecretDoesNotOpen extends Error {}

/**
 * Seals secrets with AES-256-GCM under the first key of the ring and opens them with whichever key
 * sealed them. The record is: format (1 byte), length of the key id (1), key id, nonce (12),
 * tag (16), ciphertext. The associated data ties a record to its place: copied to another row it
 * does not open.
 */
export class SecretBox {
  private readonly sealing: EncryptionKey;
  private readonly ring: ReadonlyMap<string, Buffer>;

  /** @throws Error when the ring is empty. */
  constructor(keys: readonly EncryptionKey[]) {
    const [first] = keys;
    if (first === undefined) throw new Error('The encryption key ring is empty.');
    this.sealing = first;
    this.ring = new Map(keys.map(({ id, key }) => [id, key]));
  }

  seal(secret: string, associated: string): Buffer<ArrayBuffer> {
    const keyId = Buffer.from(this.sealing.id, 'utf8');
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.sealing.key, nonce);
    cipher.setAAD(Buffer.from(associated, 'utf8'));
    const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    const head = Buffer.from([FORMAT, keyId.length]);
    return Buffer.concat([head, keyId, nonce, cipher.getAuthTag(), sealed]);
  }

  /** @throws SecretDoesNotOpen */
  open(record: Uint8Array, associated: string): string {
    const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
    const keyEnd = 2 + (bytes[1] ?? 0);
    const keyId = bytes.toString('utf8', 2, keyEnd);
    const key = this.ring.get(keyId);
    if (bytes[0] !== FORMAT || key === undefined) {
      throw new SecretDoesNotOpen(
        `No encryption key "${keyId}" is configured for a stored secret.`,
      );
    }
    const tagStart = keyEnd + NONCE_BYTES;
    const cipherStart = tagStart + TAG_BYTES;
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(keyEnd, tagStart));
      decipher.setAAD(Buffer.from(associated, 'utf8'));
      decipher.setAuthTag(bytes.subarray(tagStart, cipherStart));
      return (
        decipher.update(bytes.subarray(cipherStart), undefined, 'utf8') + decipher.final('utf8')
      );
    } catch {
      throw new SecretDoesNotOpen(
        `A secret sealed with key "${keyId}" does not open: altered or out of place.`,
      );
    }
  }
}
