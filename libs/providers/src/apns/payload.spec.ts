import { describe, expect, it } from '@jest/globals';
import { UNSAFE_KEYS, dataPush, push } from '../../test/push.js';
import type { ApnOverrides, Message } from '../port.js';
import {
  APNS_PAYLOAD_LIMIT,
  apnsPayloadSize,
  apnsRequest,
  forbiddenApnsHeaders,
  overridesTopic,
} from './payload.js';

const TOPIC = 'com.example.app';

function build(message: Message) {
  const { headers, body, limit } = apnsRequest(message, TOPIC);
  return { headers, payload: JSON.parse(body.toString()) as unknown, limit };
}

function withOverrides(apn: ApnOverrides, base = push()): Message {
  return { ...base, overrides: { apn } };
}

describe('apnsRequest', () => {
  it('carries an alert with everything that was asked for', () => {
    const message = push({
      sound: 'chime',
      badge: 3,
      data: { order: '7' },
      imageUrl: 'https://i/x',
    });
    expect(build(message)).toEqual({
      headers: {
        'apns-id': message.id,
        'apns-topic': TOPIC,
        'apns-push-type': 'alert',
        'apns-priority': 10,
        'apns-expiration': 1776781320,
        'apns-collapse-id': message.id,
      },
      payload: {
        aps: {
          alert: { title: 'Hi Ada', body: 'Your order left' },
          sound: 'chime',
          badge: 3,
          'mutable-content': 1,
        },
        order: '7',
        imageUrl: 'https://i/x',
      },
      limit: 4_096,
    });
  });

  it('without text is a background push at priority 5 that carries its id as data', () => {
    const { headers, payload } = build(dataPush({ sound: 'chime', badge: 2 }));
    expect(headers).toMatchObject({ 'apns-push-type': 'background', 'apns-priority': 5 });
    expect(payload).toEqual({
      aps: { 'content-available': 1 },
      order: '7',
      fanfareId: push().id,
    });
  });

  it('takes the caller’s collapse key, a low priority, and 0 for an immediate push', () => {
    const message = push({ collapseKey: 'score', priority: 'LOW', immediate: true });
    expect(build(message).headers).toMatchObject({
      'apns-collapse-id': 'score',
      'apns-priority': 5,
      'apns-expiration': 0,
    });
  });

  it.each(UNSAFE_KEYS)('gives the key %j to APNs as %s', (collapseKey, id) => {
    expect(build(push({ collapseKey })).headers['apns-collapse-id']).toBe(id);
  });

  it('keeps a badge of 0: it clears the icon', () => {
    expect(build(push({ badge: 0 })).payload).toMatchObject({ aps: { badge: 0 } });
  });

  it.each([
    ['voip', '.voip', 5_120],
    ['complication', '.complication', 4_096],
    ['liveactivity', '.push-type.liveactivity', 4_096],
    ['fileprovider', '.pushkit.fileprovider', 4_096],
    ['location', '.location-query', 4_096],
    ['pushtotalk', '.voip-ptt', 4_096],
    ['widgets', '.push-type.widgets', 4_096],
    ['controls', '.push-type.controls', 4_096],
    ['mdm', '', 4_096],
  ])('knows the topic suffix and limit of the type %s', (type, suffix, limit) => {
    const built = build(withOverrides({ headers: { 'apns-push-type': type } }, dataPush()));
    expect(built.headers).toMatchObject({ 'apns-push-type': type, 'apns-topic': TOPIC + suffix });
    expect(built.limit).toBe(limit);
    expect(built.payload).not.toHaveProperty('aps.content-available');
  });

  it('merges overrides last', () => {
    const apn = {
      headers: { 'apns-priority': '1' },
      aps: { 'thread-id': 't', alert: { subtitle: 's' } },
      payload: { custom: { deep: true }, aps: { category: 'c' } },
    };
    const { headers, payload } = build(withOverrides(apn));
    expect(headers['apns-priority']).toBe('1');
    expect(payload).toEqual({
      aps: {
        alert: { title: 'Hi Ada', body: 'Your order left', subtitle: 's' },
        'thread-id': 't',
        category: 'c',
      },
      custom: { deep: true },
    });
  });

  it('gives nothing of one push to the next', () => {
    build(withOverrides({ aps: { alert: { subtitle: 's' } } }));
    expect(build(push()).payload).toEqual({
      aps: { alert: { title: 'Hi Ada', body: 'Your order left' } },
    });
  });
});

describe('forbiddenApnsHeaders', () => {
  it('names each header that is ours or unknown', () => {
    const names = ['authorization', 'apns-id', ':path', 'host', 'APNS-PRIORITY'];
    const headers = Object.fromEntries(names.map((name) => [name, 'x']));
    expect(forbiddenApnsHeaders({ ...headers, 'apns-priority': '5' }, TOPIC)).toEqual(names);
    expect(forbiddenApnsHeaders(undefined, TOPIC)).toEqual([]);
  });

  it.each(['com.other.app', `${TOPIC}x`, `${TOPIC}.unknown`])('names the topic %s', (topic) => {
    const headers = { 'apns-topic': topic };
    expect(forbiddenApnsHeaders(headers, TOPIC)).toEqual(['apns-topic']);
    expect(forbiddenApnsHeaders(headers)).toEqual([]);
  });

  it('lets the credential’s topic with a type’s suffix pass', () => {
    const headers = { 'apns-topic': `${TOPIC}.voip`, 'apns-push-type': 'voip' };
    expect(forbiddenApnsHeaders(headers, TOPIC)).toEqual([]);
    expect(overridesTopic(withOverrides({ headers }))).toBe(true);
    expect(overridesTopic(push())).toBe(false);
  });
});

describe('apnsPayloadSize', () => {
  it('is the size of what is sent, exact at the limit with multi-byte text', () => {
    const empty = apnsPayloadSize(push({ body: '' })).bytes;
    const room = APNS_PAYLOAD_LIMIT - empty;
    const body = '😀'.repeat(Math.floor(room / 4)) + 'x'.repeat(room % 4);
    const message = push({ body });
    expect(apnsPayloadSize(message)).toEqual({ bytes: APNS_PAYLOAD_LIMIT, limit: 4_096 });
    expect(apnsRequest(message, TOPIC).body.length).toBe(APNS_PAYLOAD_LIMIT);
  });
});
