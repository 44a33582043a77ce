import { afterEach, describe, expect, it } from '@jest/globals';
import type { Json } from '../../scripts/types.js';
import { MAIN_BACKEND, startTestGateway, tokens, type TestGateway } from '../support/gateway.js';

/** A credential may be rotated or deleted at any time: nothing is lost, nothing is sent twice. */

let run: TestGateway | undefined;
afterEach(async () => {
  await run?.close();
  run = undefined;
});

const PATH = '/v1/PushNotifications/Credentials';

describe('a credential', () => {
  it('that is rotated while it sends: every push arrives once, without a restart', async () => {
    const gateway = await startTestGateway({
      backend: MAIN_BACKEND,
      env: { WORKER_CONCURRENCY: '20' },
    });
    run = gateway;
    const ids = await gateway.storeCredentials();
    const ready = await gateway.control('GET', '/credentials');
    const operationId = await gateway.send(tokens(600, 'slow.10'));
    const sent = async () => (await gateway.query('SELECT sent FROM operations'))[0].sent as number;
    await gateway.until('a part is sent', async () => (await sent()) > 100);
    for (const [id, content] of [
      [ids.fcm, ready.fcm],
      [ids.apn, ready.apnToken],
    ]) {
      const { status } = await gateway.client.call('PUT', `${PATH}/${id}/Content`, content);
      expect(status).toBe(202);
    }
    expect(await sent()).toBeLessThan(600);
    expect((await gateway.settled(operationId, 60_000)).stats).toMatchObject({ sent: 600 });
    expect(await gateway.summary()).toMatchObject({ distinctAccepted: 600, duplicates: 0 });
    const versions = await gateway.query('SELECT version FROM credentials');
    expect(versions).toEqual([{ version: 2 }, { version: 2 }]);
  }, 90_000);

  it('that is rotated is sent with anew by every worker, not only by the one that hears a refusal', async () => {
    const gateway = await startTestGateway({
      backend: MAIN_BACKEND,
      env: { WORKER_CONCURRENCY: '20' },
    });
    run = gateway;
    const { apn } = await gateway.storeCredentials();
    await gateway.startWorker();
    const send = async (behaviour: string, from: number) => {
      const to = tokens(200, behaviour, from).map((token) => ({ token, provider: 'APN' }));
      const { stats } = await gateway.settled(await gateway.send([], { to, ttlSeconds: 0 }));
      expect(stats).toMatchObject({ sent: 200 });
    };
    // Both know the secret of before.
    await send('slow.10', 0);
    const next = (await gateway.control('GET', '/credentials?name=next')).apnToken;
    expect((await gateway.client.call('PUT', `${PATH}/${apn}/Content`, next)).status).toBe(202);
    await send('slow.10', 1_000);
    const { entries } = await gateway.control('GET', '/ledger?limit=200');
    const topics = entries.map((entry: Json) => entry.request?.headers['apns-topic']);
    expect(new Set(topics)).toEqual(new Set([next.topic]));
  }, 90_000);

  it('that is deleted fails what waits for it, by its own code, and nothing else', async () => {
    const gateway = await startTestGateway({ backend: MAIN_BACKEND });
    run = gateway;
    const { fcm } = await gateway.storeCredentials();
    await gateway.worker.stop();
    const operationId = await gateway.send(tokens(200));
    expect((await gateway.client.call('DELETE', `${PATH}/${fcm}`)).status).toBe(202);
    await gateway.startWorker();
    const { stats } = await gateway.settled(operationId, 60_000);
    expect(stats).toMatchObject({ total: 200, sent: 100, failed: 100 });
    const { pushNotifications } = await gateway.client.get(
      `/v1/PushNotifications?operationId=${operationId}&status=FAILED&pageSize=1000`,
    );
    expect(pushNotifications).toHaveLength(100);
    for (const { error, from } of pushNotifications) {
      expect(error.code).toBe(71006);
      expect(from).toEqual({ fcm });
    }
  }, 90_000);
});
