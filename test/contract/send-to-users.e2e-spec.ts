import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Operation, OperationErrorList, Preflight, PushNotificationList } from '@app/contract';
import { formatId, newId } from '@app/domain';
import { startGateway, storeCredential } from './gateway.js';
import type { Client, Gateway } from './gateway.js';
import { expectRefused, register } from './resources.js';

let gateway: Gateway;
let client: Client;
let fcm: string;
let apn: string;
let otherFcm: string;

beforeAll(async () => {
  gateway = await startGateway();
  client = gateway.client;
  fcm = await storeCredential(client, 'FCM');
  apn = await storeCredential(client, 'APN');
  otherFcm = await storeCredential(client, 'FCM', 'other');
});

afterAll(() => gateway?.stop());

const unknown = () => formatId('user', newId());

const post = (to: object[], over: object = {}, by = client) =>
  by.post('/v1/PushNotifications', { to, content: { body: 'Hi {{ name }}' }, ...over });

/** Sends to `to`; gives the operation and its pushes, oldest first. */
async function send(to: object[], over: object = {}) {
  const { status, body } = await post(to, over);
  expect([status, body]).toEqual([202, body]);
  const { operationId } = body;
  const operation = Operation.parse((await client.get(`Operations/${operationId}`)).body);
  const listed = await client.get('/v1/PushNotifications', { query: { operationId } });
  const { pushNotifications } = PushNotificationList.parse(listed.body);
  return { operation, pushes: pushNotifications.reverse() };
}

/** A user with an FCM and an APN device in the App `shop`. */
async function userWithTwo() {
  const { userId, token } = await register(client);
  const second = await register(client, { provider: 'APN', userId });
  return { userId, android: token, iphone: second.token };
}

