import { createHash } from 'node:crypto';
import { isFieldValue } from './http2/headers.js';

/**
 * The `apns-collapse-id` of a collapse key: itself where a header can carry it, else its SHA-256 in hex.
 * Equal keys give equal ids, so later pushes replace earlier ones; and 64 bytes are what Apple takes.
 *
 * @see https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
 */
export function collapseId(key: string): string {
  return isFieldValue(key) ? key : createHash('sha256').update(key).digest('hex');
}
