import type { TokenMessage } from 'firebase-admin/messaging';
import { collapseId } from '../collapse-id.js';
import { isObject, merge } from '../merge.js';
import type { JsonObject } from '../merge.js';
import type { Message } from '../port.js';

/** Keys and values of `notification` and `data` together, in bytes of UTF-8. */
export const FCM_PAYLOAD_LIMIT = 4_096;

/** Four weeks: the most that FCM stores. */
const MAX_TTL_SECONDS = 2_419_200;

// firebase-admin names the fields in camelCase and renames them before sending; the wire has
// snake_case. Its types are the catalogue of what exists, so the wire's are derived from them.
type Snake<S extends string> = S extends `${infer Head}${infer Tail}`
  ? Head extends Lowercase<Head>
    ? `${Head}${Snake<Tail>}`
    : `_${Lowercase<Head>}${Snake<Tail>}`
  : S;
type Wire<T> = { [K in keyof T as K extends string ? Snake<K> : never]: T[K] };
type Replace<T, R> = Omit<T, keyof R> & R;

type Sdk = TokenMessage;
type Android = NonNullable<Sdk['android']>;

/** `message` of the FCM HTTP v1 API. */
export type FcmMessage = Replace<
  Wire<Sdk>,
  {
    notification?: { title?: string; body?: string; image?: string };
    android: Replace<
      Wire<Android>,
      {
        priority: 'NORMAL' | 'HIGH';
        ttl: string;
        notification?: Wire<NonNullable<Android['notification']>>;
      }
    >;
    apns: Replace<
      Wire<NonNullable<Sdk['apns']>>,
      { payload: { aps: JsonObject }; fcm_options?: { image: string } }
    >;
    webpush: NonNullable<Sdk['webpush']>;
  }
>;

/** The part of a message that decides its size. */
export type FcmContent = Omit<Message, 'token' | 'expiresAt' | 'attemptAt'>;

/** Fields that say where a message goes: overrides may not touch them. */
const TARGETS = ['token', 'topic', 'condition', 'fid'];

/**
 * Builds the message for one attempt: one target, and what Android, iOS and the web each need. The time to live
 * is what is left of it at the instant of the attempt.
 */
export function fcmMessage(message: Message): FcmMessage {
  const secondsLeft = message.immediate
    ? 0
    : Math.floor((message.expiresAt.getTime() - message.attemptAt.getTime()) / 1_000);
  const ttl = Math.min(Math.max(0, secondsLeft), MAX_TTL_SECONDS);
  const epoch = message.immediate ? 0 : Math.floor(message.expiresAt.getTime() / 1_000);
  const high = message.priority === 'HIGH';
  const visible = message.body !== undefined || message.title !== undefined;
  const tag = message.collapseKey ?? message.id;

  const built: FcmMessage = {
    token: message.token,
    android: {
      priority: high ? 'HIGH' : 'NORMAL',
      ttl: `${ttl}s`,
    },
    apns: {
      headers: {
        // iOS wakes an app for a push without text only at priority 5.
        'apns-priority': high && visible ? '10' : '5',
        'apns-expiration': String(epoch),
        'apns-collapse-id': collapseId(tag),
      },
      payload: { aps: {} },
    },
    webpush: { headers: { TTL: String(ttl), Urgency: high ? 'high' : 'normal' } },
  };
  const { android, apns, webpush } = built;
  const data = fcmData(message, visible);
  if (data !== undefined) built.data = data;
  if (message.collapseKey !== undefined) android.collapse_key = message.collapseKey;

  if (!visible) {
    apns.headers = { ...apns.headers, 'apns-push-type': 'background' };
    apns.payload.aps['content-available'] = 1;
    return overridden(built, message);
  }
  built.notification = fcmNotification(message);
  android.notification = { tag };
  webpush.notification = { tag };
  if (message.sound !== null) {
    android.notification.sound = message.sound;
    apns.payload.aps.sound = message.sound;
  }
  if (message.badge !== undefined) {
    android.notification.notification_count = message.badge;
    apns.payload.aps.badge = message.badge;
  }
  if (message.imageUrl !== undefined) {
    apns.payload.aps['mutable-content'] = 1;
    apns.fcm_options = { image: message.imageUrl };
  }
  return overridden(built, message);
}

/** The overrides that say where the message should go instead. */
export function forbiddenFcmOverrides(overrides: JsonObject | undefined): string[] {
  return overrides === undefined ? [] : TARGETS.filter((field) => Object.hasOwn(overrides, field));
}

/** Bytes that count against `FCM_PAYLOAD_LIMIT`, overrides included. */
export function fcmPayloadSize(message: FcmContent): number {
  const visible = message.body !== undefined || message.title !== undefined;
  const built: JsonObject = {
    notification: visible ? fcmNotification(message) : {},
    data: fcmData(message, visible) ?? {},
  };
  const overrides = message.overrides?.fcm;
  const { notification, data } = overrides === undefined ? built : merge(built, overrides);
  return bytesOf(notification) + bytesOf(data);
}

function fcmNotification(message: FcmContent): NonNullable<FcmMessage['notification']> {
  const notification: NonNullable<FcmMessage['notification']> = {};
  if (message.title !== undefined) notification.title = message.title;
  if (message.body !== undefined) notification.body = message.body;
  if (message.imageUrl !== undefined) notification.image = message.imageUrl;
  return notification;
}

/** Nothing on the device shows a data-only push once: its id lets the app do that. */
function fcmData(message: FcmContent, visible: boolean): Record<string, string> | undefined {
  return visible ? message.data : { ...message.data, fanfareId: message.id };
}

function overridden(built: FcmMessage, message: Message): FcmMessage {
  const overrides = message.overrides?.fcm;
  if (overrides === undefined) return built;
  return { ...merge(built, overrides), token: message.token } as FcmMessage;
}

function bytesOf(object: unknown): number {
  if (!isObject(object)) return 0;
  let bytes = 0;
  for (const [key, value] of Object.entries(object)) {
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
    bytes += Buffer.byteLength(key) + Buffer.byteLength(text);
  }
  return bytes;
}
