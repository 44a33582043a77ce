import { randomFillSync } from 'node:crypto';
import { fromUUID, fromString, toUUID } from 'typeid-js';
import { v7 } from 'uuid';

/**
 * Ids are UUIDv7 in `uuid` columns; text exists only at the edge: a TypeID (prefix + `_` + 26
 * characters of Crockford base32), or for accounts `AC` + 32 hex digits, as the public contract has
 * it. See docs/adr/0004-id-scheme.md.
 */
export const ID_PREFIX = {
  operation: 'comms_operation',
  pushNotification: 'comms_pushnotification',
  user: 'comms_pushnotificationuser',
  credential: 'comms_credential',
  deviceRegistration: 'comms_device_registration',
} as const;

export type IdKind = keyof typeof ID_PREFIX;

/** A lower-case UUID with dashes. */
export type Uuid = string;

/** Random bytes for many ids at once: a call into the operating system's source costs more than an id. */
const POOLED_IDS = 512;
const pool = new Uint8Array(POOLED_IDS * 16);
const draws = Array.from({ length: POOLED_IDS }, (_, at) => pool.subarray(at * 16, at * 16 + 16));
let drawn = POOLED_IDS;

/** Sixteen random bytes, given to one id only. */
function draw(): Uint8Array {
  if (drawn === POOLED_IDS) {
    randomFillSync(pool);
    drawn = 0;
  }
  return draws[drawn++] as Uint8Array;
}

let msecs = -Infinity;
let seq = 0;

/**
 * A new UUIDv7: sorts by time, and within one process strictly, also inside a millisecond and when the
 * clock is set back. `uuid` keeps that order only with its own source of random bytes, so the 32-bit
 * sequence (RFC 9562, 6.2, method 1) is counted here.
 */
export function newId(): Uuid {
  const random = draw();
  const now = Date.now();
  if (now > msecs) {
    msecs = now;
    // The top bit stays free: room to count up in.
    seq = new DataView(random.buffer, random.byteOffset).getUint32(6) & 0x7f_ff_ff_ff;
  } else {
    seq = (seq + 1) | 0;
    if (seq === 0) msecs++;
  }
  return v7({ random, msecs, seq });
}

/** The id as the public contract writes it. */
export function formatId(kind: IdKind, id: Uuid): string {
  return fromUUID(id, ID_PREFIX[kind]);
}

/**
 * @returns the UUID, or null when the text is not an id of that kind: malformed, over-long, upper
 *   case or of another kind. Callers treat null as an unknown id.
 */
export function parseId(kind: IdKind, text: string): Uuid | null {
  // A TypeID has one length; checking it first keeps hostile text away from the decoder.
  if (text.length !== ID_PREFIX[kind].length + 27) return null;
  try {
    return toUUID(fromString(text, ID_PREFIX[kind]));
  } catch {
    return null;
  }
}

/** `AC` + 32 hex digits. */
export function formatAccountId(id: Uuid): string {
  return 'AC' + id.replaceAll('-', '');
}

/** @returns the UUID, or null when the text is no account id. */
export function parseAccountId(text: string): Uuid | null {
  return parseSid('AC', text);
}

/** `SK` + 32 hex digits. */
export function formatApiKeyId(id: Uuid): string {
  return 'SK' + id.replaceAll('-', '');
}

/** @returns the UUID, or null when the text is no API key id. */
export function parseApiKeyId(text: string): Uuid | null {
  return parseSid('SK', text);
}

function parseSid(prefix: 'AC' | 'SK', text: string): Uuid | null {
  if (text.length !== 34 || !text.startsWith(prefix)) return null;
  const hex = /^[0-9a-f]{32}$/.exec(text.slice(2).toLowerCase())?.[0];
  return hex === undefined ? null : hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** When a UUIDv7 was made: its first 48 bits, milliseconds since the epoch. */
export function instantOfId(id: Uuid): Date {
  return new Date(parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
}

/** The smallest UUIDv7-shaped value of an instant, to turn date filters into id ranges. */
export function lowestIdAt(instant: Date): Uuid {
  const hex = Math.max(0, instant.getTime()).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-0000-0000-000000000000`;
}
