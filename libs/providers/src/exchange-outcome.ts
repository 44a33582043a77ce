import type { Outcome } from '@app/domain';
import type { Answered, Exchange } from './http2/exchange.js';

const MAX_MESSAGE = 500;

/**
 * Provider text as it may be kept: no control characters, well-formed, at most 500 characters, and
 * without the device token, which some answers repeat.
 */
export function cleanMessage(text: string, token: string): string {
  const withoutToken = token.length >= 4 ? text.replaceAll(token, '[token]') : text;
  return (
    withoutToken
      .toWellFormed()
      // eslint-disable-next-line no-control-regex
      .replace(/[\u0000-\u001f\u007f]+/g, ' ')
      .trim()
      .slice(0, MAX_MESSAGE)
      .toWellFormed()
  );
}

/** What an exchange without a whole answer means; the same for every provider. */
export function unansweredOutcome(exchange: Exclude<Exchange, Answered>): Outcome {
  switch (exchange.kind) {
    case 'lost':
      return {
        kind: 'unknown',
        reason: exchange.reason,
        message: exchange.message,
        ...(exchange.status === undefined ? {} : { status: exchange.status }),
      };
    case 'not-sent':
      return exchange;
    case 'unsendable':
      return {
        kind: 'payload',
        reason: 'invalid-header',
        message: `The header ${exchange.header} has a value that HTTP does not allow`,
      };
    case 'certificate-refused':
      return {
        kind: 'credential',
        unsent: true,
        reason: 'certificate-refused',
        message: exchange.message,
      };
  }
}

/** The answer of our own to a message that no provider would take. */
export function tooLarge(bytes: number, limit: number): Outcome {
  return {
    kind: 'payload',
    failure: 'PAYLOAD_TOO_LARGE',
    reason: 'payload-too-large',
    message: `The rendered message has ${bytes} bytes, the limit is ${limit}`,
  };
}

/** The rest of an attempt's time is over before a request went out. */
export function outOfTime(reason: string, message: string): Outcome {
  return { kind: 'not-sent', reason, message, afterMs: 1_000 };
}
