import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  Credential,
  Operation,
  PushNotificationDetail,
  PushNotificationList,
  ResourceAccepted,
  SendAccepted,
} from '@app/contract';
import { apnContent, fcmContent, startGateway, storeCredential } from './gateway.js';
import type { Client, Gateway } from './gateway.js';
import { withPushesLocked } from './locked-pushes.js';

let gateway: Gateway;
let client: Client;
let fcm: string;
let apn: string;

beforeAll(async () => {
  gateway = await startGateway();
  client = gateway.client;
  fcm = await storeCredential(client, 'FCM');
  apn = await storeCredential(client, 'APN');
});

afterAll(() => gateway?.stop());

const recipients = (count: number, provider = 'FCM') =>
  Array.from({ length: count }, (_, i) => ({ token: `t-${i}`, provider }));

async function pushesOf(operationId: string) {
  const { body } = await client.get('/v1/PushNotifications', {
    query: { operationId, pageSize: '1000' },
  });
  return PushNotificationList.parse(body).pushNotifications;
}

describe('POST /v1/PushNotifications', () => {
  it('answers 202 with id and location, and the operation is there with all its pushes', async () => {
    const to = [
      { token: 'one', provider: 'FCM', variables: { name: 'Ann' } },
      { token: 'two', provider: 'APN' },
      { userId: 'comms_pushnotificationuser_01h2xcejqtf2nbrexx3vqjhp41' },
    ];
    const content = {
      title: 'Hi {{ name | default: "there" }}',
      body: 'B',
      data: { k: '{{name}}' },
    };
    const sent = await client.post('/v1/PushNotifications', { to, content });
    expect(sent.status).toBe(202);
    const { operationId, operationLocation } = SendAccepted.parse(sent.body);
    expect(sent.headers.get('location')).toBe(operationLocation);
    expect(operationLocation).toBe(
      `${gateway.origin.replace('127.0.0.1', 'localhost')}/v1/PushNotifications/Operations/${operationId}`,
    );

    const fetched = await client.get(`Operations/${operationId}`);
    expect(fetched.status).toBe(200);
    expect(Operation.parse(fetched.body)).toMatchObject({
      id: operationId,
      status: 'PROCESSING',
      stats: { total: 3, recipients: 3, unaddressable: 1, queued: 2, sent: 0, failed: 0 },
    });

    const [second, first] = await pushesOf(operationId);
    expect(first).toMatchObject({ to: to[0], from: { fcm }, status: 'QUEUED', operationId });
    expect(second).toMatchObject({ to: to[1], from: { apn }, priority: 'HIGH', sound: null });

    const one = await client.get(first!.id);
    expect(one.status).toBe(200);
    expect(PushNotificationDetail.parse(one.body)).toEqual({
      ...first,
      content: { title: 'Hi Ann', body: 'B', data: { k: 'Ann' } },
      timeline: [{ event: 'accepted', at: expect.stringMatching(/\.\d{3}Z$/) }],
    });
    const two = await client.get(second!.id);
    expect(two.body.content).toEqual({ title: 'Hi there', body: 'B', data: { k: '' } });
  });

  it('keeps priority and sound', async () => {
    const sent = await client.post('/v1/PushNotifications', {
      to: recipients(1),
      content: { body: 'B' },
      priority: 'LOW',
      sound: 'ding',
    });
    const [push] = await pushesOf(sent.body.operationId);
    expect(push).toMatchObject({ priority: 'LOW', sound: 'ding' });
  });

  it('takes a data-only push', async () => {
    const sent = await client.post('/v1/PushNotifications', {
      to: recipients(1),
      content: { data: { id: '5', constructor: 'kept' } },
      priority: 'LOW',
      ttlSeconds: 0,
      collapseKey: 'é'.repeat(32),
    });
    expect(sent.status).toBe(202);
    const [push] = await pushesOf(sent.body.operationId);
    expect(push).toMatchObject({ priority: 'LOW', sound: null, scheduledFor: null, attempts: 0 });
    const { body } = await client.get(push!.id);
    expect(body.content).toEqual({ data: { id: '5', constructor: 'kept' } });
  });

  it('takes 10,000 recipients', async () => {
    const to = recipients(10_000).map((one, i) => ({ ...one, variables: { name: `n${i}` } }));
    const sent = await client.post('/v1/PushNotifications', { to, content: { body: 'B' } });
    expect(sent.status).toBe(202);
    const { body } = await client.get(`Operations/${sent.body.operationId}`);
    expect(body.stats).toMatchObject({ total: 10_000, recipients: 10_000, queued: 10_000 });
  });

  it('sends duplicates once each', async () => {
    const to = [...recipients(1), ...recipients(1)];
    const sent = await client.post('/v1/PushNotifications', { to, content: { body: 'B' } });
    expect((await pushesOf(sent.body.operationId)).map((push) => push.to.token)).toEqual([
      't-0',
      't-0',
    ]);
  });

  it('uses the credentials that from names', async () => {
    const sandbox = await storeCredential(client, 'APN_SANDBOX', 'other');
    const to = recipients(1, 'APN');
    const byId = await client.post('/v1/PushNotifications', {
      to,
      content: { body: 'B' },
      from: { apn: sandbox },
    });
    expect((await pushesOf(byId.body.operationId))[0]?.from).toEqual({ apn: sandbox });
    const byApp = await client.post('/v1/PushNotifications', {
      to,
      content: { body: 'B' },
      from: { appName: 'other' },
    });
    expect((await pushesOf(byApp.body.operationId))[0]?.from).toEqual({ apn: sandbox });
  });

  it('answers only after the commit', async () => {
    await withPushesLocked(gateway.database.ownerUrl, async (unlock) => {
      let answered = false;
      const sending = client
        .post('/v1/PushNotifications', { to: recipients(1), content: { body: 'B' } })
        .finally(() => (answered = true));
      await unlock(async () => {
        // An answer that left before the statement has arrived by the time another request is done.
        await fetch(`${gateway.origin}/health/live`);
        expect(answered).toBe(false);
      });
      expect((await sending).status).toBe(202);
    });
  });
});

