import { BLAMING_RESETS, defaultRetryPolicy, type Backoff, type Outcome } from '@app/domain';
import { APNS_OUTCOMES } from '../apns/outcomes.js';
import { FCM_OUTCOMES } from '../fcm/outcomes.js';
import { tokenFailure } from '../fcm/access-tokens.js';
import { unansweredOutcome } from '../exchange-outcome.js';
import type { Exchange } from '../http2/exchange.js';
import type { Row, Verdict } from '../outcome-table.js';

/**
 * The text of `docs/providers.md`: what Fanfare does for each answer, from the tables that decide it
 * at run time.
 */
export function providersPage(): string {
  return `# Providers

What Fanfare does for each answer of FCM and APNs. Generated from the tables in \`libs/providers/src/*/outcomes.ts\`
(\`npm run docs:providers\`); rows are tried from the top, the first that fits decides.

A wait "by Retry-After" is as long as the provider asks, plus up to 20 %; a back-off is full-jitter exponential: its first
interval at least, and a random time beyond that, up to as much again, doubled with each attempt, up to its cap
([ADR 7](adr/0007-a-back-off-begins-where-its-provider-says.md)). How often and how long a push is tried again, and how a credential
that waits goes on, is in [states.md](states.md).

## FCM

${table(FCM_OUTCOMES)}

One quota answer of a device becomes one of the whole credential when three different devices got it within 10 seconds.

### Google's token endpoint

${markdown(['answer', 'the push', 'the credential'], TOKEN_ANSWERS.map(tokenRow))}

## APNs

${table(APNS_OUTCOMES)}

An expired provider token is signed anew only when it is at least 20 minutes old, Apple's limit over all servers of a
team. A younger one that is called expired means that a clock is wrong: the credential waits and its error says so.

A 410 names the instant since when the token is dead. Where the same token was registered after that, the push is FAILED
as one whose token does not fit, and the registration stays.

What may be about one push alone is about the whole credential once three different pushes without overrides got it within
six hours and none was accepted meanwhile.

## Both: no whole answer

${markdown(['what happened', 'the push', 'an attempt is counted'], UNANSWERED.map(unansweredRow))}

A push whose stream was reset with ${BLAMING_RESETS.map((reason) => `\`${reason}\``).join(' or ')} twice is FAILED: it would break every connection.
`;
}

function table<Facts>(rows: readonly Row<Facts>[]): string {
  const cells = rows.map(({ answer, verdict }) => [
    answer,
    theDeed(verdict),
    theWait(verdict),
    theScope(verdict),
  ]);
  return markdown(['answer', 'the push', 'wait', 'beside it'], cells);
}

function theDeed(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'accepted':
      return 'SENT';
    case 'unregistered':
      return 'FAILED, the token is dead';
    case 'invalid-token':
      return 'FAILED, the token does not fit';
    case 'payload':
      return `FAILED${verdict.failure === undefined ? '' : `, \`${verdict.failure}\``}`;
    case 'credential':
      return 'waits, no attempt counted';
    case 'renew-token':
      return 'sent again at once with a new token; refused again it waits, no attempt counted';
    case 'retry':
      return verdict.newSession ? 'sent again on a new connection' : 'sent again';
    case 'unknown':
      return 'nobody knows: sent again, three times at most';
    default:
      return verdict satisfies never;
  }
}

function theWait(verdict: Verdict): string {
  if (verdict.kind === 'credential' && verdict.suspect) {
    return span(defaultRetryPolicy.refusedBackoff.baseMs);
  }
  if (verdict.kind !== 'retry') return '';
  const { backoff, afterMs, ignoreRetryAfter } = verdict;
  const ours = afterMs === undefined ? wordsOf(backoff) : afterMs === 0 ? 'none' : span(afterMs);
  return ignoreRetryAfter ? ours : `by Retry-After, else ${ours}`;
}

/** The APNs or web-push key inside Firebase is missing: only the operator can help. */
const WARNED = 'its credential shows a warning; other devices go on';

function theScope(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'unregistered':
      return 'a registered device with this token is retired, unless it registered later';
    case 'credential':
      return verdict.suspect
        ? 'the whole credential waits once three different pushes got it'
        : 'the whole credential waits';
    case 'renew-token':
      return 'the whole credential waits';
    case 'retry':
      return verdict.scope === 'credential' ? 'the whole credential waits' : '';
    case 'payload':
      if (verdict.failure === 'THIRD_PARTY_AUTH') return WARNED;
      return verdict.loud ? 'logged as a fault of ours' : '';
    case 'accepted':
    case 'invalid-token':
    case 'unknown':
      return '';
    default:
      return verdict satisfies never;
  }
}

const TOKEN_ANSWERS: [answer: string, error: unknown][] = [
  ...['invalid_grant', 'invalid_client', 'unauthorized_client'].map((error): [string, unknown] => [
    `\`${error}\``,
    { response: { status: 400, data: { error } } },
  ]),
  ['429', { response: { status: 429, data: {} } }],
  ['5xx', { response: { status: 503, data: {} } }],
  ['unreachable, no answer in time', {}],
];

