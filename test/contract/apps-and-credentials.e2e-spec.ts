import { afterAll, beforeEach, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { App, Credential, CredentialList } from '@app/contract';
import { PKCS12 } from '../../libs/providers/test/pkcs12-files.js';
import { apnContent, fcmContent, startGateway, storeCredential } from './gateway.js';
import type { Client, Gateway } from './gateway.js';
import { everyPage, expectAccepted, expectRefused, register } from './resources.js';

let gateway: Gateway;
let client: Client;

beforeAll(async () => {
  gateway = await startGateway();
});

afterAll(() => gateway?.stop());

beforeEach(async () => {
  // Each test has an account of its own: limits and defaults are an account's.
  client = await gateway.otherAccount();
});

afterEach(async () => {
  // Whatever a test did: at most one default App, at most one default of a type in an App.
  const apps = await everyPage(client, 'Apps', 'apps');
  expect(apps.filter((app) => app['isDefault']).length).toBeLessThanOrEqual(1);
  const defaults = await everyPage(client, 'Credentials', 'credentials', { isDefault: 'true' });
  const places = defaults.map(
    (one) => `${String(one['appName'])} ${String(one['credentialType'])}`,
  );
  expect(new Set(places).size).toBe(places.length);
});

const credential = async (id: string) =>
  Credential.parse((await client.get(`Credentials/${id}`)).body);
const app = async (name: string) => App.parse((await client.get(`Apps/${name}`)).body);

describe('an App', () => {
  it('is made by its first credential; the first one is the default', async () => {
    const fcm = await storeCredential(client, 'FCM', 'shop');
    const apn = await storeCredential(client, 'APN', 'shop');
    await storeCredential(client, 'FCM', 'shop');
    await storeCredential(client, 'FCM', 'news');
    expect(await app('shop')).toMatchObject({
      name: 'shop',
      isDefault: true,
      defaultCredentials: [
        { credentialType: 'FCM', credentialId: fcm },
        { credentialType: 'APN', credentialId: apn },
      ],
    });
    expect((await app('news')).isDefault).toBe(false);
  });

  it('takes the default mark by PATCH; false on the default is a conflict', async () => {
    await storeCredential(client, 'FCM', 'shop');
    await storeCredential(client, 'FCM', 'news');
    expect(expectAccepted(await client.patch('Apps/news', { isDefault: true }))).toBe('news');
    expect([(await app('shop')).isDefault, (await app('news')).isDefault]).toEqual([false, true]);
    expectRefused(await client.patch('Apps/news', { isDefault: false }), 409);
    expectAccepted(await client.patch('Apps/shop', { isDefault: false }));
    expectAccepted(await client.patch('Apps/news', { isDefault: true }));
    expect((await app('news')).isDefault).toBe(true);
    for (const body of [{}, { isDefault: 'true' }, { isDefault: true, name: 'x' }, [], undefined]) {
      expectRefused(await client.patch('Apps/news', body), 400);
    }
    for (const name of ['nope', 'No!', '%20']) {
      expectRefused(await client.patch(`Apps/${name}`, { isDefault: true }), 404);
    }
  });

  it('goes with its last credential, and its registrations with it', async () => {
    const first = await storeCredential(client, 'FCM', 'shop');
    const last = await storeCredential(client, 'APN', 'shop');
    const { id, userId } = await register(client);
    expect(expectAccepted(await client.delete(`Credentials/${first}`))).toBe(first);
    expect((await client.get(`DeviceRegistrations/${id}`)).status).toBe(200);
    expectAccepted(await client.delete(`Credentials/${last}`));
    expectRefused(await client.get('Apps/shop'), 404);
    expectRefused(await client.get(`DeviceRegistrations/${id}`), 404);
    expectRefused(await client.delete(`DeviceRegistrations/${id}`), 404);
    await storeCredential(client, 'FCM', 'shop');
    const { body } = await client.get('DeviceRegistrations', { query: { userId } });
    expect(body.deviceRegistrations).toEqual([]);
    expect((await client.get(`Users/${userId}`)).body.deletedAt).toBeNull();
  });

  it('that was the default leaves the mark to nobody', async () => {
    const only = await storeCredential(client, 'FCM', 'shop');
    await storeCredential(client, 'FCM', 'news');
    await client.delete(`Credentials/${only}`);
    expect((await app('news')).isDefault).toBe(false);
    const to = [{ token: 't', provider: 'FCM' }];
    const sent = await client.post('/v1/PushNotifications', { to, content: { body: 'B' } });
    expect(expectRefused(sent, 400)).toEqual(['$.from']);
  });

  it('is one of ten, and holds ten credentials', async () => {
    for (let n = 0; n < 10; n++) await storeCredential(client, 'APN', `app_${n}`);
    const eleventh = { appName: 'more', credentialType: 'APN', content: apnContent() };
    expectRefused(await client.post('Credentials', eleventh), 409);
    for (let n = 1; n < 10; n++) await storeCredential(client, 'APN', 'app_0');
    expectRefused(await client.post('Credentials', { ...eleventh, appName: 'app_0' }), 409);
    // A deleted one makes room.
    const { body } = await client.get('Credentials', { query: { appName: 'app_0' } });
    await client.delete(`Credentials/${body.credentials[0].id}`);
    expectAccepted(await client.post('Credentials', { ...eleventh, appName: 'app_0' }));
  });

  it('is listed newest first, by date and default', async () => {
    for (const name of ['a', 'b', 'c']) await storeCredential(client, 'APN', name);
    const names = async (query = {}) =>
      (await everyPage(client, 'Apps', 'apps', query)).map(({ name }) => name);
    expect(await names()).toEqual(['c', 'b', 'a']);
    expect(await names({ isDefault: 'true' })).toEqual(['a']);
    expect(await names({ isDefault: 'false' })).toEqual(['c', 'b']);
    const { createdAt } = await app('a');
    expect(await names({ startDate: createdAt, endDate: createdAt })).toContain('a');
    expect(await names({ endDate: '2020-01-01' })).toEqual([]);
    for (const [name, value] of ['isDefault=yes', 'isDefault=', 'name=a'].map((q) =>
      q.split('='),
    )) {
      const refused = await client.get('Apps', { query: { [name!]: value! } });
      expect(expectRefused(refused, 400)).toEqual([`$.${name}`]);
    }
  });
});

describe('a credential', () => {
  it('is the default of its type when it is the first, and says what is stored', async () => {
    const first = await storeCredential(client, 'FCM');
    const second = await storeCredential(client, 'FCM');
    expect(await credential(first)).toMatchObject({
      id: first,
      credentialType: 'FCM',
      appName: 'shop',
      isDefault: true,
      expiresAt: null,
      status: 'OK',
      statusReason: null,
    });
    expect((await credential(second)).isDefault).toBe(false);
    const body = { appName: 'shop', credentialType: 'FCM', content: fcmContent(), isDefault: true };
    const third = expectAccepted(await client.post('Credentials', body));
    expect([(await credential(first)).isDefault, (await credential(third)).isDefault]).toEqual([
      false,
      true,
    ]);
  });

  it('may be a PKCS#12 file; a certificate says when it expires', async () => {
    const { base64: pkcs12, passphrase } = PKCS12.modern;
    const body = { appName: 'shop', credentialType: 'APN_SANDBOX' };
    const content = { pkcs12, passphrase, topic: 'com.example.app' };
    const id = expectAccepted(await client.post('Credentials', { ...body, content }));
    const stored = await credential(id);
    expect(stored).toMatchObject({ credentialType: 'APN_SANDBOX', isDefault: true });
    expect(Date.parse(stored.expiresAt!)).toBeGreaterThan(Date.now());
    const wrong = { ...content, passphrase: 'wrong' };
    const refused = await client.post('Credentials', { ...body, content: wrong });
    expect(expectRefused(refused, 400)).toEqual(['$.content.passphrase']);
    expectAccepted(await client.put(`Credentials/${id}/Content`, apnContent()));
    expect((await credential(id)).expiresAt).toBeNull();
  });

  it('takes the default mark by PATCH; false on the default is a conflict', async () => {
    const first = await storeCredential(client, 'FCM');
    const second = await storeCredential(client, 'FCM');
    const apn = await storeCredential(client, 'APN');
    expect(expectAccepted(await client.patch(`Credentials/${second}`, { isDefault: true }))).toBe(
      second,
    );
    const marks = async () =>
      Promise.all([first, second, apn].map(async (id) => (await credential(id)).isDefault));
    expect(await marks()).toEqual([false, true, true]);
    expectRefused(await client.patch(`Credentials/${second}`, { isDefault: false }), 409);
    expectAccepted(await client.patch(`Credentials/${first}`, { isDefault: false }));
    expect(await marks()).toEqual([false, true, true]);
    const wrong = await client.patch(`Credentials/${first}`, { isDefault: 1, appName: 'x' });
    expect(expectRefused(wrong, 400)).toEqual(['$.isDefault', '$.appName']);
  });

  it('keeps one default when two are set at once', async () => {
    const ids = [await storeCredential(client, 'FCM'), await storeCredential(client, 'FCM')];
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all(
        ids.map((id) => client.patch(`Credentials/${id}`, { isDefault: true })),
      );
      answers.forEach(expectAccepted);
      const marks = await Promise.all(ids.map(async (id) => (await credential(id)).isDefault));
      expect(marks.filter(Boolean)).toHaveLength(1);
    }
  });

  it('that is deleted leaves the mark to the newest of its type', async () => {
    const first = await storeCredential(client, 'FCM');
    const second = await storeCredential(client, 'FCM');
    const third = await storeCredential(client, 'FCM');
    await storeCredential(client, 'APN');
    await client.delete(`Credentials/${first}`);
    expect([(await credential(second)).isDefault, (await credential(third)).isDefault]).toEqual([
      false,
      true,
    ]);
    for (const answer of [
      await client.get(`Credentials/${first}`),
      await client.delete(`Credentials/${first}`),
      await client.patch(`Credentials/${first}`, { isDefault: true }),
      await client.put(`Credentials/${first}/Content`, fcmContent()),
    ]) {
      expectRefused(answer, 404);
    }
  });

  it('that is deleted stays readable in from', async () => {
    const id = await storeCredential(client, 'FCM');
    const to = [{ token: 't', provider: 'FCM' }];
    const sent = await client.post('/v1/PushNotifications', { to, content: { body: 'B' } });
    await client.delete(`Credentials/${id}`);
    const { operationId } = sent.body;
    const { body } = await client.get('/v1/PushNotifications', { query: { operationId } });
    expect(body.pushNotifications[0].from).toEqual({ fcm: id });
  });

  it('is listed newest first, by date, App, type and default', async () => {
    const a = await storeCredential(client, 'FCM', 'a');
    const b = await storeCredential(client, 'APN', 'a');
    const c = await storeCredential(client, 'APN_SANDBOX', 'b');
    const d = await storeCredential(client, 'FCM', 'a');
    const ids = async (query = {}) =>
      (await everyPage(client, 'Credentials', 'credentials', query)).map(({ id }) => id);
    expect(await ids()).toEqual([d, c, b, a]);
    expect(await ids({ appName: 'a' })).toEqual([d, b, a]);
    expect(await ids({ credentialType: 'FCM' })).toEqual([d, a]);
    expect(await ids({ isDefault: 'true' })).toEqual([c, b, a]);
    expect(await ids({ isDefault: 'false', appName: 'a', credentialType: 'FCM' })).toEqual([d]);
    expect(await ids({ appName: 'nope' })).toEqual([]);
    const { createdAt } = await credential(a);
    expect(await ids({ startDate: createdAt, endDate: createdAt })).toContain(a);
    expect(await ids({ startDate: '2999-01-01' })).toEqual([]);
    await client.delete(`Credentials/${d}`);
    const { body } = await client.get('Credentials');
    expect(CredentialList.parse(body).credentials.map(({ id }) => id)).toEqual([c, b, a]);
    for (const [query, context] of [
      [{ credentialType: 'HMS' }, '$.credentialType'],
      [{ appName: 'No!' }, '$.appName'],
      [{ isDefault: '1' }, '$.isDefault'],
      [{ startDate: '2026-02-02', endDate: '2026-02-01' }, '$.endDate'],
      [{ pageToken: 'x' }, '$.pageToken'],
    ] as const) {
      expect(expectRefused(await client.get('Credentials', { query }), 400)).toEqual([context]);
    }
  });

  it('keeps isDefault in its page tokens, and guards it', async () => {
    for (let n = 0; n < 4; n++) await storeCredential(client, 'APN');
    const first = await client.get('Credentials', { query: { isDefault: 'false', pageSize: '2' } });
    const pageToken = first.body.pagination.next;
    const second = await client.get('Credentials', { query: { pageToken, isDefault: 'false' } });
    expect(second.body.credentials).toHaveLength(1);
    const other = await client.get('Credentials', { query: { pageToken, isDefault: 'true' } });
    expect(expectRefused(other, 400)).toEqual(['$.isDefault']);
  });
});

