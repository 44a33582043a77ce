import type { Reply } from '../exchange.js';
import { retryAfterOf, type Rule } from '../rules.js';
import type { Violation } from './fcm-message.js';

// Bodies as FCM HTTP v1 sends them:
// https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode

const JSON_TYPE = { 'content-type': 'application/json; charset=UTF-8' };

const FCM_ERROR = 'type.googleapis.com/google.firebase.fcm.v1.FcmError';
const BAD_REQUEST = 'type.googleapis.com/google.rpc.BadRequest';
const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';
const QUOTA_FAILURE = 'type.googleapis.com/google.rpc.QuotaFailure';

type Detail = { '@type': string } & Record<string, unknown>;

const statusNames: Record<number, string> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
};

export function accepted(name: string): Reply {
  return { status: 200, headers: JSON_TYPE, body: `{\n  "name": "${name}"\n}\n` };
}

export function unauthenticated(sent: boolean): Reply {
  const message = sent
    ? 'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie ' +
      'or other valid authentication credential.'
    : 'Request is missing required authentication credential. Expected OAuth 2 access token, login ' +
      'cookie or other valid authentication credential.';
  const reason = sent ? 'ACCESS_TOKEN_EXPIRED' : 'CREDENTIALS_MISSING';
  return error(401, message, [errorInfo(reason)], 'UNAUTHENTICATED');
}

/** The service account may not send in that project. No FcmError: it is not about the device. */
export function forbidden(project: string): Reply {
  const message =
    "Permission 'cloudmessaging.messages.create' denied on resource " +
    `'//cloudresourcemanager.googleapis.com/projects/${project}' (or it may not exist).`;
  return error(403, message, [errorInfo('IAM_PERMISSION_DENIED')], 'PERMISSION_DENIED');
}

/** No such project. The same words as for a dead token, and no FcmError. */
export function noSuchProject(): Reply {
  return error(404, 'Requested entity was not found.', [], 'NOT_FOUND');
}

/** A path that FCM does not have: a page, not JSON. */
export function noSuchPage(): Reply {
  return {
    status: 404,
    headers: { 'content-type': 'text/html; charset=UTF-8' },
    body: '<!DOCTYPE html>\n<html lang=en><title>Error 404 (Not Found)!!1</title>\n',
    reason: 'no such path',
  };
}

/** Names and types that do not fit. */
export function badRequest(message: string, violations: Violation[]): Reply {
  const details = [{ '@type': BAD_REQUEST, fieldViolations: violations }];
  return error(400, message, details, 'INVALID_ARGUMENT');
}

/** A message that FCM itself does not take; `field` null when it is none in particular. */
export function invalidArgument(message: string, field: string | null): Reply {
  const details: Detail[] = [fcmError('INVALID_ARGUMENT')];
  if (field !== null) {
    details.push({ '@type': BAD_REQUEST, fieldViolations: [{ field, description: message }] });
  }
  return error(400, message, details, 'INVALID_ARGUMENT');
}

/**
 * What a token asked for. Rules that end without an answer never come here.
 *
 * @param now milliseconds since the epoch
 */
export function refused(rule: Rule, project: string, now: number): Reply {
  const reply = worded(rule, project);
  return { ...reply, headers: { ...reply.headers, ...retryAfterOf(rule, now) } };
}

function worded(rule: Rule, project: string): Reply {
  switch (rule.behaviour) {
    case 'unregistered':
    case 'expired':
    case 'stale':
      return fcm(404, 'Requested entity was not found.', 'UNREGISTERED');
    case 'badtoken': {
      const message = 'The registration token is not a valid FCM registration token';
      return fcm(400, message, 'INVALID_ARGUMENT');
    }
    case 'mismatch':
      return fcm(403, 'SenderId mismatch', 'SENDER_ID_MISMATCH');
    case 'thirdparty': {
      const message =
        'Request is missing required authentication credential. Expected OAuth 2 access token, ' +
        'login cookie or other valid authentication credential.';
      return fcm(401, message, 'THIRD_PARTY_AUTH_ERROR');
    }
    case 'expiredjwt':
      return unauthenticated(true);
    case 'throttle':
      return fcm(429, 'Quota exceeded for the device.', 'QUOTA_EXCEEDED');
    case 'quota':
      return projectQuota(project);
    case 'unavailable':
      return fcm(503, 'The service is currently unavailable.', 'UNAVAILABLE');
    case 'internal':
      return fcm(500, 'Internal error encountered.', 'INTERNAL');
    case 'answer':
      return chosen(rule.status ?? 500, rule.reason ?? '');
    case 'ok':
    case 'slow':
    case 'timeout':
    case 'reset':
    case 'refuse':
    case 'goaway':
      throw new Error(`"${rule.behaviour}" has no refusal`);
  }
}

/** `answer`: an FcmError of that name, `none` for an error without one, or something not JSON. */
function chosen(status: number, reason: string): Reply {
  if (reason === 'html') {
    const headers = { 'content-type': 'text/html; charset=UTF-8' };
    return { status, headers, body: '<html><title>Error</title></html>\n', reason };
  }
  if (reason === 'empty') return { status, headers: JSON_TYPE, body: '{}\n', reason };
  if (reason === 'half')
    return { status, headers: JSON_TYPE, body: '{\n  "error": {\n    "co', reason };
  if (reason === 'blank') return { status, headers: {}, reason };
  if (reason === 'none') return error(status, 'As the token asked.', [], 'none');
  return fcm(status, 'As the token asked.', reason);
}

/** The per-minute quota of the whole project, not of one device. */
function projectQuota(project: string): Reply {
  const message =
    "Quota exceeded for quota metric 'Send requests' and limit 'Send requests per minute' of " +
    `service 'fcm.googleapis.com' for consumer 'projects/${project}'.`;
  const details: Detail[] = [
    fcmError('QUOTA_EXCEEDED'),
    {
      ...errorInfo('RATE_LIMIT_EXCEEDED'),
      metadata: { service: 'fcm.googleapis.com', consumer: `projects/${project}` },
    },
    {
      '@type': QUOTA_FAILURE,
      violations: [{ subject: `project:${project}`, description: message }],
    },
  ];
  return error(429, message, details, 'RATE_LIMIT_EXCEEDED');
}

function fcm(status: number, message: string, errorCode: string): Reply {
  return error(status, message, [fcmError(errorCode)], errorCode);
}

function fcmError(errorCode: string): Detail {
  return { '@type': FCM_ERROR, errorCode };
}

function errorInfo(reason: string): Detail {
  return {
    '@type': ERROR_INFO,
    reason,
    domain: 'googleapis.com',
    metadata: {
      service: 'fcm.googleapis.com',
      method: 'google.firebase.fcm.v1.FcmService.SendMessage',
    },
  };
}

function error(code: number, message: string, details: Detail[], reason: string): Reply {
  const status = statusNames[code] ?? 'UNKNOWN';
  const body = { error: { code, message, status, ...(details.length > 0 && { details }) } };
  return { status: code, headers: JSON_TYPE, body: `${JSON.stringify(body, null, 2)}\n`, reason };
}
