import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startGateway, storeCredential, type Gateway } from './gateway.js';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway();
  await storeCredential(gateway.client, 'FCM');
});
afterAll(() => gateway?.stop());

it('refuses a content that no provider could take before it costs anything', async () => {
  const data = Object.fromEntries(
    Array.from({ length: 4_000 }, (_, at) => [`k${at}`, '{{a}}'.repeat(400)]),
  );
  const begin = performance.now();
  const answer = await gateway.client.post('/v1/PushNotifications', {
    to: [{ token: 't', provider: 'FCM' }],
    content: { body: 'x', data },
  });
  expect(answer.status).toBe(400);
  expect(answer.body.errors).toEqual([
    expect.objectContaining({
      context: '$.content',
      message: expect.stringContaining('65536 bytes'),
    }),
  ]);
  expect(performance.now() - begin).toBeLessThan(3_000);
});
