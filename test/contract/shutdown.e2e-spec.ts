import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, storeCredential } from './gateway.js';
import type { Gateway } from './gateway.js';
import { withPushesLocked } from './locked-pushes.js';

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway();
  await storeCredential(gateway.client, 'FCM');
});

afterAll(() => gateway?.stop());

describe('while the api stops', () => {
  it('a request in hand is answered, and no new caller is let in', async () => {
    await withPushesLocked(gateway.database.ownerUrl, async (unlock) => {
      const sending = gateway.client.post('/v1/PushNotifications', {
        to: [{ token: 't', provider: 'FCM' }],
        content: { body: 'B' },
      });
      let stopping: Promise<void> | undefined;
      await unlock(async () => {
        stopping = gateway.stopApi();
        await untilRefused(Number(new URL(gateway.origin).port));
      });
      expect((await sending).status).toBe(202);
      await stopping;
    });
  });
});

async function untilRefused(port: number): Promise<void> {
  for (;;) {
    const refused = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(false);
      });
      socket.once('error', () => resolve(true));
    });
    if (refused) return;
  }
}
