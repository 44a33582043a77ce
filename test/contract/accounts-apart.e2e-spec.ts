import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fcmContent, startGateway, storeCredential } from './gateway.js';
import type { Answer, Client, Gateway } from './gateway.js';
import { expectRefused, register } from './resources.js';

let gateway: Gateway;
let mine: Client;
let theirs: Client;
/** One id of each kind, all of my account. */
const ids = { credential: '', registration: '', user: '', app: 'shop', apiKey: '' };

beforeAll(async () => {
  gateway = await startGateway();
  mine = gateway.client;
  theirs = await gateway.otherAccount();
  ids.credential = await storeCredential(mine, 'FCM', 'shop');
  const { id, userId } = await register(mine);
  Object.assign(ids, { registration: id, user: userId });
  ids.apiKey = (await mine.post('/v1/ApiKeys', { name: 'k', scopes: ['read'] })).body.id;
  await storeCredential(theirs, 'FCM', 'theirs');
});

afterAll(() => gateway?.stop());

const isDefault = true;
const device = { appName: 'shop', provider: 'FCM', token: 'x' };

type Ask = (by: Client) => Promise<Answer>;
const matrix: [string, Ask][] = [
  ['GET Credentials/{id}', (by) => by.get(`Credentials/${ids.credential}`)],
  ['PATCH Credentials/{id}', (by) => by.patch(`Credentials/${ids.credential}`, { isDefault })],
  [
    'PUT Credentials/{id}/Content',
    (by) => by.put(`Credentials/${ids.credential}/Content`, fcmContent()),
  ],
  ['GET Apps/{name}', (by) => by.get(`Apps/${ids.app}`)],
  ['PATCH Apps/{name}', (by) => by.patch(`Apps/${ids.app}`, { isDefault })],
  ['GET Users/{id}', (by) => by.get(`Users/${ids.user}`)],
  ['GET DeviceRegistrations/{id}', (by) => by.get(`DeviceRegistrations/${ids.registration}`)],
  ['register in the App', (by) => by.post('DeviceRegistrations', device)],
  [
    'register for the user',
    (by) =>
      by.post('DeviceRegistrations', {
        ...device,
        appName: by === mine ? 'shop' : 'theirs',
        userId: ids.user,
      }),
  ],
  ['GET ApiKeys/{id}', (by) => by.get(`/v1/ApiKeys/${ids.apiKey}`)],
  ['DELETE ApiKeys/{id}', (by) => by.delete(`/v1/ApiKeys/${ids.apiKey}`)],
  ['DELETE DeviceRegistrations/{id}', (by) => by.delete(`DeviceRegistrations/${ids.registration}`)],
  ['DELETE Users/{id}', (by) => by.delete(`Users/${ids.user}`)],
  ['DELETE Credentials/{id}', (by) => by.delete(`Credentials/${ids.credential}`)],
];

describe('another account', () => {
  it('sees nothing in its lists', async () => {
    const lists = await Promise.all([
      theirs.get('DeviceRegistrations', { query: { userId: ids.user } }),
      theirs.get('Users'),
      theirs.get('/v1/ApiKeys'),
      theirs.get('Credentials', { query: { appName: 'shop' } }),
    ]);
    for (const { body } of lists) {
      const [items, ...others] = Object.keys(body).filter((member) => member !== 'pagination');
      expect([body[items!], others]).toEqual([[], []]);
    }
    expect((await theirs.get('Apps')).body.apps.map(({ name }: { name: string }) => name)).toEqual([
      'theirs',
    ]);
  });

  it('gets no page of a list by its token', async () => {
    for (const path of ['Users', 'Apps', 'Credentials', '/v1/ApiKeys']) {
      const { body } = await mine.get(path);
      const query = { pageToken: body.pagination.self };
      expect(expectRefused(await theirs.get(path, { query }), 400)).toEqual(['$.pageToken']);
    }
  });

  // The account itself goes last: so the ids were good, and nothing that the other did has changed them.
  it.each(matrix)('%s → 404, and its own account may', async (_, ask) => {
    expect(expectRefused(await ask(theirs), 404)).toEqual([]);
    expect([200, 202]).toContain((await ask(mine)).status);
  });
});
