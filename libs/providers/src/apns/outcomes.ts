import { cleanMessage } from '../exchange-outcome.js';
import type { Answered } from '../http2/exchange.js';
import { backoffFrom, headerOf, jsonBody, judge, retryAfterOf } from '../outcome-table.js';
import type { AnswerFacts, Judged, Row, Verdict } from '../outcome-table.js';

/** What an APNs answer says, taken apart once. */
export interface ApnsFacts extends AnswerFacts {
  /** `apns-id` of the answer. */
  apnsId: string | undefined;
  /** 410: since when the token is dead. */
  since: Date | undefined;
  /** This push names its own topic or push type. */
  overridesTopic: boolean;
}

const MINUTE = 60_000;
const BACKOFF = backoffFrom(MINUTE / 2, 15 * MINUTE);
const THROTTLE = backoffFrom(MINUTE, 15 * MINUTE);
const AT_ONCE: Verdict = {
  kind: 'retry',
  scope: 'device',
  // Only where it keeps saying so; no interval is named.
  backoff: { ...BACKOFF, leastMs: 0 },
  afterMs: 0,
  ignoreRetryAfter: true,
  newSession: true,
};

/**
 * What each answer means, first match wins.
 *
 * @see https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
 */
export const APNS_OUTCOMES: readonly Row<ApnsFacts>[] = [
  { answer: '200', matches: (a) => a.status === 200, verdict: { kind: 'accepted' } },
  // May be the wrong environment or topic: never retires anything.
  on(400, ['BadDeviceToken', 'DeviceTokenNotForTopic'], { kind: 'invalid-token' }),
  {
    answer: '400 BadTopic, MissingTopic, TopicDisallowed; the push overrides topic or type',
    matches: (a) => a.status === 400 && a.overridesTopic && isTopicReason(a.reason),
    verdict: { kind: 'payload' },
  },
  {
    answer: '400 BadTopic, MissingTopic, TopicDisallowed',
    matches: (a) => a.status === 400 && isTopicReason(a.reason),
    verdict: { kind: 'credential', suspect: true },
  },
  on(
    400,
    [
      'BadCollapseId',
      'BadExpirationDate',
      'BadMessageId',
      'BadPriority',
      'InvalidPushType',
      'DuplicateHeaders',
      'PayloadEmpty',
      'MissingDeviceToken',
    ],
    { kind: 'payload' },
  ),
  on(400, ['IdleTimeout'], AT_ONCE),
  on(403, ['ExpiredProviderToken'], { kind: 'renew-token' }),
  on(
    403,
    [
      'InvalidProviderToken',
      'MissingProviderToken',
      'UnrelatedKeyIdInToken',
      'BadEnvironmentKeyIdInToken',
      'BadEnvironmentKeyInToken',
      'BadCertificate',
      'BadCertificateEnvironment',
      'Forbidden',
    ],
    { kind: 'credential' },
  ),
  on(404, ['BadPath'], { kind: 'payload', loud: true }),
  on(405, ['MethodNotAllowed'], { kind: 'payload', loud: true }),
  on(410, ['Unregistered', 'ExpiredToken'], { kind: 'unregistered' }),
  {
    answer: '413 PayloadTooLarge',
    matches: (a) => a.status === 413,
    verdict: { kind: 'payload', failure: 'PAYLOAD_TOO_LARGE' },
  },
  // The JWT stays: a newer one is what Apple complains about.
  on(429, ['TooManyProviderTokenUpdates'], {
    kind: 'retry',
    scope: 'credential',
    backoff: THROTTLE,
    afterMs: MINUTE,
    ignoreRetryAfter: true,
  }),
  {
    answer: '429 TooManyRequests',
    matches: (a) => a.status === 429,
    verdict: { kind: 'retry', scope: 'device', backoff: THROTTLE },
  },
  on(503, ['Shutdown'], AT_ONCE),
  {
    answer: '503 ServiceUnavailable',
    matches: (a) => a.status === 503,
    verdict: { kind: 'retry', scope: 'credential', backoff: BACKOFF },
  },
  {
    answer: '500 InternalServerError, other 5xx',
    matches: (a) => a.status >= 500,
    verdict: { kind: 'retry', scope: 'device', backoff: BACKOFF, ignoreRetryAfter: true },
  },
  // 403 is about who we are, whatever word Apple finds for it next.
  {
    answer: '403 with an unknown reason',
    matches: (a) => a.status === 403 && a.json,
    verdict: { kind: 'credential', suspect: true },
  },
  // Never retire on doubt.
  {
    answer: '410 with an unknown reason',
    matches: (a) => a.status === 410 && a.json,
    verdict: { kind: 'invalid-token' },
  },
  {
    answer: 'other 2xx',
    matches: (a) => a.status >= 200 && a.status < 300,
    verdict: { kind: 'unknown' },
  },
  { answer: 'other 4xx, not JSON', matches: () => true, verdict: { kind: 'payload' } },
];

/** A row for named reasons of one status. */
function on(status: number, reasons: string[], verdict: Verdict): Row<ApnsFacts> {
  return {
    answer: `${status} ${reasons.join(', ')}`,
    matches: (a) => a.status === status && reasons.includes(a.reason),
    verdict,
  };
}

function isTopicReason(reason: string): boolean {
  return reason === 'BadTopic' || reason === 'MissingTopic' || reason === 'TopicDisallowed';
}

/**
 * What an answer of APNs means for the push.
 *
 * @param push its id, its device token (which must not appear in what is kept) and whether it names
 *   its own topic or type.
 */
export function apnsOutcome(
  answer: Answered,
  push: { id: string; token: string; overridesTopic: boolean },
  now: Date,
): Judged {
  const facts = apnsFacts(answer, push, now);
  const row = APNS_OUTCOMES.find(({ matches }) => matches(facts)) as Row<ApnsFacts>;
  return judge(
    row.verdict,
    facts,
    () => ({ kind: 'accepted', providerMessageId: facts.apnsId ?? push.id }),
    facts.since,
  );
}

/** Takes an answer apart. Anything may be in it: nothing here throws. */
export function apnsFacts(
  answer: Answered,
  push: { token: string; overridesTopic: boolean },
  now: Date,
): ApnsFacts {
  const { status } = answer;
  const apnsId = headerOf(answer, 'apns-id');
  const { overridesTopic } = push;
  const facts: ApnsFacts = {
    status,
    json: false,
    reason: `HTTP ${status}`,
    message: '',
    retryAfterMs: undefined,
    apnsId,
    since: undefined,
    overridesTopic,
  };
  // The hot path ends here: a success has no body.
  if (status === 200) return facts;

  const body = jsonBody(answer);
  facts.json = body !== undefined;
  facts.retryAfterMs = retryAfterOf(answer, now);
  const reason = body?.['reason'];
  const timestamp = body?.['timestamp'];
  if (typeof timestamp === 'number' && timestamp > 0 && timestamp < 8.64e15) {
    facts.since = new Date(timestamp);
  }
  facts.reason =
    typeof reason === 'string' && reason !== ''
      ? cleanMessage(reason, push.token)
      : `HTTP ${status} without a reason`;
  facts.message = facts.json
    ? `APNs answered ${status} ${facts.reason}`
    : `APNs answered ${status}, not JSON`;
  return facts;
}
