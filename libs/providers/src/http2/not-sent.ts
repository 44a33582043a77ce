import type { ConnectBackoff } from './connect-backoff.js';
import type { NotSent, NotSentReason } from './exchange.js';

/** A refused stream has been tried on other sessions already: a moment later things may be better. */
const REFUSED_WAIT_MS = 1_000;

/** The answer of our own to a request that never reached the peer's application. */
export function notSent(
  reason: NotSentReason,
  slotWaitMs: number,
  backoff: ConnectBackoff,
): NotSent {
  const say = (message: string, afterMs: number): NotSent => {
    return { kind: 'not-sent', reason, message, afterMs };
  };
  switch (reason) {
    case 'no-slot':
      return say('No stream became free in time', slotWaitMs);
    case 'connect-failed': {
      const leftMs = backoff.leftMs(performance.now());
      return say(`The provider cannot be reached: ${backoff.lastFailure}`, leftMs);
    }
    case 'refused':
      return say('The provider refused the stream each time', REFUSED_WAIT_MS);
    case 'closing':
      return say('The transport is closing', 0);
  }
}
