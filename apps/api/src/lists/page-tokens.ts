import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { InvalidRequest } from '@app/domain';
import type { Uuid } from '@app/domain';

/** Where a page begins and what it lists. */
export interface PagePlace {
  /** Which list, so that a token of another one is refused. */
  list: string;
  before: Uuid | null;
  pageSize: number;
  /** Filters in force; dates as ISO text. */
  filters: Record<string, string>;
}

const MAC_BYTES = 16;

/**
 * Page tokens: opaque to callers, carrying place and filters, signed for one account. All replicas
 * share the encryption keys, so each takes the others' tokens; the newest key signs, all verify.
 */
export class PageTokens {
  private readonly keys: readonly Buffer[];

  constructor(encryptionKeys: readonly { key: Buffer }[]) {
    this.keys = encryptionKeys.map(({ key }) =>
      Buffer.from(hkdfSync('sha256', key, '', 'fanfare page token', 32)),
    );
  }

  seal(accountId: Uuid, { list, before, pageSize, filters }: PagePlace): string {
    const payload = Buffer.from(JSON.stringify([list, before, pageSize, filters]));
    const [key] = this.keys;
    if (key === undefined) throw new Error('There is no key to sign page tokens with.');
    return Buffer.concat([mac(key, accountId, payload), payload]).toString('base64url');
  }

  /** @throws InvalidRequest at `$.pageToken` when the token is forged or another list's. */
  open(accountId: Uuid, list: string, token: string): PagePlace {
    const bytes = Buffer.from(token, 'base64url');
    const payload = bytes.subarray(MAC_BYTES);
    const given = bytes.subarray(0, MAC_BYTES);
    const genuine =
      given.length === MAC_BYTES &&
      bytes.toString('base64url') === token &&
      this.keys.some((key) => timingSafeEqual(mac(key, accountId, payload), given));
    const place = genuine ? placeOf(payload) : null;
    if (place?.list === list) return place;
    throw new InvalidRequest([
      { message: 'The page token is not one of this list.', context: '$.pageToken' },
    ]);
  }
}

function mac(key: Buffer, accountId: Uuid, payload: Buffer): Buffer {
  return createHmac('sha256', key)
    .update(accountId)
    .update('\0')
    .update(payload)
    .digest()
    .subarray(0, MAC_BYTES);
}

/** Only we can have made the payload. */
function placeOf(payload: Buffer): PagePlace {
  const [list, before, pageSize, filters] = JSON.parse(payload.toString()) as [
    string,
    Uuid | null,
    number,
    Record<string, string>,
  ];
  return { list, before, pageSize, filters };
}
