import type { IncomingHttpHeaders } from 'node:http2';
import { isObject } from '../jwt.js';
import type { ApnsReason } from './answers.js';

// https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns

/** Push type → what its topic ends in, after the bundle id. */
const suffixes: Readonly<Record<string, string>> = {
  alert: '',
  background: '',
  mdm: '',
  voip: '.voip',
  complication: '.complication',
  fileprovider: '.pushkit.fileprovider',
  liveactivity: '.push-type.liveactivity',
  location: '.location-query',
  pushtotalk: '.voip-ptt',
  widgets: '.push-type.widgets',
  controls: '.push-type.controls',
};

const MAX_PAYLOAD = 4_096;
const MAX_VOIP_PAYLOAD = 5_120;
const MAX_COLLAPSE_ID = 64;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TOPIC = /^[A-Za-z0-9.-]+$/;

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/**
 * The first thing Apple would find wrong with a request's headers; undefined: nothing.
 *
 * @param allowed the bundle id that the caller's key or certificate is for
 */
export function checkHeaders(
  headers: IncomingHttpHeaders,
  allowed: string,
): ApnsReason | undefined {
  const id = first(headers['apns-id']);
  if (id !== undefined && !isUuid(id))
    return id.includes(',') ? 'DuplicateHeaders' : 'BadMessageId';
  const topic = first(headers['apns-topic']);
  if (topic === undefined || topic === '') return 'MissingTopic';
  if (!TOPIC.test(topic)) return topic.includes(',') ? 'DuplicateHeaders' : 'BadTopic';

  const type = first(headers['apns-push-type']);
  const suffix = type === undefined ? undefined : suffixes[type];
  if (suffix === undefined) return 'InvalidPushType';
  if (topic !== allowed + suffix) {
    return topic === allowed || topic.startsWith(`${allowed}.`) ? 'BadTopic' : 'TopicDisallowed';
  }

  const priority = first(headers['apns-priority']) ?? '10';
  if (priority !== '10' && priority !== '5' && priority !== '1') return 'BadPriority';
  if (priority === '10' && type === 'background') return 'BadPriority';
  const expiration = first(headers['apns-expiration']);
  if (expiration !== undefined && !/^\d{1,12}$/.test(expiration)) return 'BadExpirationDate';
  const collapseId = first(headers['apns-collapse-id']);
  if (collapseId !== undefined && Buffer.byteLength(collapseId) > MAX_COLLAPSE_ID) {
    return 'BadCollapseId';
  }
  return undefined;
}

/** The same for the payload. */
export function checkPayload(text: string, type: string): ApnsReason | undefined {
  if (Buffer.byteLength(text) > (type === 'voip' ? MAX_VOIP_PAYLOAD : MAX_PAYLOAD)) {
    return 'PayloadTooLarge';
  }
  const payload = readJson(text);
  if (!isObject(payload) || isEmpty(payload)) return 'PayloadEmpty';
  return fits(payload, type) ? undefined : 'InvalidPushType';
}

/** Whether a payload is what its push type says. */
function fits(payload: Record<string, unknown>, type: string): boolean {
  const aps = payload['aps'];
  switch (type) {
    case 'alert':
      return isObject(aps) && shows(aps);
    case 'background':
      return isObject(aps) && aps['content-available'] === 1 && !shows(aps);
    case 'liveactivity':
      return (
        isObject(aps) && typeof aps['event'] === 'string' && typeof aps['timestamp'] === 'number'
      );
    case 'widgets':
    case 'controls':
      return isObject(aps) && aps['content-changed'] === true;
    case 'mdm':
      return typeof payload['mdm'] === 'string';
    default:
      return true;
  }
}

/** Something a user would notice. */
function shows(aps: Record<string, unknown>): boolean {
  return aps['alert'] !== undefined || aps['badge'] !== undefined || aps['sound'] !== undefined;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isEmpty(object: Record<string, unknown>): boolean {
  for (const _key in object) return false;
  return true;
}

/** Node joins repeated headers with ", "; our own types allow a list. */
export function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}
