import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { InvalidRequest } from '@app/domain';
import { idempotencyKey, onceOf } from './idempotency-key.js';

const print = (method: string, path: string, body?: unknown) =>
  onceOf('k', method, path, body)!.fingerprint.toString('hex');

describe('onceOf', () => {
  it('tells requests apart by method, path and body', () => {
    const prints = [
      print('POST', '/a', { to: ['1', '2'] }),
      print('POST', '/a', { to: ['2', '1'] }),
      print('POST', '/a'),
      print('POST', '/b'),
      print('PUT', '/b'),
    ];
    expect(new Set(prints).size).toBe(prints.length);
  });

  it('does not care for the order of fields, at any depth', () => {
    expect(print('POST', '/a', { x: 1, y: [{ p: null, q: 2 }] })).toBe(
      print('POST', '/a', { y: [{ q: 2, p: null }], x: 1 }),
    );
    const values = [{ x: 1 }, { x: '1' }, { x: null }, { x: [] }, { x: {} }, {}, { x: [1] }, null];
    expect(new Set(values.map((value) => print('POST', '/a', value))).size).toBe(values.length);
  });

  it('stays what it is: keys are kept for a day, releases come and go', () => {
    const body = { to: [{ token: 't', provider: 'FCM' }], content: { body: 'é' } };
    expect(print('POST', 'PushNotifications', body)).toBe(
      createHash('sha256')
        .update('POST PushNotifications\n')
        .update('{"content":{"body":"é"},"to":[{"provider":"FCM","token":"t"}]}')
        .digest('hex'),
    );
  });

  it('is nothing without a key', () => {
    expect(onceOf(undefined, 'POST', '/a')).toBeUndefined();
  });
});

describe('idempotencyKey', () => {
  it('takes 1 to 255 characters', () => {
    const key = (value?: string) =>
      idempotencyKey(value === undefined ? {} : { 'idempotency-key': value });
    expect([key(), key('a b'), key('x'.repeat(255))]).toEqual([undefined, 'a b', 'x'.repeat(255)]);
    for (const bad of ['', 'x'.repeat(256)]) expect(() => key(bad)).toThrow(InvalidRequest);
  });
});
