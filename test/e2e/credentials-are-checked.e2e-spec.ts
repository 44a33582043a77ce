import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BACKENDS, startTestGateway, type TestGateway } from '../support/gateway.js';

/** X8 of the contract: the worker asks the provider, the api says what it answered. */

describe.each(BACKENDS)('a credential, with the queue on %s,', (backend) => {
  let run: TestGateway;
  let good: { fcm: string; apn: string };

  beforeAll(async () => {
    run = await startTestGateway({ backend });
    good = await run.storeCredentials();
  });
  afterAll(() => run?.close());

  const check = (id: string) =>
    run.client.call('POST', `/v1/PushNotifications/Credentials/${id}/Check`, undefined);

  it('is found to work, and nothing is delivered', async () => {
    for (const id of [good.fcm, good.apn]) {
      const { status, body } = await check(id);
      expect([status, body.ok]).toEqual([200, true]);
    }
    expect((await run.summary()).accepted).toBe(0);
  });

  it('that the provider does not know is found out, and no secret is shown', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const { resourceId } = await run.client.post('/v1/PushNotifications/Credentials', {
      appName: 'other',
      credentialType: 'APN',
      content: {
        signingKey: Buffer.from(pem).toString('base64'),
        keyId: 'ABC123DEFG',
        teamId: 'DEF123GHIJ',
        topic: 'com.example.other',
      },
    });
    const { status, body } = await check(resourceId);
    expect([status, body.ok]).toEqual([200, false]);
    expect(body.detail).toMatch(/^Refused/);
    expect(JSON.stringify(body)).not.toContain(pem.slice(40, 80));
  });
});
