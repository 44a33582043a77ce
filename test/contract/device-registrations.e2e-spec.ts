import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DeviceRegistration, DeviceRegistrationList, User, UserList } from '@app/contract';
import { startGateway, storeCredential } from './gateway.js';
import type { Client, Gateway } from './gateway.js';
import { everyPage, expectAccepted, expectRefused, register } from './resources.js';

const UNKNOWN_USER = 'comms_pushnotificationuser_01h9krwprkeee8fzqspvwy6nq8';

let gateway: Gateway;
let client: Client;

beforeAll(async () => {
  gateway = await startGateway();
  client = gateway.client;
  for (const appName of ['shop', 'news', 'chat']) await storeCredential(client, 'FCM', appName);
});

afterAll(() => gateway?.stop());

const fetch = async (id: string) =>
  DeviceRegistration.parse((await client.get(`DeviceRegistrations/${id}`)).body);

describe('registering a device', () => {
  it('makes a user, and answers with the registration', async () => {
    const { id, userId, token } = await register(client);
    expect(id).toMatch(/^comms_device_registration_[a-hjkmnpqrstv-z0-9]{26,34}$/);
    expect(userId).toMatch(/^comms_pushnotificationuser_[0-7][a-hjkmnpqrstv-z0-9]{25,34}/);
    expect(await fetch(id)).toEqual({
      id,
      appName: 'shop',
      userId,
      devices: [{ token, provider: 'FCM' }],
      related: [
        { name: 'App', uri: `${base()}/Apps/shop` },
        { name: 'User', uri: `${base()}/Users/${userId}` },
      ],
    });
    const user = User.parse((await client.get(`Users/${userId}`)).body);
    expect(user).toMatchObject({ id: userId, deletedAt: null });
  });

  it('joins the devices of a known user: one registration a user and App', async () => {
    const { id, userId } = await register(client);
    expect((await register(client, { userId, provider: 'APN' })).id).toBe(id);
    expect((await fetch(id)).devices.map(({ provider }) => provider)).toEqual(['FCM', 'APN']);
    expect((await register(client, { userId, appName: 'news' })).id).not.toBe(id);
  });

  it('of a known token makes no new device; it moves to the named user', async () => {
    const first = await register(client);
    expect(await register(client, { token: first.token })).toEqual(first);
    const second = await register(client);
    const moved = await register(client, { token: first.token, userId: second.userId });
    expect(moved.id).toBe(second.id);
    expect((await fetch(second.id)).devices.map(({ token }) => token).sort()).toEqual(
      [first.token, second.token].sort(),
    );
    // It was the only device there: a registration has one at least.
    expectRefused(await client.get(`DeviceRegistrations/${first.id}`), 404);
    expect((await client.get(`Users/${first.userId}`)).status).toBe(200);
  });

  it('takes 50 devices and refuses the 51st', async () => {
    const { id, userId, token } = await register(client);
    for (let n = 1; n < 50; n++) await register(client, { userId });
    const body = { appName: 'shop', provider: 'FCM', token: 'the 51st', userId };
    expectRefused(await client.post('DeviceRegistrations', body), 409);
    expect((await fetch(id)).devices).toHaveLength(50);
    await register(client, { userId, token });
  });

  it.each<[string, Record<string, unknown>, number, string[]]>([
    ['an unknown App', { appName: 'nope' }, 404, ['$.appName']],
    ['an unknown user', { userId: UNKNOWN_USER }, 404, ['$.userId']],
    ['an undecodable user', { userId: 'comms_user_1' }, 400, ['$.userId']],
    ['a malformed App', { appName: 'No!' }, 400, ['$.appName']],
    ['an unknown provider', { provider: 'HMS' }, 400, ['$.provider']],
    ['an empty token', { token: '' }, 400, ['$.token']],
    ['a token over 4,096 characters', { token: 'x'.repeat(4_097) }, 400, ['$.token']],
    ['a token with a NUL', { token: 'a\0' }, 400, ['$.token']],
    ['half a surrogate pair', { token: '\ud800' }, 400, ['$.token']],
    ['an unknown field', { name: 'x' }, 400, ['$.name']],
    [
      'no App and no token',
      { appName: undefined, token: undefined },
      400,
      ['$.appName', '$.token'],
    ],
  ])('of %s is refused', async (_, over, status, contexts) => {
    const body = { appName: 'shop', provider: 'FCM', token: 'refused', ...over };
    expect(expectRefused(await client.post('DeviceRegistrations', body), status)).toEqual(contexts);
  });
});

