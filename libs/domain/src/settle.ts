import type { Random } from './clock.js';
import { FAILURES, type FailureName } from './errors.js';
import { BLAMING_RESETS, type Answer, type Outcome, type Pause } from './outcome.js';
import type { Attempt } from './push-notification.js';
import { backoffMs, obeyRetryAfterMs, type RetryPolicy } from './retry-policy.js';

/** What `settle` needs to know of a push. */
export interface PushState {
  /** Counted attempts so far, and among them those whose outcome is unknown. */
  attemptCount: number;
  unknownCount: number;
  /** One of the unknown ones blamed this push; see `BLAMING_RESETS`. */
  wasBlamed: boolean;
  /** Of the counted ones. */
  firstAttemptAt: Date | null;
  expiresAt: Date;
  /** `ttlSeconds: 0`: exactly one attempt, whenever its turn comes. */
  immediate: boolean;
}

/** The next state of a push, to be committed. Made by the named transitions below only. */
export interface Settlement {
  to: 'SENT' | 'FAILED' | 'QUEUED';
  /** For QUEUED: milliseconds until it is due again. */
  dueInMs: number;
  /** Whether the try counts as an attempt. */
  counted: boolean;
  /** Whether the try counts among the unknown ones. */
  unknown: boolean;
  error: { code: number; message: string } | null;
  providerMessageId: string | null;
  /** The token is dead: retire its registration if it was there before this instant. */
  retire: { since: Date | null } | null;
  /** The credential itself was refused, or all of it has to wait. */
  pause: Pause | null;
}

const UNCHANGED: Omit<Settlement, 'to'> = {
  dueInMs: 0,
  counted: false,
  unknown: false,
  error: null,
  providerMessageId: null,
  retire: null,
  pause: null,
};

/** QUEUED → SENT: the provider accepted it. */
export function sent(providerMessageId: string): Settlement {
  return {
    ...UNCHANGED,
    to: 'SENT',
    counted: true,
    providerMessageId: cleanText(providerMessageId),
  };
}

/** QUEUED → FAILED, with a code of the catalogue and the provider's words. */
export function failed(failure: FailureName, detail = ''): Settlement {
  const { code, sentence } = FAILURES[failure];
  const words = cleanText(detail);
  return {
    ...UNCHANGED,
    to: 'FAILED',
    counted: true,
    error: { code, message: words === '' ? sentence : `${sentence} ${words}` },
  };
}

/** QUEUED → QUEUED: due again in `dueInMs`, one attempt counted. */
export function rescheduled(dueInMs: number): Settlement {
  return { ...UNCHANGED, to: 'QUEUED', counted: true, dueInMs };
}

/** QUEUED → QUEUED: the claim is given back as if it had not been, no attempt burnt. */
export function released(dueInMs: number): Settlement {
  return { ...UNCHANGED, to: 'QUEUED', dueInMs };
}

/**
 * What an outcome means for a push: the one place that switches on it. Pure.
 *
 * Our own retries end at min(expiry, retry window after the first counted attempt), waiting included. A push
 * that was never counted ends with its time to live.
 *
 * @param now when the answer came.
 */
