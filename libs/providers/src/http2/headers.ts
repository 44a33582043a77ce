/**
 * Names and values in turn. Node takes it as it is; an object it copies into a dictionary, which lives as long
 * as the stream and is a good part of what a request costs.
 */
export type HeaderList = readonly string[];

// RFC 9110 section 5.5 allows obs-text (0x80-0xff) only for old peers; what we send is visible
// ASCII, spaces and tabs, neither first nor last. Everything else would make the peer reset the
// stream, or smuggle a second header into a peer that speaks HTTP/1.1 behind its front.
const FIELD_VALUE = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/;
const FIELD_NAME = /^:?[a-z0-9!#$%&'*+.^_`|~-]+$/;

/**
 * The name of the first header that must not be put on the wire, or undefined.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#section-5.5
 */
export function invalidHeader(headers: HeaderList): string | undefined {
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? '';
    if (!isFieldValue(headers[at + 1] ?? '') || !FIELD_NAME.test(name)) return name;
  }
  return undefined;
}

/** Whether a header can carry the text unchanged. */
export function isFieldValue(text: string): boolean {
  return FIELD_VALUE.test(text);
}

/**
 * Headers that all requests of a credential share, with its authorization: the same frozen list as long as that
 * is the same, so that a pool checks it once.
 */
export class SharedHeaders {
  private readonly headers: HeaderList;
  private authorization: string | undefined;
  private list: HeaderList;

  constructor(headers: Readonly<Record<string, string>>) {
    this.headers = Object.entries(headers).flat();
    this.list = Object.freeze([...this.headers]);
  }

  /** @param authorization undefined: who sends is known by the connection's certificate. */
  with(authorization: string | undefined): HeaderList {
    if (authorization !== this.authorization) {
      const more = authorization === undefined ? [] : ['authorization', authorization];
      this.list = Object.freeze([...this.headers, ...more]);
      this.authorization = authorization;
    }
    return this.list;
  }
}

/** A longer segment would press against the header limits of any server. */
const MAX_SEGMENT = 4_096;

/**
 * Opaque text from outside as one segment of a path, or undefined when no encoding makes it one:
 * empty, a dot segment (which every hop may resolve, encoded or not), half a surrogate pair, or
 * over 4,096 characters once encoded.
 */
export function pathSegment(text: string): string | undefined {
  if (text === '' || text === '.' || text === '..' || !text.isWellFormed()) return undefined;
  const encoded = encodeURIComponent(text);
  return encoded.length > MAX_SEGMENT ? undefined : encoded;
}
