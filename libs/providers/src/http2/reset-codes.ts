import { constants } from 'node:http2';

// RFC 9113 section 7
const NAMES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
] as const;

const BY_CODE = new Map<number, string>(NAMES.map((name) => [constants[`NGHTTP2_${name}`], name]));

/** The name of an HTTP/2 error code; the number itself for one that nobody has named. */
export function resetName(code: number): string {
  return BY_CODE.get(code) ?? String(code);
}