describe('rotating a credential', () => {
  it('replaces what is stored in place', async () => {
    for (const [type, content] of [
      ['FCM', fcmContent()],
      ['APN', apnContent()],
    ] as const) {
      const id = await storeCredential(client, type);
      const before = await credential(id);
      expect(expectAccepted(await client.put(`Credentials/${id}/Content`, content))).toBe(id);
      const after = await credential(id);
      expect(after.fingerprint).not.toBe(before.fingerprint);
      expect(after).toEqual({
        ...before,
        fingerprint: after.fingerprint,
        updatedAt: after.updatedAt,
      });
      expect(JSON.stringify(after)).not.toContain(Object.values(content)[0]);
    }
  });

  it('checks the content as at creation, by the type of the credential', async () => {
    const fcm = await storeCredential(client, 'FCM');
    const apn = await storeCredential(client, 'APN');
    const before = [await credential(fcm), await credential(apn)];
    for (const [id, content, contexts] of [
      [fcm, { privateKey: '!' }, ['$.privateKey']],
      [fcm, apnContent(), ['$.privateKey']],
      [fcm, {}, ['$.privateKey']],
      [fcm, { ...fcmContent(), x: 1 }, ['$.x']],
      [apn, fcmContent(), ['$.certificate', '$.privateKey']],
      [apn, { ...apnContent(), keyId: 'x' }, ['$.keyId']],
    ] as const) {
      const answer = await client.put(`Credentials/${id}/Content`, content);
      expect(expectRefused(answer, 400)).toEqual(contexts);
    }
    expectRefused(await client.put('Credentials/nope/Content', fcmContent()), 404);
    expect([await credential(fcm), await credential(apn)]).toEqual(before);
  });
});
