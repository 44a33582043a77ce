import { cleanMessage } from '../exchange-outcome.js';
import type { Answered } from '../http2/exchange.js';
import { isObject } from '../merge.js';
import { backoffFrom, jsonBody, judge, retryAfterOf } from '../outcome-table.js';
import type { AnswerFacts, Judged, Row } from '../outcome-table.js';

/** What an FCM answer says, taken apart once. */
export interface FcmFacts extends AnswerFacts {
  /** The message name of an accepted message. */
  name: string | undefined;
  /** `errorCode` of the FcmError detail. */
  fcmError: string | undefined;
  /** Fields of the BadRequest detail. */
  fields: string[];
  /** `reason` of the ErrorInfo detail. */
  errorInfo: string | undefined;
  /** Subjects of the QuotaFailure detail. */
  quotaSubjects: string[];
}

const MINUTE = 60_000;
const BACKOFF = backoffFrom(10_000, 15 * MINUTE);

/**
 * What each answer means, first match wins. Status and detail, never the status alone: a proxy or a
 * wrong URL answers 404 too, and that retires no token.
 *
 * @see https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
 * @see https://firebase.google.com/docs/cloud-messaging/scale-fcm
 */
export const FCM_OUTCOMES: readonly Row<FcmFacts>[] = [
  {
    answer: '200 with `name`',
    matches: (a) => a.status === 200 && a.name !== undefined,
    verdict: { kind: 'accepted' },
  },
  {
    answer: '2xx without `name`, or not JSON',
    matches: (a) => a.status >= 200 && a.status < 300,
    verdict: { kind: 'unknown' },
  },
  {
    answer: '400 BadRequest on `message.token`, or INVALID_ARGUMENT about the registration token',
    matches: (a) => a.status === 400 && isAboutToken(a),
    verdict: { kind: 'invalid-token' },
  },
  {
    answer: '400 other',
    matches: (a) => a.status === 400 && a.json,
    verdict: { kind: 'payload' },
  },
  {
    answer: '401 THIRD_PARTY_AUTH_ERROR',
    matches: (a) => a.status === 401 && a.fcmError === 'THIRD_PARTY_AUTH_ERROR',
    verdict: { kind: 'payload', failure: 'THIRD_PARTY_AUTH' },
  },
  {
    answer: '401 without FcmError',
    matches: (a) => a.status === 401 && a.json && a.fcmError === undefined,
    verdict: { kind: 'renew-token' },
  },
  {
    answer: '403 SENDER_ID_MISMATCH',
    matches: (a) => a.status === 403 && a.fcmError === 'SENDER_ID_MISMATCH',
    verdict: { kind: 'invalid-token' },
  },
  {
    answer: '403 without FcmError',
    matches: (a) => a.status === 403 && a.json && a.fcmError === undefined,
    verdict: { kind: 'credential' },
  },
  {
    answer: '404 UNREGISTERED',
    matches: (a) => a.status === 404 && a.fcmError === 'UNREGISTERED',
    verdict: { kind: 'unregistered' },
  },
  {
    answer: '404 without FcmError',
    matches: (a) => a.status === 404 && a.json && a.fcmError === undefined,
    verdict: { kind: 'credential' },
  },
  {
    answer: '429 RATE_LIMIT_EXCEEDED, a QuotaFailure naming the project, or no FcmError',
    matches: (a) => a.status === 429 && isAboutProject(a),
    verdict: { kind: 'retry', scope: 'credential', backoff: BACKOFF, afterMs: MINUTE },
  },
  {
    answer: '429 QUOTA_EXCEEDED otherwise',
    matches: (a) => a.status === 429,
    verdict: { kind: 'retry', scope: 'device', backoff: BACKOFF, afterMs: MINUTE },
  },
  {
    answer: '500',
    matches: (a) => a.status === 500,
    verdict: { kind: 'retry', scope: 'device', backoff: BACKOFF, ignoreRetryAfter: true },
  },
  {
    answer: '503',
    matches: (a) => a.status === 503,
    verdict: { kind: 'retry', scope: 'credential', backoff: BACKOFF },
  },
  {
    answer: 'other 5xx, not JSON',
    matches: (a) => a.status >= 500 || !a.json,
    verdict: { kind: 'retry', scope: 'device', backoff: BACKOFF, ignoreRetryAfter: true },
  },
  {
    answer: 'other 4xx',
    matches: () => true,
    verdict: { kind: 'payload' },
  },
];

/**
 * What an answer of FCM means for the push.
 *
 * @param token the device token, which must not appear in the message that is kept.
 */
export function fcmOutcome(answer: Answered, token: string, now: Date): Judged {
  const facts = fcmFacts(answer, token, now);
  const row = FCM_OUTCOMES.find(({ matches }) => matches(facts)) as Row<FcmFacts>;
  return judge(row.verdict, facts, () => ({
    kind: 'accepted',
    providerMessageId: facts.name ?? '',
  }));
}

/** Takes an answer apart. Anything may be in it: nothing here throws. */
export function fcmFacts(answer: Answered, token: string, now: Date): FcmFacts {
  const body = jsonBody(answer);
  const { status } = answer;
  const facts: FcmFacts = {
    status,
    json: body !== undefined,
    name: text(body?.['name']),
    reason: `HTTP ${status}`,
    message: '',
    retryAfterMs: undefined,
    fcmError: undefined,
    fields: [],
    errorInfo: undefined,
    quotaSubjects: [],
  };
  // The hot path ends here.
  if (status === 200 && facts.name !== undefined) return facts;

  facts.retryAfterMs = retryAfterOf(answer, now);
  const error = isObject(body?.['error']) ? body['error'] : {};
  const details = Array.isArray(error['details']) ? error['details'].filter(isObject) : [];
  const descriptions: string[] = [];
  for (const detail of details) {
    switch (text(detail['@type'])?.replace(/^.*\//, '')) {
      case 'google.firebase.fcm.v1.FcmError':
        facts.fcmError = text(detail['errorCode']);
        break;
      case 'google.rpc.BadRequest':
        for (const violation of objects(detail['fieldViolations'])) {
          const field = text(violation['field']) ?? '';
          facts.fields.push(field);
          descriptions.push(`${field}: ${text(violation['description']) ?? 'invalid'}`);
        }
        break;
      case 'google.rpc.ErrorInfo':
        facts.errorInfo = text(detail['reason']);
        break;
      case 'google.rpc.QuotaFailure':
        for (const violation of objects(detail['violations'])) {
          facts.quotaSubjects.push(text(violation['subject']) ?? '');
        }
        break;
      default:
    }
  }
  facts.reason =
    facts.fcmError ?? facts.errorInfo ?? text(error['status']) ?? `HTTP ${status} without a reason`;
  const said = text(error['message']) ?? (facts.json ? '' : 'The answer is not JSON');
  facts.message = cleanMessage([said, ...descriptions].filter(Boolean).join('; '), token);
  return facts;
}

function isAboutToken(facts: FcmFacts): boolean {
  if (facts.fields.length > 0) return facts.fields.includes('message.token');
  return facts.fcmError === 'INVALID_ARGUMENT' && /registration token/i.test(facts.message);
}

function isAboutProject(facts: FcmFacts): boolean {
  return (
    facts.errorInfo === 'RATE_LIMIT_EXCEEDED' ||
    facts.quotaSubjects.some((subject) => /^projects?[:/]/.test(subject)) ||
    facts.fcmError === undefined
  );
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function objects(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
