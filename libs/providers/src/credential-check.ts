import type { Outcome } from '@app/domain';
import type { CheckResult } from './port.js';

/**
 * What the answer to a request that delivers nothing says about the credential it was made with.
 *
 * @param outcome as for a push; a complaint about the device token means that everything before it,
 *   who we are and what we may, was found right.
 */
export function checkResult(outcome: Outcome): CheckResult {
  switch (outcome.kind) {
    case 'accepted':
    case 'invalid-token':
    case 'unregistered':
      return { ok: true, conclusive: true, detail: 'The provider accepts this credential.' };
    case 'credential':
      return { ok: false, conclusive: true, detail: `Refused: ${words(outcome)}` };
    case 'payload':
    case 'retry':
    case 'unknown':
    case 'not-sent':
      return { ok: false, conclusive: false, detail: `Could not be checked: ${words(outcome)}` };
    default:
      return outcome satisfies never;
  }
}

function words({ status, reason, message }: Exclude<Outcome, { kind: 'accepted' }>): string {
  const name =
    status === undefined || reason.includes(String(status)) ? reason : `${status} ${reason}`;
  return message === '' || message === reason ? name : `${name}: ${message}`;
}
