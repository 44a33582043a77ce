import type { Backoff, Outcome, PayloadOutcome, RetryOutcome } from '@app/domain';
import type { Answered } from './http2/exchange.js';
import { retryAfterMs } from './retry-after.js';

/** What a row decides. Mirrors `Outcome`; what only an adapter can do has kinds of its own. */
export type Verdict =
  | { kind: 'accepted' | 'invalid-token' | 'unregistered' | 'unknown' }
  /** `suspect`: may depend on the push, until three different ones heard it. */
  | { kind: 'credential'; suspect?: true }
  | { kind: 'payload'; failure?: PayloadOutcome['failure']; loud?: true }
  | {
      kind: 'retry';
      scope: RetryOutcome['scope'];
      backoff: RetryOutcome['backoff'];
      /** When the answer has no Retry-After; absent: the back-off decides. */
      afterMs?: number;
      /** The answer's Retry-After does not count. */
      ignoreRetryAfter?: true;
      /** The connection that brought the answer takes no more requests. */
      newSession?: true;
    }
  /** Get a new access token and send once more at once; a second time is `credential`. */
  | { kind: 'renew-token' };

/** One row of a provider's table: first match wins. */
export interface Row<Facts> {
  /** Status and detail, in the provider's words; for `docs/providers.md`. */
  answer: string;
  matches: (facts: Facts) => boolean;
  verdict: Verdict;
}

/** An outcome, or what the adapter has to do first. */
export interface Judged {
  outcome: Outcome;
  renewToken?: true;
  newSession?: true;
  loud?: true;
}

/** What the rows of every provider look at, beside their own. */
export interface AnswerFacts {
  status: number;
  /** False when the body is no JSON object. */
  json: boolean;
  /** Shortest stable name of what happened. */
  reason: string;
  message: string;
  retryAfterMs: number | undefined;
}

/** The back-off of a row that names its first interval: that long at least, and more each time. */
export function backoffFrom(firstMs: number, capMs: number): Backoff {
  return { leastMs: firstMs, baseMs: firstMs, capMs };
}

/** The body as a JSON object, or undefined for everything else (empty, HTML, cut off, a list). */
export function jsonBody(answer: Answered): Record<string, unknown> | undefined {
  if (!answer.body.trimStart().startsWith('{')) return undefined;
  try {
    return JSON.parse(answer.body) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** A response header that must occur once. */
export function headerOf(answer: Answered, name: string): string | undefined {
  const value = answer.headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** The answer's Retry-After in milliseconds. Where it names a date, that is by the clock which wrote its `Date`. */
export function retryAfterOf(answer: Answered, now: Date): number | undefined {
  const saidAt = Date.parse(headerOf(answer, 'date') ?? '');
  const from = Number.isNaN(saidAt) ? now : new Date(saidAt);
  return retryAfterMs(headerOf(answer, 'retry-after'), from);
}

/** Turns a row's verdict into the outcome of this answer. `accepted` is the adapter's own. */
export function judge(
  verdict: Verdict,
  facts: AnswerFacts,
  accepted: () => Outcome,
  since?: Date,
): Judged {
  const { status, reason, message } = facts;
  const said = { status, reason, message };
  switch (verdict.kind) {
    case 'accepted':
      return { outcome: accepted() };
    case 'unregistered':
      return { outcome: { ...said, kind: 'unregistered', ...(since && { since }) } };
    case 'invalid-token':
    case 'unknown':
      return { outcome: { ...said, kind: verdict.kind } };
    case 'credential':
      return {
        outcome: { ...said, kind: 'credential', ...(verdict.suspect && { suspect: true }) },
      };
    case 'renew-token':
      return { outcome: { ...said, kind: 'credential' }, renewToken: true };
    case 'payload': {
      const failure = verdict.failure === undefined ? {} : { failure: verdict.failure };
      const loud = verdict.loud === undefined ? {} : { loud: verdict.loud };
      return { outcome: { ...said, kind: 'payload', ...failure }, ...loud };
    }
    case 'retry': {
      const { scope, backoff, newSession } = verdict;
      const asked = verdict.ignoreRetryAfter ? undefined : facts.retryAfterMs;
      const afterMs = asked ?? verdict.afterMs;
      return {
        outcome: {
          ...said,
          kind: 'retry',
          scope,
          backoff,
          ...(afterMs === undefined ? {} : { afterMs }),
        },
        ...(newSession && { newSession }),
      };
    }
  }
}
