import { describe, expect, it } from '@jest/globals';
import { newId, type OperationSettings } from '@app/domain';
import type { ClaimedPush } from '@app/persistence';
import type { Message, Providers } from '@app/providers';
import { compileContent } from '@app/templating';
import type { Credentials } from './credentials.js';
import type { OperationContents } from './operation-contents.js';
import { Sender } from './sender.js';

const attemptAt = new Date('2026-04-20T14:21:30Z');
const push = {
  id: newId(),
  token: 't',
  provider: 'FCM',
  variables: { name: 'Ann' },
  expiresAt: new Date('2026-04-20T14:22:00Z'),
} as unknown as ClaimedPush;

async function messageOf(over: Partial<OperationSettings>): Promise<Message> {
  const settings: OperationSettings = {
    content: { body: 'Hi {{name}}' },
    priority: 'LOW',
    sound: null,
    ttlSeconds: 60,
    collapseKey: null,
    badge: null,
    overrides: null,
    ...over,
  };
  const content = { settings, scheduledFor: null, template: compileContent(settings.content) };
  let sent: Message | undefined;
  const send = (_credential: unknown, message: Message) => {
    sent = message;
    return Promise.resolve({ kind: 'accepted', providerMessageId: 'm' });
  };
  const sender = new Sender(
    { get: () => Promise.resolve({ type: 'FCM' }) } as unknown as Credentials,
    { get: () => Promise.resolve(content) } as unknown as OperationContents,
    { FCM: { send } } as unknown as Providers,
  );
  const prepared = await sender.prepare(push);
  if (prepared.state === 'ready') await prepared.send(attemptAt);
  return sent!;
}

const least = {
  id: push.id,
  token: 't',
  body: 'Hi Ann',
  priority: 'LOW',
  sound: null,
  expiresAt: push.expiresAt,
  attemptAt,
  immediate: false,
};

describe('Sender', () => {
  it('leaves out what the send does not have', async () => {
    expect(await messageOf({})).toEqual(least);
  });

  it('hands over badge, image, collapse key and overrides', async () => {
    const overrides = { fcm: { android: { ttl: '5s' } }, apn: { aps: { category: 'x' } } };
    const imageUrl = 'https://example.com/a.png';
    expect(
      await messageOf({
        content: { body: 'Hi {{name}}', imageUrl },
        badge: 0,
        collapseKey: 'c',
        overrides,
      }),
    ).toEqual({ ...least, imageUrl, badge: 0, collapseKey: 'c', overrides });
  });
});
