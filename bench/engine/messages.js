/**
 * The one message that every contender sends: the same parts for Android, iOS and the web, the same headers. What
 * they put on the wire differs by nothing but the id and the spelling that a library chooses.
 */

export const TITLE = 'Hi Ada';
export const BODY = 'Your order 4711 is on its way.';
export const DATA = { order: '4711' };
export const TTL_SECONDS = 3_600;

/** When a message that is sent now is worth nothing any more, in epoch seconds. */
export const expiry = () => Math.floor(Date.now() / 1000) + TTL_SECONDS;

/** `message` of FCM's wire, as Fanfare sends it. @param {string} token @param {string} id */
export const fcmMessage = (token, id) => ({
  token,
  notification: { title: TITLE, body: BODY },
  data: DATA,
  android: { priority: 'HIGH', ttl: `${TTL_SECONDS}s`, notification: { tag: id } },
  ...appleAndWeb(id),
});

/** The parts that `firebase-admin` spells as the wire does. @param {string} id */
export const appleAndWeb = (id) => ({
  apns: {
    headers: {
      'apns-priority': '10',
      'apns-expiration': String(expiry()),
      'apns-collapse-id': id,
    },
    payload: { aps: {} },
  },
  webpush: {
    headers: { TTL: String(TTL_SECONDS), Urgency: 'high' },
    notification: { tag: id },
  },
});

/** The payload of APNs, as Fanfare sends it. */
export const apnsPayload = () => ({ aps: { alert: { title: TITLE, body: BODY } }, ...DATA });
