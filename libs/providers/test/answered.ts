import type { Answered } from '../src/http2/exchange.js';

/** An answer as the transport would hand it over. */
export function answered(
  status: number,
  body = '',
  headers: Record<string, string> = {},
): Answered {
  return {
    kind: 'answered',
    status,
    headers: { ':status': String(status), ...headers },
    body,
    connection: { free: 0, drain: () => {} },
  };
}
