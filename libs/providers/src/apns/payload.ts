import { Notification } from '@parse/node-apn';
import { collapseId } from '../collapse-id.js';
import { isObject, merge } from '../merge.js';
import type { JsonObject } from '../merge.js';
import type { Message } from '../port.js';

/** Bytes of JSON that APNs takes… */
export const APNS_PAYLOAD_LIMIT = 4_096;
/** …and for VoIP. */
export const APNS_VOIP_PAYLOAD_LIMIT = 5_120;

// https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
const TOPIC_SUFFIX = {
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
} as const;
type PushType = keyof typeof TOPIC_SUFFIX;

const OVERRIDABLE = new Set([
  'apns-push-type',
  'apns-priority',
  'apns-expiration',
  'apns-collapse-id',
  'apns-topic',
]);

/** The part of a message that decides its payload. */
export type ApnsContent = Omit<Message, 'token' | 'expiresAt' | 'attemptAt'>;

/** One request to APNs, without its path and authorization. */
export interface ApnsRequest {
  /** As `node-apn` makes them: numbers stay numbers. */
  headers: Record<string, string | number>;
  body: Buffer;
  limit: number;
}

/**
 * Builds headers and payload for one attempt.
 *
 * @param topic the bundle id of the credential; a push type may add its suffix.
 */
export function apnsRequest(message: Message, topic: string): ApnsRequest {
  const type = pushType(message);
  const notification = apnsNotification(message, type);
  notification.id = message.id;
  notification.topic = topic + suffixOf(type);
  notification.collapseId = collapseId(message.collapseKey ?? message.id);
  notification.expiry = message.immediate ? 0 : Math.floor(message.expiresAt.getTime() / 1_000);
  // Apple calls 10 with `background` an error.
  notification.priority = message.priority === 'HIGH' && type !== 'background' ? 10 : 5;
  // The library's type lacks the newest of Apple's.
  notification.pushType = type as Notification['pushType'];
  const headers = (notification as unknown as NotificationMethods).headers();
  const overrides = message.overrides?.apn?.headers;
  return {
    headers: overrides === undefined ? headers : { ...headers, ...overrides },
    body: Buffer.from((notification as unknown as NotificationMethods).compile()),
    limit: limitOf(type),
  };
}

/**
 * The headers that no message may override: others than Apple's own, and a topic beyond the credential's.
 *
 * @param topic the bundle id of the credential; left out: not known, any topic may pass.
 */
export function forbiddenApnsHeaders(
  headers: Readonly<Record<string, string>> = {},
  topic?: string,
): string[] {
  return Object.entries(headers).flatMap(([name, value]) => {
    if (!OVERRIDABLE.has(name)) return [name];
    const isForeign = name === 'apns-topic' && topic !== undefined && !isTopicOf(value, topic);
    return isForeign ? [name] : [];
  });
}

/** Bytes of the payload and what is allowed for its type, overrides included. */
export function apnsPayloadSize(message: ApnsContent): { bytes: number; limit: number } {
  const type = pushType(message);
  const notification = apnsNotification(message, type) as unknown as NotificationMethods;
  return { bytes: Buffer.byteLength(notification.compile()), limit: limitOf(type) };
}

/** True when this push names its own topic or type, so that a wrong topic is its own fault. */
export function overridesTopic(message: ApnsContent): boolean {
  const headers = message.overrides?.apn?.headers;
  return headers?.['apns-topic'] !== undefined || headers?.['apns-push-type'] !== undefined;
}

/** Methods that the library's types leave out. */
interface NotificationMethods {
  headers(): Record<string, string | number>;
  compile(): string;
}

function apnsNotification(message: ApnsContent, type: string): Notification {
  const notification = new Notification();
  const visible = message.body !== undefined || message.title !== undefined;
  let payload: JsonObject = { ...message.data };
  if (visible) {
    notification.alert = {
      ...(message.title === undefined ? {} : { title: message.title }),
      body: message.body ?? '',
    };
    if (message.sound !== null) notification.sound = message.sound;
    if (message.badge !== undefined) notification.badge = message.badge;
    if (message.imageUrl !== undefined) {
      // An app's notification service extension fetches the picture; this is what wakes it.
      notification.mutableContent = true;
      payload = { imageUrl: message.imageUrl, ...payload };
    }
  } else {
    // Nothing on the device shows a data-only push once: its id lets the app do that.
    payload = { ...payload, fanfareId: message.id };
    if (type === 'background') notification.contentAvailable = true;
  }

  const overrides = message.overrides?.apn;
  if (overrides?.aps !== undefined) {
    notification.aps = merge({ ...notification.aps }, overrides.aps);
  }
  if (overrides?.payload !== undefined) {
    const { aps, ...rest } = merge(payload, overrides.payload);
    payload = rest;
    // The library writes `aps` over one in the payload; the caller's is kept.
    if (isObject(aps)) notification.aps = merge({ ...notification.aps }, aps);
  }
  notification.payload = payload;
  return notification;
}

function pushType(message: ApnsContent): string {
  const wanted = message.overrides?.apn?.headers?.['apns-push-type'];
  if (wanted !== undefined) return wanted;
  return message.body === undefined && message.title === undefined ? 'background' : 'alert';
}

function isPushType(type: string): type is PushType {
  return Object.hasOwn(TOPIC_SUFFIX, type);
}

function suffixOf(type: string): string {
  return isPushType(type) ? TOPIC_SUFFIX[type] : '';
}

function isTopicOf(value: string, topic: string): boolean {
  return Object.values(TOPIC_SUFFIX).some((suffix) => value === topic + suffix);
}

function limitOf(type: string): number {
  return type === 'voip' ? APNS_VOIP_PAYLOAD_LIMIT : APNS_PAYLOAD_LIMIT;
}