describe('credentials', () => {
  it('are accepted, located and readable without their secret', async () => {
    const content = fcmContent();
    const created = await client.post('Credentials', {
      appName: 'mail_1',
      credentialType: 'FCM',
      content,
    });
    expect(created.status).toBe(202);
    const { resourceId, resourceLocation } = ResourceAccepted.parse(created.body);
    expect(created.headers.get('location')).toBe(resourceLocation);

    const fetched = await client.get(`Credentials/${resourceId}`);
    expect(fetched.status).toBe(200);
    expect(Credential.parse(fetched.body)).toMatchObject({
      id: resourceId,
      appName: 'mail_1',
      credentialType: 'FCM',
      isDefault: true,
      expiresAt: null,
    });
    expect(JSON.stringify(fetched.body)).not.toContain(content.privateKey.slice(0, 40));
  });

  it('make the first of a type the default, a later one only when asked', async () => {
    const create = (isDefault?: boolean) =>
      client.post('Credentials', {
        appName: 'defaults',
        credentialType: 'APN',
        content: apnContent(),
        isDefault,
      });
    const isDefault = async (id: string) => (await client.get(`Credentials/${id}`)).body.isDefault;
    const first = (await create(false)).body.resourceId;
    const second = (await create()).body.resourceId;
    expect([await isDefault(first), await isDefault(second)]).toEqual([true, false]);
    const third = (await create(true)).body.resourceId;
    expect([await isDefault(first), await isDefault(third)]).toEqual([false, true]);
  });

  it('answer 409 beyond ten in an App', async () => {
    const content = apnContent();
    const create = () =>
      client.post('Credentials', { appName: 'full', credentialType: 'APN', content });
    for (let i = 0; i < 10; i++) expect((await create()).status).toBe(202);
    const eleventh = await create();
    expect(eleventh.status).toBe(409);
    expect(eleventh.body).toMatchObject({ code: 20409, status: 409, errors: [] });
  });
});

describe('other accounts', () => {
  it('see nothing of ours, and what they do not see looks unknown', async () => {
    const sent = await client.post('/v1/PushNotifications', {
      to: recipients(1),
      content: { body: 'B' },
    });
    const [push] = await pushesOf(sent.body.operationId);
    const stranger = await gateway.otherAccount();
    const unknown = await stranger.get('Credentials/comms_credential_01h2xcejqtf2nbrexx3vqjhp41');
    expect(unknown.status).toBe(404);
    for (const path of [push!.id, `Operations/${sent.body.operationId}`, `Credentials/${fcm}`]) {
      const answer = await stranger.get(path);
      expect(answer.status).toBe(404);
      expect(answer.body).toEqual(unknown.body);
    }
    const lists = [
      await stranger.get('/v1/PushNotifications'),
      await stranger.get('/v1/PushNotifications', {
        query: { operationId: sent.body.operationId },
      }),
      await stranger.get('Operations'),
    ];
    expect(lists.map(({ body }) => body.pushNotifications ?? body.operations)).toEqual([
      [],
      [],
      [],
    ]);
    const borrowed = await stranger.post('/v1/PushNotifications', {
      to: recipients(1),
      content: { body: 'B' },
      from: { fcm },
    });
    expect(borrowed.status).toBe(400);
    expect(borrowed.body.errors).toEqual([
      { code: 70002, message: 'There is no such credential.', context: '$.from.fcm' },
    ]);
  });
});
