import type { Message } from '../src/port.js';

/** A push as the worker would hand it over, with what a test wants to be different. */
export function push(wish: Partial<Message> = {}): Message {
  return {
    id: '0198c2f0-6f3a-7c11-8a55-0123456789ab',
    token: 'device-token-1',
    title: 'Hi Ada',
    body: 'Your order left',
    priority: 'HIGH',
    sound: null,
    expiresAt: new Date('2026-04-21T14:22:00Z'),
    attemptAt: new Date('2026-04-20T14:22:00Z'),
    immediate: false,
    ...wish,
  };
}

/** The same without text. */
export function dataPush(wish: Partial<Message> = {}): Message {
  const message = push({ data: { order: '7' }, ...wish });
  delete message.title;
  delete message.body;
  return message;
}

/** Collapse keys that no header carries, and their SHA-256 in hex. */
export const UNSAFE_KEYS: readonly [key: string, sha256: string][] = [
  ['ключ', '1de36a32af798da0c1ac9297603a320ed8fe567cf21c9177112a4ce914ebb8be'],
  [' a', '7de598b3ff8a99638e1f9bf49260baa0d98e069dde32d1f2e153adb5ce478242'],
  ['a ', '6583dcd6056fd32aadd0d2d0be920de99f6ff08b80065e4b9142aaa4169391cb'],
  ['a\nb', '7e18f737311b2dc3b2f269dd78396b0351f14fb66efa879f768cb23181883c78'],
];