const base = () => `http://localhost:${new URL(gateway.origin).port}/v1/PushNotifications`;

describe('listing registrations', () => {
  it('of a user, newest first, in pages that carry the user', async () => {
    const { userId, id } = await register(client);
    const news = await register(client, { userId, appName: 'news' });
    const chat = await register(client, { userId, appName: 'chat' });
    const all = await everyPage(client, 'DeviceRegistrations', 'deviceRegistrations', { userId });
    expect(all.map((item) => item['id'])).toEqual([chat.id, news.id, id]);
    const { body } = await client.get('DeviceRegistrations', {
      query: { userId, appName: 'news' },
    });
    expect(DeviceRegistrationList.parse(body).deviceRegistrations).toEqual([await fetch(news.id)]);
    const first = await client.get('DeviceRegistrations', { query: { userId, pageSize: '2' } });
    const other = { userId: UNKNOWN_USER, pageToken: first.body.pagination.next };
    const refused = await client.get('DeviceRegistrations', { query: other });
    expect(expectRefused(refused, 400)).toEqual(['$.userId']);
  });

  it('needs the user; an unknown one has none', async () => {
    const none = await client.get('DeviceRegistrations');
    expect(expectRefused(none, 400)).toEqual(['$.userId']);
    for (const wrong of ['userId=x', `userId=${UNKNOWN_USER}&appName=A`]) {
      expectRefused(await client.get(`DeviceRegistrations?${wrong}`), 400);
    }
    const { body } = await client.get('DeviceRegistrations', { query: { userId: UNKNOWN_USER } });
    expect(body.deviceRegistrations).toEqual([]);
  });
});

describe('deleting', () => {
  it('a registration: it is gone, the user stays', async () => {
    const { id, userId } = await register(client);
    expect(expectAccepted(await client.delete(`DeviceRegistrations/${id}`))).toBe(id);
    expectRefused(await client.get(`DeviceRegistrations/${id}`), 404);
    expectRefused(await client.delete(`DeviceRegistrations/${id}`), 404);
    expect((await client.get(`Users/${userId}`)).body.deletedAt).toBeNull();
  });

  it('a user: it says so, its registrations are gone, it takes no more', async () => {
    const { id, userId } = await register(client);
    const news = await register(client, { userId, appName: 'news' });
    for (let n = 0; n < 2; n++) {
      expect(expectAccepted(await client.delete(`Users/${userId}`))).toBe(userId);
    }
    const user = User.parse((await client.get(`Users/${userId}`)).body);
    expect(user.deletedAt).toBe(user.updatedAt);
    for (const gone of [id, news.id]) {
      expectRefused(await client.get(`DeviceRegistrations/${gone}`), 404);
    }
    const body = { appName: 'shop', provider: 'FCM', token: 'x', userId };
    expectRefused(await client.post('DeviceRegistrations', body), 404);
  });
});

describe('users', () => {
  it('are listed newest first, in pages that neither skip nor repeat', async () => {
    const before = UserList.parse(
      (await client.get('Users', { query: { pageSize: '1000' } })).body,
    ).users;
    const first = await client.get('Users', { query: { pageSize: '2' } });
    await register(client);
    const rest = await everyPage(client, 'Users', 'users', {
      pageToken: first.body.pagination.next,
    });
    expect([...first.body.users, ...rest]).toEqual(before);
    const ids = before.map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted().reverse());
  });

  it('have no filter, and are not made by hand', async () => {
    const filtered = await client.get('Users', { query: { startDate: '2026-01-01' } });
    expect(expectRefused(filtered, 400)).toEqual(['$.startDate']);
    expectRefused(await client.post('Users', {}), 404);
  });
});
