import { describe, expect, it } from '@jest/globals';
import { checkMessage, countedBytes, messageId, parseRequest } from './fcm-message.js';

const parse = (message: unknown): ReturnType<typeof parseRequest> =>
  parseRequest(JSON.stringify({ message }));

describe('the body of messages:send', () => {
  it('may use every field, in both spellings', () => {
    expect(
      parse({
        token: 't',
        notification: { title: 'a', body: 'b', image: 'https://example.com/i.png' },
        data: { a: 'b' },
        android: {
          collapse_key: 'c',
          priority: 'high',
          ttl: '3.5s',
          restrictedPackageName: 'com.example',
          direct_boot_ok: true,
          notification: {
            tag: 't',
            channelId: 'c',
            click_action: 'a',
            notification_count: 3,
            body_loc_args: ['x'],
            light_settings: { color: { red: 1, alpha: 0.5 }, light_on_duration: '1s' },
            visibility: 'PUBLIC',
          },
        },
        apns: { headers: { 'apns-priority': '5' }, payload: { aps: { badge: 1, x: [null] } } },
        webpush: { headers: { TTL: '60' }, notification: { tag: 't' }, fcmOptions: { link: 'l' } },
        fcm_options: { analytics_label: 'l' },
      }),
    ).toMatchObject({ ok: true, validateOnly: false });
  });

  it('may have a colour in each of its forms', () => {
    const light = (alpha: unknown) => ({
      android: { notification: { light_settings: { color: { red: 1, alpha } } } },
    });
    expect(parse(light({ value: 0.5 }))).toMatchObject({ ok: true });
    expect(parse(light('x'))).toMatchObject({ ok: false });
  });

  it('may leave fields null', () => {
    expect(parse({ token: 't', android: null, data: null })).toMatchObject({ ok: true });
  });

  it('may be a dry run, in both spellings', () => {
    for (const name of ['validate_only', 'validateOnly']) {
      expect(parseRequest(`{"${name}":true,"message":{"token":"t"}}`)).toMatchObject({
        validateOnly: true,
      });
    }
  });

  it.each<[string, unknown, string, string]>([
    ['an unknown field', { x: 1 }, 'message', 'Unknown name "x" at \'message\''],
    ['a number in data', { data: { 'a-b': 5 } }, 'message.data["a-b"]', '(TYPE_STRING), 5'],
    [
      'a flag that is none',
      { android: { direct_boot_ok: 'y' } },
      'message.android.direct_boot_ok',
      '"y"',
    ],
    ['a bare ttl', { android: { ttl: '60' } }, 'message.android.ttl', '"60"'],
    ['an unknown priority', { android: { priority: '10' } }, 'message.android.priority', '"10"'],
    ['a header that is no text', { apns: { headers: { a: 1 } } }, 'message.apns.headers.a', '1'],
    [
      'an argument that is no text',
      { android: { notification: { body_loc_args: ['a', 1] } } },
      'message.android.notification.body_loc_args[1]',
      '1',
    ],
    [
      'a fraction of a count',
      { android: { notification: { notification_count: 1.5 } } },
      'message.android.notification.notification_count',
      '1.5',
    ],
  ])('with %s is refused', (_case, message, field, part) => {
    expect(parse(message)).toMatchObject({
      ok: false,
      violations: [{ field, description: expect.stringContaining(part) }],
    });
  });

  it('lists everything that is wrong', () => {
    expect(parse({ x: 1, y: 2, android: { z: 3 } })).toMatchObject({
      violations: [expect.anything(), expect.anything(), expect.anything()],
    });
  });

  it.each(['', '{', '[]', '"x"', 'null', '{"massage":{}}'])('%j is refused', (body) => {
    expect(parseRequest(body).ok).toBe(false);
  });

  it('without a message is left to FCM', () => {
    expect(parseRequest('{}')).toMatchObject({ ok: true, message: {} });
  });
});

describe('FCM itself', () => {
  it.each<[string, Record<string, unknown>]>([
    ['a token', { token: 't' }],
    ['a topic', { topic: 't' }],
    ['words that only begin like reserved ones', { token: 't', data: { fromage: '', googly: '' } }],
    ['the longest life', { token: 't', android: { ttl: '2419200s' } }],
  ])('takes %s', (_case, message) => {
    expect(checkMessage(message)).toBeUndefined();
  });

  it.each<[string, Record<string, unknown>, string, string | null]>([
    ['no target', {}, 'fcm', 'message'],
    ['an empty token', { token: '' }, 'fcm', 'message'],
    ['two targets', { token: 't', topic: 'u' }, 'field', 'message'],
    ['a reserved key', { token: 't', data: { from: 'x' } }, 'fcm', 'message.data'],
    ['a reserved beginning', { token: 't', data: { 'google.x': '' } }, 'fcm', 'message.data'],
    [
      'a reserved key for Android',
      { token: 't', android: { data: { message_type: 'x' } } },
      'fcm',
      'message.android.data',
    ],
    ['a longer life', { token: 't', android: { ttl: '2419201s' } }, 'fcm', 'message.android.ttl'],
    ['too many bytes', { token: 't', notification: { body: 'x'.repeat(4_093) } }, 'fcm', null],
  ])('refuses %s', (_case, message, kind, field) => {
    expect(checkMessage(message)).toMatchObject({ kind, field });
  });

  it('counts bytes of keys and values of notification and data, nothing else', () => {
    const message = {
      token: 'not counted',
      notification: { title: 'é', body: 'b' },
      data: { k: 'vv' },
      apns: { payload: { aps: { alert: 'not counted' } } },
    };
    expect(countedBytes(message)).toBe('title'.length + 2 + 'body'.length + 1 + 1 + 2);
  });

  it('knows a push by its own id, else its tag, else its collapse key', () => {
    const android = { collapse_key: 'c', notification: { tag: 't' } };
    expect(messageId({ data: { fanfareId: 'f' }, android })).toBe('f');
    expect(messageId({ android })).toBe('t');
    expect(messageId({ android: { collapseKey: 'c' } })).toBe('c');
    expect(messageId({ data: { fanfareId: '' } })).toBeNull();
  });
});
