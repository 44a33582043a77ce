import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Printable, short, and nothing that could break a log line or a header. */
const SANE = /^[A-Za-z0-9._~:/+=-]{1,128}$/;

/** The caller's own `X-Request-Id` when it is sane, else a new one. */
export function requestId(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && SANE.test(given) ? given : randomUUID();
}
