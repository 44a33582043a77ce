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
