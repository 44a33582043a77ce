import { describe, expect, it } from '@jest/globals';
import type { Outcome } from '@app/domain';
import { answered } from '../../test/answered.js';
import { FCM_OUTCOMES, fcmFacts, fcmOutcome } from './outcomes.js';

const now = new Date('2026-04-20T14:22:00Z');
const TOKEN = 'device-token-1';

function fcmError(errorCode: string) {
  return { '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode };
}
function badRequest(field: string) {
  return {
    '@type': 'type.googleapis.com/google.rpc.BadRequest',
    fieldViolations: [{ field, description: 'Invalid value' }],
  };
}
function errorInfo(reason: string) {
  return { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason };
}
function quotaFailure(subject: string) {
  return { '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations: [{ subject }] };
}
function error(details: unknown[], message = 'said so', status?: string) {
  return JSON.stringify({ error: { message, ...(status && { status }), details } });
}

interface Case {
  row: string;
  status: number;
  body?: string;
  headers?: Record<string, string>;
  outcome: Partial<Outcome>;
}

const BACKOFF = { leastMs: 10_000, baseMs: 10_000, capMs: 900_000 };

const cases: Case[] = [
  {
    row: '200 with `name`',
    status: 200,
    body: '{"name":"projects/p/messages/1"}',
    outcome: { kind: 'accepted', providerMessageId: 'projects/p/messages/1' },
  },
  { row: '2xx without `name`, or not JSON', status: 200, body: '{}', outcome: { kind: 'unknown' } },
  { row: '2xx without `name`, or not JSON', status: 200, body: 'ok', outcome: { kind: 'unknown' } },
  {
    row: '2xx without `name`, or not JSON',
    status: 200,
    body: '{"name":',
    outcome: { kind: 'unknown' },
  },
  {
    row: '400 BadRequest on `message.token`, or INVALID_ARGUMENT about the registration token',
    status: 400,
    body: error([badRequest('message.token')]),
    outcome: { kind: 'invalid-token' },
  },
  {
    row: '400 BadRequest on `message.token`, or INVALID_ARGUMENT about the registration token',
    status: 400,
    body: error(
      [fcmError('INVALID_ARGUMENT')],
      'The registration token is not a valid FCM registration token',
    ),
    outcome: { kind: 'invalid-token', reason: 'INVALID_ARGUMENT' },
  },
  {
    row: '400 other',
    status: 400,
    body: error([fcmError('INVALID_ARGUMENT'), badRequest('message.android.ttl')]),
    outcome: { kind: 'payload', message: 'said so; message.android.ttl: Invalid value' },
  },
  {
    row: '400 other',
    status: 400,
    body: error([fcmError('INVALID_ARGUMENT')], 'Message is too big'),
    outcome: { kind: 'payload' },
  },
  {
    row: '401 THIRD_PARTY_AUTH_ERROR',
    status: 401,
    body: error([fcmError('THIRD_PARTY_AUTH_ERROR')]),
    outcome: { kind: 'payload', failure: 'THIRD_PARTY_AUTH' },
  },
  {
    row: '401 without FcmError',
    status: 401,
    body: error([], 'bad bearer', 'UNAUTHENTICATED'),
    outcome: { kind: 'credential', reason: 'UNAUTHENTICATED' },
  },
  {
    row: '403 SENDER_ID_MISMATCH',
    status: 403,
    body: error([fcmError('SENDER_ID_MISMATCH')]),
    outcome: { kind: 'invalid-token' },
  },
  {
    row: '403 without FcmError',
    status: 403,
    body: error([errorInfo('SERVICE_DISABLED')], 'off', 'PERMISSION_DENIED'),
    outcome: { kind: 'credential', reason: 'SERVICE_DISABLED' },
  },
  {
    row: '404 UNREGISTERED',
    status: 404,
    body: error([fcmError('UNREGISTERED')]),
    outcome: { kind: 'unregistered', reason: 'UNREGISTERED' },
  },
  {
    row: '404 without FcmError',
    status: 404,
    body: error([], 'no such project', 'NOT_FOUND'),
    outcome: { kind: 'credential', reason: 'NOT_FOUND' },
  },
  {
    row: '429 RATE_LIMIT_EXCEEDED, a QuotaFailure naming the project, or no FcmError',
    status: 429,
    body: error([fcmError('QUOTA_EXCEEDED'), errorInfo('RATE_LIMIT_EXCEEDED')]),
    headers: { 'retry-after': '7' },
    outcome: { kind: 'retry', scope: 'credential', afterMs: 7_000 },
  },
  {
    row: '429 RATE_LIMIT_EXCEEDED, a QuotaFailure naming the project, or no FcmError',
    status: 429,
    body: error([fcmError('QUOTA_EXCEEDED'), quotaFailure('project:demo')]),
    outcome: { kind: 'retry', scope: 'credential', afterMs: 60_000 },
  },
  {
    row: '429 RATE_LIMIT_EXCEEDED, a QuotaFailure naming the project, or no FcmError',
    status: 429,
    body: '<html>slow down</html>',
    headers: { 'retry-after': 'Mon, 20 Apr 2026 14:22:30 GMT' },
    outcome: { kind: 'retry', scope: 'credential', afterMs: 30_000 },
  },
  {
    row: '429 QUOTA_EXCEEDED otherwise',
    status: 429,
    body: error([fcmError('QUOTA_EXCEEDED'), quotaFailure('device')]),
    outcome: { kind: 'retry', scope: 'device', afterMs: 60_000 },
  },
  {
    row: '500',
    status: 500,
    body: error([fcmError('INTERNAL')]),
    outcome: { kind: 'retry', scope: 'device', backoff: BACKOFF },
  },
  {
    row: '503',
    status: 503,
    body: error([fcmError('UNAVAILABLE')]),
    headers: { 'retry-after': '30' },
    outcome: { kind: 'retry', scope: 'credential', afterMs: 30_000 },
  },
  {
    row: '503',
    status: 503,
    outcome: { kind: 'retry', scope: 'credential', backoff: BACKOFF },
  },
  {
    row: 'other 5xx, not JSON',
    status: 502,
    body: '<html>Bad gateway</html>',
    outcome: { kind: 'retry', scope: 'device', message: 'The answer is not JSON' },
  },
  { row: 'other 5xx, not JSON', status: 404, body: '<html>', outcome: { kind: 'retry' } },
  { row: 'other 5xx, not JSON', status: 401, body: '{"half', outcome: { kind: 'retry' } },
  { row: 'other 5xx, not JSON', status: 403, outcome: { kind: 'retry' } },
  {
    row: 'other 4xx',
    status: 418,
    body: error([fcmError('TEAPOT')]),
    outcome: { kind: 'payload', reason: 'TEAPOT' },
  },
  {
    row: 'other 4xx',
    status: 404,
    body: error([fcmError('INVENTED_TOMORROW')]),
    outcome: { kind: 'payload', reason: 'INVENTED_TOMORROW' },
  },
];

describe('FCM outcomes', () => {
  it.each(cases)('$row: $status $body', ({ row, status, body = '', headers, outcome }) => {
    const answer = answered(status, body, headers);
    const facts = fcmFacts(answer, TOKEN, now);
    expect(FCM_OUTCOMES.find(({ matches }) => matches(facts))?.answer).toBe(row);
    expect(fcmOutcome(answer, TOKEN, now).outcome).toMatchObject(outcome);
  });

  it('has a case for every row', () => {
    expect(new Set(cases.map(({ row }) => row))).toEqual(
      new Set(FCM_OUTCOMES.map(({ answer }) => answer)),
    );
  });

  it('asks for a new access token on a 401 without FcmError only', () => {
    expect(fcmOutcome(answered(401, error([])), TOKEN, now).renewToken).toBe(true);
    const third = answered(401, error([fcmError('THIRD_PARTY_AUTH_ERROR')]));
    expect(fcmOutcome(third, TOKEN, now).renewToken).toBeUndefined();
  });

  it.each([3_600_000, -3_600_000])(
    'reads the date of a Retry-After by the clock of the answer when ours is wrong by %i ms',
    (aheadMs) => {
      const headers = {
        date: 'Mon, 20 Apr 2026 14:22:00 GMT',
        'retry-after': 'Mon, 20 Apr 2026 14:22:30 GMT',
      };
      const wrong = new Date(Date.parse(headers.date) + aheadMs);
      expect(fcmOutcome(answered(503, '', headers), TOKEN, wrong).outcome).toMatchObject({
        afterMs: 30_000,
      });
    },
  );

  it('does not let a 500 choose its wait', () => {
    const { outcome } = fcmOutcome(answered(500, '', { 'retry-after': '1' }), TOKEN, now);
    expect(outcome).not.toHaveProperty('afterMs');
  });

  it('keeps no device token, no control character and no novel of what was said', () => {
    const body = error([badRequest('message.data')], `for ${TOKEN}\u0000\n${'x'.repeat(2_000)}`);
    const { outcome } = fcmOutcome(answered(400, body), TOKEN, now);
    const { message } = outcome as { message: string };
    expect(message).toMatch(/^for \[token\] x+/);
    expect(message.length).toBeLessThanOrEqual(500);
  });

  it.each(['{"error":[]}', '{"error":{"details":{"a":1}}}', '{"error":{"details":[null,7,{}]}}'])(
    'makes something of %s',
    (body) => {
      expect(fcmOutcome(answered(400, body), TOKEN, now).outcome.kind).toBe('payload');
    },
  );
});
