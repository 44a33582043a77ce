import { describe, expect, it } from '@jest/globals';
import { UNSAFE_KEYS, dataPush, push } from '../../test/push.js';
import { FCM_PAYLOAD_LIMIT, fcmMessage, fcmPayloadSize, forbiddenFcmOverrides } from './payload.js';

const now = push().attemptAt;
const id = push().id;

describe('fcmMessage', () => {
  it('carries what Android, iOS and the web each need', () => {
    const message = push({
      sound: 'chime',
      badge: 3,
      data: { order: '7' },
      imageUrl: 'https://i/x',
    });
    expect(fcmMessage(message)).toEqual({
      token: 'device-token-1',
      notification: { title: 'Hi Ada', body: 'Your order left', image: 'https://i/x' },
      data: { order: '7' },
      android: {
        priority: 'HIGH',
        ttl: '86400s',
        notification: { tag: id, sound: 'chime', notification_count: 3 },
      },
      apns: {
        headers: {
          'apns-priority': '10',
          'apns-expiration': '1776781320',
          'apns-collapse-id': id,
        },
        payload: { aps: { sound: 'chime', badge: 3, 'mutable-content': 1 } },
        fcm_options: { image: 'https://i/x' },
      },
      webpush: { headers: { TTL: '86400', Urgency: 'high' }, notification: { tag: id } },
    });
  });

  it('puts a caller’s collapse key everywhere', () => {
    const message = fcmMessage(push({ collapseKey: 'score', priority: 'LOW' }));
    expect(message.android.collapse_key).toBe('score');
    expect(message.android.notification?.tag).toBe('score');
    expect(message.apns.headers?.['apns-collapse-id']).toBe('score');
    expect(message.webpush.notification?.tag).toBe('score');
    expect(message.android.priority).toBe('NORMAL');
    expect(message.apns.headers?.['apns-priority']).toBe('5');
    expect(message.webpush.headers?.['Urgency']).toBe('normal');
  });

  it.each(UNSAFE_KEYS)(
    'gives the key %j to APNs as %s, elsewhere as it is',
    (collapseKey, hash) => {
      const { android, apns, webpush } = fcmMessage(push({ collapseKey }));
      expect(apns.headers?.['apns-collapse-id']).toBe(hash);
      expect(android.collapse_key).toBe(collapseKey);
      expect(android.notification?.tag).toBe(collapseKey);
      expect(webpush.notification?.tag).toBe(collapseKey);
    },
  );

  it('without one leaves Android’s collapse key alone: FCM keeps four a device', () => {
    expect(fcmMessage(push()).android).not.toHaveProperty('collapse_key');
  });

  it('without text is a background push that carries its id as data', () => {
    const message = fcmMessage(dataPush({ sound: 'chime', badge: 1 }));
    expect(message.notification).toBeUndefined();
    expect(message.data).toEqual({ order: '7', fanfareId: id });
    expect(message.android).toEqual({ priority: 'HIGH', ttl: '86400s' });
    expect(message.apns.headers).toMatchObject({
      'apns-priority': '5',
      'apns-push-type': 'background',
    });
    expect(message.apns.payload).toEqual({ aps: { 'content-available': 1 } });
    expect(message.webpush).not.toHaveProperty('notification');
  });

  it.each([
    ['the seconds that are left', { expiresAt: new Date(now.getTime() + 90_900) }, '90s'],
    ['never less than none', { expiresAt: new Date(now.getTime() - 5_000) }, '0s'],
    ['never more than four weeks', { expiresAt: new Date('2027-01-01T00:00:00Z') }, '2419200s'],
    ['none for an immediate push', { immediate: true }, '0s'],
  ])('has as time to live %s', (_, wish, ttl) => {
    expect(fcmMessage(push(wish)).android.ttl).toBe(ttl);
  });

  it('says 0 to APNs for an immediate push', () => {
    const { apns } = fcmMessage(push({ immediate: true }));
    expect(apns.headers?.['apns-expiration']).toBe('0');
  });

  it('merges overrides last, but never the target', () => {
    const fcm = { android: { notification: { channel_id: 'news' }, ttl: '5s' }, token: 'other' };
    const message = fcmMessage(push({ overrides: { fcm } }));
    expect(message.token).toBe('device-token-1');
    expect(message.android).toMatchObject({
      ttl: '5s',
      priority: 'HIGH',
      notification: { channel_id: 'news', tag: id },
    });
  });
});

describe('forbiddenFcmOverrides', () => {
  it('names each field that says where the message goes', () => {
    const fields = ['token', 'topic', 'condition', 'fid'];
    const overrides = Object.fromEntries(fields.map((field) => [field, 'x']));
    expect(forbiddenFcmOverrides({ ...overrides, android: {} })).toEqual(fields);
  });

  it('lets everything else pass', () => {
    expect(forbiddenFcmOverrides({ android: {}, data: { from: 'x' } })).toEqual([]);
    expect(forbiddenFcmOverrides(undefined)).toEqual([]);
  });
});

describe('fcmPayloadSize', () => {
  it('counts keys and values of notification and data, in bytes', () => {
    // title 5+2, body 4+3 (one character of three bytes), order 5+1
    expect(fcmPayloadSize(push({ title: 'Hi', body: '€', data: { order: '7' } }))).toBe(20);
  });

  it('counts the id of a data-only push, and overrides', () => {
    expect(fcmPayloadSize(dataPush())).toBe('order7fanfareId'.length + id.length);
    const overrides = { fcm: { data: { extra: 'ab' }, notification: { body: 'x' } } };
    expect(fcmPayloadSize(push({ title: 'Hi', body: '€€€', overrides }))).toBe(
      'titleHibodyxextraab'.length,
    );
  });

  it('is exact at the limit with multi-byte text', () => {
    const fixed = 'title'.length + 'body'.length;
    const room = FCM_PAYLOAD_LIMIT - fixed;
    const body = '😀'.repeat(Math.floor(room / 4)) + 'x'.repeat(room % 4);
    expect(fcmPayloadSize(push({ title: '', body }))).toBe(FCM_PAYLOAD_LIMIT);
  });
});
