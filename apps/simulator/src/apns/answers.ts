import type { Reply } from '../exchange.js';
import { retryAfterOf, type Rule } from '../rules.js';

/**
 * Apple's reasons, with the status of each.
 * https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
 */
const statuses = {
  BadCollapseId: 400,
  BadDeviceToken: 400,
  BadExpirationDate: 400,
  BadMessageId: 400,
  BadPriority: 400,
  BadTopic: 400,
  DeviceTokenNotForTopic: 400,
  DuplicateHeaders: 400,
  InvalidPushType: 400,
  MissingDeviceToken: 400,
  MissingTopic: 400,
  PayloadEmpty: 400,
  TopicDisallowed: 400,
  BadCertificate: 403,
  ExpiredProviderToken: 403,
  InvalidProviderToken: 403,
  MissingProviderToken: 403,
  BadPath: 404,
  MethodNotAllowed: 405,
  ExpiredToken: 410,
  Unregistered: 410,
  PayloadTooLarge: 413,
  TooManyProviderTokenUpdates: 429,
  TooManyRequests: 429,
  InternalServerError: 500,
  ServiceUnavailable: 503,
} as const;

export type ApnsReason = keyof typeof statuses;

export function accepted(apnsId: string): Reply {
  return { status: 200, headers: { 'apns-id': apnsId } };
}

export function refusal(reason: ApnsReason, apnsId: string): Reply {
  return answer(statuses[reason], { reason }, apnsId);
}

/**
 * What a token asked for. Rules that end without an answer never come here.
 *
 * @param now milliseconds since the epoch
 */
export function refused(rule: Rule, apnsId: string, now: number): Reply {
  const reply = worded(rule, apnsId, now);
  return { ...reply, headers: { ...reply.headers, ...retryAfterOf(rule, now) } };
}

function worded(rule: Rule, apnsId: string, now: number): Reply {
  switch (rule.behaviour) {
    case 'unregistered':
      return gone('Unregistered', now, apnsId);
    case 'stale':
      return gone('Unregistered', now - (rule.ageSeconds ?? 0) * 1_000, apnsId);
    case 'expired':
      return gone('ExpiredToken', now, apnsId);
    case 'badtoken':
      return refusal('BadDeviceToken', apnsId);
    case 'mismatch':
      return refusal('DeviceTokenNotForTopic', apnsId);
    case 'expiredjwt':
      return refusal('ExpiredProviderToken', apnsId);
    case 'throttle':
      return refusal('TooManyRequests', apnsId);
    case 'quota':
      return refusal('TooManyProviderTokenUpdates', apnsId);
    case 'unavailable':
      return refusal('ServiceUnavailable', apnsId);
    case 'internal':
      return refusal('InternalServerError', apnsId);
    case 'thirdparty':
      // Firebase's own key for APNs cannot be missing here.
      return accepted(apnsId);
    case 'answer':
      return chosen(rule.status ?? 500, rule.reason ?? '', apnsId);
    case 'ok':
    case 'slow':
    case 'timeout':
    case 'reset':
    case 'refuse':
    case 'goaway':
      throw new Error(`"${rule.behaviour}" has no refusal`);
  }
}

/** `answer`: any reason, or a body that is not JSON, cut off, or none at all. */
function chosen(status: number, reason: string, apnsId: string): Reply {
  if (reason === 'html') {
    const headers = { 'apns-id': apnsId, 'content-type': 'text/html' };
    return { status, headers, body: '<html><title>Error</title></html>\n', reason };
  }
  if (reason === 'empty') return { status, headers: { 'apns-id': apnsId }, reason };
  if (reason === 'half') return { ...answer(status, { reason }, apnsId), body: '{"reas' };
  return answer(status, { reason }, apnsId);
}

/** @param timestamp since when the device is gone, in milliseconds */
function gone(reason: ApnsReason, timestamp: number, apnsId: string): Reply {
  return answer(410, { reason, timestamp }, apnsId);
}

function answer(
  status: number,
  body: { reason: string; timestamp?: number },
  apnsId: string,
): Reply {
  return {
    status,
    headers: { 'apns-id': apnsId, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    reason: body.reason,
  };
}