function tokenRow([answer, error]: [string, unknown]): string[] {
  const outcome = tokenFailure(error, new Date(0));
  switch (outcome.kind) {
    case 'credential':
      return [answer, 'waits, no attempt counted', 'waits'];
    case 'retry': {
      const wait = `by Retry-After, else ${wordsOf(outcome.backoff)}`;
      return [
        answer,
        `given back, no attempt counted, ${wait}`,
        'waits; a token that is still valid stays in use',
      ];
    }
    default:
      throw new Error(`No words for ${outcome.kind}`);
  }
}

const lost = (reason: string): Exchange => ({ kind: 'lost', reason, message: '' });
const notSent = (reason: 'no-slot' | 'connect-failed' | 'refused' | 'closing'): Exchange => ({
  kind: 'not-sent',
  reason,
  message: '',
  afterMs: 0,
});
const UNANSWERED: [what: string, exchange: Exchange][] = [
  ['no answer before the deadline', lost('deadline')],
  ['the connection ended with the request on it', lost('connection-lost')],
  ['given up with the request on it: the grace period of a stop ends', lost('connection-lost')],
  ['RST_STREAM, any code but REFUSED_STREAM', lost('RST_CANCEL')],
  ['REFUSED_STREAM, or above the last stream of a GOAWAY, four times', notSent('refused')],
  ['never connected: refused, reset, DNS, TLS, time-out', notSent('connect-failed')],
  ['no stream free within a second', notSent('no-slot')],
  ['Fanfare is stopping', notSent('closing')],
  ['a TLS alert about our client certificate', { kind: 'certificate-refused', message: '' }],
  ['a header that HTTP does not allow', { kind: 'unsendable', header: 'x' }],
];

function unansweredRow([what, exchange]: [string, Exchange]): string[] {
  if (exchange.kind === 'answered') throw new Error('This has an answer');
  const { kind } = unansweredOutcome(exchange);
  return [
    what,
    WITHOUT_ANSWER[kind] ?? kind,
    kind === 'unknown' || kind === 'payload' ? 'yes' : 'no',
  ];
}

const WITHOUT_ANSWER: Partial<Record<Outcome['kind'], string>> = {
  unknown: 'may have been delivered: sent again, three times at most, or FAILED with at-most-once',
  'not-sent': 'was certainly not delivered: given back',
  credential: 'waits, and so does the whole credential',
  payload: 'FAILED',
};

function wordsOf({ leastMs, baseMs, capMs }: Backoff): string {
  return leastMs === 0
    ? `back-off from 0 to ${span(baseMs)}, later to ${span(capMs)}`
    : `back-off from ${span(leastMs)} to ${span(leastMs + baseMs)}, later to ${span(capMs)}`;
}

function span(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1_000} s`;
}

function markdown(head: string[], rows: string[][]): string {
  const all = [head, ...rows];
  const widths = head.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  const line = (cells: string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}