describe('a send to users', () => {
  it('becomes a push for each device, which shows where it went and is found by its user', async () => {
    const { userId, android, iphone } = await userWithTwo();
    const { operation, pushes } = await send([
      { userId, variables: { name: 'Ann' } },
      { token: 'plain', provider: 'FCM' },
    ]);
    expect(operation.stats).toMatchObject({ total: 3, recipients: 2, unaddressable: 0, queued: 3 });
    const variables = { name: 'Ann' };
    expect(pushes.map(({ to, from }) => [to, from])).toEqual([
      [{ token: android, provider: 'FCM', variables }, { fcm }],
      [{ token: iphone, provider: 'APN', variables }, { apn }],
      [{ token: 'plain', provider: 'FCM' }, { fcm }],
    ]);
    const { body } = await client.get(pushes[1]!.id);
    expect(body.content).toEqual({ body: 'Hi Ann' });
    const ofUser = await client.get('/v1/PushNotifications', { query: { user: userId } });
    expect(ofUser.body.pushNotifications.map(({ id }: { id: string }) => id)).toEqual([
      pushes[1]!.id,
      pushes[0]!.id,
    ]);
  });

  it('renders tags for each user, and is refused where one does not render', async () => {
    const [ann, bob] = [await userWithTwo(), await userWithTwo()];
    const to = [
      { userId: ann.userId, variables: { name: 'ann' } },
      { userId: bob.userId, variables: { name: 'bob' } },
    ];
    const { pushes } = await send(to, { tags: { who: '{{ name }}' } });
    expect(pushes.map(({ tags }) => tags.who)).toEqual(['ann', 'ann', 'bob', 'bob']);
    const refused = await post([...to, { userId: ann.userId }], { tags: { who: '{{ name }}' } });
    expect(expectRefused(refused, 400)).toEqual(['$.to[2]']);
  });

  it('counts users without a usable device; Errors lists them', async () => {
    const stranger = await gateway.otherAccount();
    await storeCredential(stranger, 'FCM');
    const theirs = await register(stranger);
    const deleted = await register(client);
    await client.delete(`Users/${deleted.userId}`);
    const left = await register(client);
    await client.delete(`DeviceRegistrations/${left.id}`);
    const ids = [unknown(), theirs.userId, deleted.userId, left.userId];
    const { operation, pushes } = await send([
      { token: 't', provider: 'FCM' },
      ...ids.map((userId) => ({ userId })),
    ]);
    expect(pushes).toHaveLength(1);
    expect(operation).toMatchObject({
      status: 'PROCESSING',
      stats: { total: 5, recipients: 5, unaddressable: 4, queued: 1 },
    });
    const { body } = await client.get(`Operations/${operation.id}/Errors`);
    expect(
      OperationErrorList.parse(body).errors.map(({ pushNotificationId, to, code }) => [
        pushNotificationId,
        to,
        code,
      ]),
    ).toEqual(ids.map((userId) => [null, { userId }, 71012]));
  });

  it('is over at once when nobody can be reached', async () => {
    const { operation } = await send([{ userId: unknown() }]);
    expect(operation).toMatchObject({ status: 'COMPLETED', stats: { total: 1, unaddressable: 1 } });
  });

  it('goes to the devices of the App in force', async () => {
    const { userId, token } = await register(client, { appName: 'other' });
    const shop = await register(client, { userId });
    const tokens = async (over: object) =>
      (await send([{ userId }], over)).pushes.map(({ to }) => to.token);
    expect(await tokens({})).toEqual([shop.token]);
    expect(await tokens({ from: { appName: 'other' } })).toEqual([token]);
    expect(await tokens({ from: { fcm: otherFcm } })).toEqual([token]);
    expect(await tokens({ from: { fcm } })).toEqual([shop.token]);
  });

  it('leaves out devices that no credential is there for; tokens without one are refused', async () => {
    const { userId, android } = await userWithTwo();
    const { pushes } = await send([{ userId }], { from: { fcm } });
    expect(pushes.map(({ to }) => to.token)).toEqual([android]);
    const apple = await register(client, { appName: 'other', provider: 'APN' });
    const { operation } = await send([{ userId: apple.userId }], { from: { appName: 'other' } });
    expect(operation.stats).toMatchObject({ total: 1, unaddressable: 1 });
    const to = [{ userId }, { token: 't', provider: 'APN' }];
    expect(expectRefused(await post(to, { from: { fcm } }), 400)).toEqual(['$.from']);
  });

  it('expands when it is accepted, not when it is due', async () => {
    const { userId, token } = await register(client);
    const sendAt = new Date(Date.now() + 3_600_000).toISOString();
    const { operation } = await send([{ userId }], { schedule: { sendAt: [sendAt] } });
    expect(operation.stats).toMatchObject({ scheduled: 1, unaddressable: 0 });
    await register(client, { userId });
    const { body } = await client.get('/v1/PushNotifications', {
      query: { operationId: operation.id },
    });
    expect(body.pushNotifications.map(({ to }: { to: { token: string } }) => to.token)).toEqual([
      token,
    ]);
  });

  it('takes no id that does not decode', async () => {
    const long = unknown() + '0'.repeat(9);
    const bad = ['x', long, unknown().toUpperCase(), unknown().replace('r_0', 'r_8')];
    const answer = await post(bad.map((userId) => ({ userId })));
    expect(expectRefused(answer, 400)).toEqual(bad.map((_, at) => `$.to[${at}].userId`));
  });

  it('may make 100,000 pushes; beyond, the answer is 400 with their number', async () => {
    const { userId } = await register(client);
    for (let n = 1; n < 50; n++) await register(client, { userId });
    const before = (await client.get('Operations')).body.operations[0].id;
    const answer = await post(Array.from({ length: 2_001 }, () => ({ userId })));
    expect(expectRefused(answer, 400)).toEqual(['$.to']);
    expect(answer.body.message).toContain('100050 pushes');
    expect((await client.get('Operations')).body.operations[0].id).toBe(before);

    const checked = await client.post('Preflight', {
      to: Array.from({ length: 2_001 }, () => ({ userId })),
      content: { body: 'B' },
    });
    expect(checked.body.errors).toMatchObject([{ context: '$.to' }]);
  });
});

describe('Preflight of users', () => {
  it('says who is unaddressable, and checks the size for the devices that are there', async () => {
    const { userId } = await userWithTwo();
    const apple = await register(client, { provider: 'APN' });
    const large = { v: 'x'.repeat(4_080) };
    const answer = await client.post('Preflight', {
      to: [
        { userId, variables: { v: 'ok' } },
        { userId: unknown(), variables: { v: 'ok' } },
        // Too large for APNs with what surrounds it, not for FCM.
        { userId: apple.userId, variables: large },
        { userId, variables: large },
      ],
      content: { body: '{{ v }}' },
    });
    const { recipients, errors } = Preflight.parse(answer.body);
    expect(errors).toEqual([]);
    expect(recipients.map((one) => one.errors.map(({ code }) => code))).toEqual([
      [],
      [71012],
      [71004],
      [71004],
    ]);
    const android = await client.post('Preflight', {
      to: [{ userId, variables: large }],
      content: { body: '{{ v }}' },
      from: { fcm },
    });
    expect(Preflight.parse(android.body).recipients[0]!.errors).toEqual([]);
  });
});
