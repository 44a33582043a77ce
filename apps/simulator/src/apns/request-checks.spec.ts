import { describe, expect, it } from '@jest/globals';
import { checkHeaders, checkPayload } from './request-checks.js';

const TOPIC = 'com.example.app';
const good = { 'apns-topic': TOPIC, 'apns-push-type': 'alert' };

describe('headers', () => {
  it.each<[string, Record<string, string>]>([
    ['only what is required', {}],
    [
      'everything',
      {
        'apns-id': '0190a6c0-0000-7000-8000-000000000001',
        'apns-priority': '1',
        'apns-expiration': '0',
        'apns-collapse-id': 'x'.repeat(64),
      },
    ],
    ['a background push at 5', { 'apns-push-type': 'background', 'apns-priority': '5' }],
  ])('with %s are in order', (_case, headers) => {
    expect(checkHeaders({ ...good, ...headers }, TOPIC)).toBeUndefined();
  });

  it.each([
    ['voip', '.voip'],
    ['complication', '.complication'],
    ['fileprovider', '.pushkit.fileprovider'],
    ['liveactivity', '.push-type.liveactivity'],
    ['location', '.location-query'],
    ['pushtotalk', '.voip-ptt'],
    ['widgets', '.push-type.widgets'],
    ['controls', '.push-type.controls'],
    ['mdm', ''],
  ])('of a %s push need the topic to end in "%s"', (type, suffix) => {
    const headers = { 'apns-push-type': type, 'apns-topic': TOPIC + suffix };
    expect(checkHeaders(headers, TOPIC)).toBeUndefined();
    const other = `${TOPIC}.other`;
    expect(checkHeaders({ ...headers, 'apns-topic': other }, TOPIC)).toBe('BadTopic');
  });

  it.each<[Record<string, string>, string]>([
    [{ 'apns-id': 'x' }, 'BadMessageId'],
    [{ 'apns-id': '0190A6C0-0000-7000-8000-000000000001' }, 'BadMessageId'],
    [{ 'apns-id': 'a, b' }, 'DuplicateHeaders'],
    [{ 'apns-topic': '' }, 'MissingTopic'],
    [{ 'apns-topic': 'no topic' }, 'BadTopic'],
    [{ 'apns-topic': `${TOPIC}, ${TOPIC}` }, 'DuplicateHeaders'],
    [{ 'apns-topic': 'com.example.other' }, 'TopicDisallowed'],
    [{ 'apns-topic': `${TOPIC}.voip` }, 'BadTopic'],
    [{ 'apns-push-type': 'alarm' }, 'InvalidPushType'],
    [{ 'apns-priority': '7' }, 'BadPriority'],
    [{ 'apns-push-type': 'background', 'apns-priority': '10' }, 'BadPriority'],
    [{ 'apns-push-type': 'background' }, 'BadPriority'],
    [{ 'apns-expiration': 'soon' }, 'BadExpirationDate'],
    [{ 'apns-expiration': '1.5' }, 'BadExpirationDate'],
    [{ 'apns-collapse-id': 'é'.repeat(33) }, 'BadCollapseId'],
  ])('%j are %s', (headers, reason) => {
    expect(checkHeaders({ ...good, ...headers }, TOPIC)).toBe(reason);
  });
});

describe('a payload', () => {
  const of = (payload: unknown, type = 'alert'): string | undefined =>
    checkPayload(JSON.stringify(payload), type);

  it.each<[string, unknown]>([
    ['alert', { aps: { alert: 'x' }, custom: 1 }],
    ['alert', { aps: { badge: 0 } }],
    ['background', { aps: { 'content-available': 1 }, custom: 1 }],
    ['liveactivity', { aps: { event: 'update', timestamp: 1, 'content-state': {} } }],
    ['widgets', { aps: { 'content-changed': true } }],
    ['mdm', { mdm: 'magic' }],
    ['voip', { anything: 1 }],
  ])('of a %s push may be %j', (type, payload) => {
    expect(of(payload, type)).toBeUndefined();
  });

  it.each<[string, unknown]>([
    ['alert', { aps: { 'content-available': 1 } }],
    ['alert', { custom: 1 }],
    ['background', { aps: { 'content-available': 1, alert: 'x' } }],
    ['background', { aps: {} }],
    ['liveactivity', { aps: { event: 'update' } }],
    ['controls', { aps: { alert: 'x' } }],
    ['mdm', { aps: { alert: 'x' } }],
  ])('of a %s push may not be %j', (type, payload) => {
    expect(of(payload, type)).toBe('InvalidPushType');
  });

  it.each(['', '{}', '[]', 'null', '"x"', '{'])('%j is empty', (text) => {
    expect(checkPayload(text, 'alert')).toBe('PayloadEmpty');
  });

  it('has 4,096 bytes, of VoIP 5,120', () => {
    const sized = (bytes: number): string => {
      const frame = JSON.stringify({ aps: { alert: '' } });
      return frame.replace('""', `"${'x'.repeat(bytes - frame.length)}"`);
    };
    expect(checkPayload(sized(4_096), 'alert')).toBeUndefined();
    expect(checkPayload(sized(4_097), 'alert')).toBe('PayloadTooLarge');
    expect(checkPayload(sized(5_120), 'voip')).toBeUndefined();
    expect(checkPayload(sized(5_121), 'voip')).toBe('PayloadTooLarge');
  });
});