export function settle(
  push: PushState,
  outcome: Outcome,
  policy: RetryPolicy,
  now: Date,
  random: Random,
): Settlement {
  switch (outcome.kind) {
    case 'accepted':
      return sent(outcome.providerMessageId);
    case 'unregistered':
      return {
        ...failed('UNREGISTERED', words(outcome)),
        retire: { since: outcome.since ?? null },
      };
    case 'invalid-token':
      return { ...failed('INVALID_TOKEN', words(outcome)), counted: wasSent(outcome) };
    case 'payload':
      return {
        ...failed(outcome.failure ?? 'PAYLOAD_REJECTED', words(outcome)),
        counted: wasSent(outcome),
      };
    case 'credential': {
      const { refusedBackoff: backoff } = policy;
      // Behind a pause it is due at once: the pause is what it waits for.
      const wait = released(outcome.suspect ? backoff.baseMs : 0);
      const tried = outcome.unsent !== true;
      const next = withinTime(push, wait, tried, 'CREDENTIAL_REJECTED', outcome, policy, now);
      if (outcome.suspect) return next;
      const reason = words(outcome);
      return {
        ...next,
        pause: { kind: 'refused', afterMs: null, backoff, jitter: random(), reason },
      };
    }
    case 'retry': {
      // At once is for once: a peer that keeps saying so gets a rest too.
      const rests =
        outcome.afterMs === undefined || (outcome.afterMs === 0 && push.attemptCount > 0);
      const wait = rests
        ? backoffMs(outcome.backoff, push.attemptCount, random)
        : obeyRetryAfterMs(outcome.afterMs ?? 0, random);
      const tried = outcome.unsent !== true;
      const again = tried ? rescheduled(wait) : released(wait);
      const next = withinTime(push, again, tried, 'RETRIES_EXHAUSTED', outcome, policy, now);
      if (outcome.scope === 'device') return next;
      const { backoff } = outcome;
      const afterMs = outcome.afterMs === undefined ? null : wait;
      const pause: Pause = {
        kind: tried ? 'slowed' : 'held',
        afterMs,
        backoff,
        jitter: random(),
        reason: words(outcome),
      };
      return { ...next, pause };
    }
    case 'unknown': {
      const givenUp =
        policy.unknown === 'at-most-once' ||
        push.unknownCount + 1 >= policy.maxUnknown ||
        (push.wasBlamed && BLAMING_RESETS.includes(outcome.reason));
      if (givenUp) return { ...failed('OUTCOME_UNKNOWN', words(outcome)), unknown: true };
      const wait = backoffMs(policy.unknownBackoff, push.unknownCount, random);
      const again = rescheduled(wait);
      const next = withinTime(push, again, true, 'OUTCOME_UNKNOWN', outcome, policy, now);
      return { ...next, unknown: true };
    }
    case 'not-sent': {
      const again = released(outcome.afterMs);
      return withinTime(push, again, false, 'RETRIES_EXHAUSTED', outcome, policy, now);
    }
    default:
      return outcome satisfies never;
  }
}

/**
 * Ends a push that is not worth sending any more: it has expired, or its retry window has closed while
 * it waited. One that has only one attempt waits for it.
 */
export function timeIsUp(push: PushState, policy: RetryPolicy, now: Date): Settlement | null {
  if (!push.immediate && push.expiresAt <= now) return { ...failed('EXPIRED'), counted: false };
  const closesAt = (push.firstAttemptAt?.getTime() ?? Infinity) + policy.retryWindowMs;
  return closesAt <= now.getTime() ? { ...failed('RETRIES_EXHAUSTED'), counted: false } : null;
}

/**
 * `next`, unless it would come after the push expired or its retry window closed.
 *
 * @param tried whether the push itself was handed over: the one attempt of an immediate push is over
 *   with that; until then it waits for its turn.
 */
function withinTime(
  push: PushState,
  next: Settlement,
  tried: boolean,
  late: FailureName,
  answer: Answer,
  policy: RetryPolicy,
  now: Date,
): Settlement {
  const dueAt = now.getTime() + next.dueInMs;
  const counted = { counted: next.counted };
  const expired = push.immediate ? tried : dueAt >= push.expiresAt.getTime();
  if (expired) {
    return { ...failed('EXPIRED', words(answer)), ...counted };
  }
  const firstAt = push.firstAttemptAt?.getTime() ?? now.getTime();
  if (dueAt >= firstAt + policy.retryWindowMs)
    return { ...failed(late, words(answer)), ...counted };
  return next;
}

/** The try as it is kept on the push. */
export function describeAttempt(
  outcome: Outcome,
  settlement: Settlement,
  at: Date,
  latencyMs: number,
): Attempt {
  const attempt: Attempt = {
    at: at.toISOString(),
    outcome: outcome.kind,
    latencyMs: Math.round(latencyMs),
    counted: settlement.counted,
  };
  if (outcome.kind === 'accepted') return attempt;
  if (outcome.status !== undefined) attempt.status = outcome.status;
  attempt.reason = cleanText(outcome.reason);
  if (outcome.message !== '') attempt.message = cleanText(outcome.message);
  return attempt;
}

/** Our own checks refuse before anything is sent; only the provider's answer has a status. */
function wasSent({ status }: Answer): boolean {
  return status !== undefined;
}

const MAX_TEXT = 500;

/**
 * Provider text as it may be stored: no NUL, well-formed Unicode, at most 500 characters. One row
 * that PostgreSQL refuses would hold up a whole batch.
 */
export function cleanText(text: string): string {
  return text.replaceAll('\0', '').slice(0, MAX_TEXT).toWellFormed();
}

function words({ status, reason, message }: Answer): string {
  const origin = status === undefined ? reason : `${status} ${reason}`;
  return message === '' || message === reason ? `(${origin})` : `(${origin}: ${message})`;
}
