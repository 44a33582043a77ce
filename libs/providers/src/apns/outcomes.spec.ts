import { describe, expect, it } from '@jest/globals';
import type { Outcome } from '@app/domain';
import { answered } from '../../test/answered.js';
import { APNS_OUTCOMES, apnsFacts, apnsOutcome } from './outcomes.js';

const now = new Date('2026-04-20T14:22:00Z');
const push = { id: 'push-1', token: 'device-token-1', overridesTopic: false };

interface Case {
  status: number;
  reason?: string;
  body?: string;
  headers?: Record<string, string>;
  own?: boolean;
  outcome: Partial<Outcome>;
}

const credential = [
  'InvalidProviderToken',
  'MissingProviderToken',
  'UnrelatedKeyIdInToken',
  'BadEnvironmentKeyIdInToken',
  'BadEnvironmentKeyInToken',
  'BadCertificate',
  'BadCertificateEnvironment',
  'Forbidden',
];
const payload = [
  'BadCollapseId',
  'BadExpirationDate',
  'BadMessageId',
  'BadPriority',
  'InvalidPushType',
  'DuplicateHeaders',
  'PayloadEmpty',
  'MissingDeviceToken',
];
const topic = ['BadTopic', 'MissingTopic', 'TopicDisallowed'];
const BACKOFF = { leastMs: 30_000, baseMs: 30_000, capMs: 900_000 };
const THROTTLE = { leastMs: 60_000, baseMs: 60_000, capMs: 900_000 };

const cases: Case[] = [
  {
    status: 200,
    headers: { 'apns-id': 'theirs' },
    outcome: { kind: 'accepted', providerMessageId: 'theirs' },
  },
  { status: 200, outcome: { kind: 'accepted', providerMessageId: 'push-1' } },
  { status: 400, reason: 'BadDeviceToken', outcome: { kind: 'invalid-token' } },
  { status: 400, reason: 'DeviceTokenNotForTopic', outcome: { kind: 'invalid-token' } },
  ...topic.map((reason): Case => ({
    status: 400,
    reason,
    outcome: { kind: 'credential', reason },
  })),
  ...topic.map((reason): Case => ({
    status: 400,
    reason,
    own: true,
    outcome: { kind: 'payload' },
  })),
  ...payload.map((reason): Case => ({ status: 400, reason, outcome: { kind: 'payload', reason } })),
  { status: 400, reason: 'IdleTimeout', outcome: { kind: 'retry', scope: 'device', afterMs: 0 } },
  { status: 403, reason: 'ExpiredProviderToken', outcome: { kind: 'credential' } },
  ...credential.map((reason): Case => ({ status: 403, reason, outcome: { kind: 'credential' } })),
  { status: 404, reason: 'BadPath', outcome: { kind: 'payload' } },
  { status: 405, reason: 'MethodNotAllowed', outcome: { kind: 'payload' } },
  {
    status: 410,
    body: '{"reason":"Unregistered","timestamp":1776600000000}',
    outcome: { kind: 'unregistered', since: new Date(1776600000000) },
  },
  { status: 410, reason: 'ExpiredToken', outcome: { kind: 'unregistered' } },
  {
    status: 413,
    reason: 'PayloadTooLarge',
    outcome: { kind: 'payload', failure: 'PAYLOAD_TOO_LARGE' },
  },
  {
    status: 429,
    reason: 'TooManyRequests',
    outcome: { kind: 'retry', scope: 'device', backoff: THROTTLE },
  },
  {
    status: 429,
    reason: 'TooManyRequests',
    headers: { 'retry-after': '5' },
    outcome: { kind: 'retry', scope: 'device', afterMs: 5_000 },
  },
  {
    status: 429,
    reason: 'TooManyProviderTokenUpdates',
    headers: { 'retry-after': '5' },
    outcome: { kind: 'retry', scope: 'credential', afterMs: 60_000 },
  },
  {
    status: 500,
    reason: 'InternalServerError',
    outcome: { kind: 'retry', scope: 'device', backoff: BACKOFF },
  },
  {
    status: 503,
    reason: 'ServiceUnavailable',
    headers: { 'retry-after': '9' },
    outcome: { kind: 'retry', scope: 'credential', afterMs: 9_000 },
  },
  { status: 503, reason: 'Shutdown', outcome: { kind: 'retry', scope: 'device', afterMs: 0 } },
  // What may come tomorrow.
  { status: 400, reason: 'InventedTomorrow', outcome: { kind: 'payload' } },
  { status: 403, reason: 'InventedTomorrow', outcome: { kind: 'credential' } },
  { status: 410, reason: 'InventedTomorrow', outcome: { kind: 'invalid-token' } },
  { status: 429, reason: 'InventedTomorrow', outcome: { kind: 'retry', scope: 'device' } },
  { status: 502, body: '<html>', outcome: { kind: 'retry', scope: 'device' } },
  { status: 429, body: '', outcome: { kind: 'retry', scope: 'device' } },
  { status: 403, body: '<html>', outcome: { kind: 'payload' } },
  { status: 410, body: '{"reason":"Unreg', outcome: { kind: 'payload' } },
  { status: 204, body: '', outcome: { kind: 'unknown' } },
];

describe('APNs outcomes', () => {
  const used = new Set<string>();

  it.each(cases)('$status $reason $body', ({ status, reason, body, headers, own, outcome }) => {
    const text = body ?? (reason === undefined ? '' : JSON.stringify({ reason }));
    const answer = answered(status, text, headers);
    const about = { ...push, overridesTopic: own ?? false };
    const facts = apnsFacts(answer, about, now);
    used.add(APNS_OUTCOMES.find(({ matches }) => matches(facts))?.answer ?? '');
    expect(apnsOutcome(answer, about, now).outcome).toMatchObject(outcome);
  });

  it('has a case for every row', () => {
    expect(used).toEqual(new Set(APNS_OUTCOMES.map(({ answer }) => answer)));
  });

  it.each([
    [403, 'ExpiredProviderToken', { renewToken: true }],
    [400, 'IdleTimeout', { newSession: true }],
    [503, 'Shutdown', { newSession: true }],
    [404, 'BadPath', { loud: true }],
  ])('%d %s tells the adapter what to do', (status, reason, expected) => {
    expect(apnsOutcome(answered(status, JSON.stringify({ reason })), push, now)).toMatchObject(
      expected,
    );
  });

  it('lets a throttled device wait longer each time when Apple does not say how long', () => {
    const answer = answered(429, '{"reason":"TooManyRequests"}');
    expect(apnsOutcome(answer, push, now).outcome).not.toHaveProperty('afterMs');
  });

  it.each(['"x"', '-1', '1e300', 'null'])('takes no instant from the timestamp %s', (timestamp) => {
    const answer = answered(410, `{"reason":"Unregistered","timestamp":${timestamp}}`);
    expect(apnsOutcome(answer, push, now).outcome).not.toHaveProperty('since');
  });
});
