import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ErrorBody, Operation, PushNotificationList } from '@app/contract';
import { parseId } from '@app/domain';
import { Store } from '../../libs/persistence/src/testing.js';
import { startGateway, storeCredential } from './gateway.js';
import type { Client, Gateway } from './gateway.js';

let gateway: Gateway;
let client: Client;
let operationId: string;

beforeAll(async () => {
  gateway = await startGateway();
  client = gateway.client;
  await storeCredential(client, 'FCM');
  operationId = await send({
    tags: {
      campaign: 'spring_26',
      'l.~-': '{{ lang | downcase }}',
      city: '{{ city | default: "none" }}',
    },
    to: [
      { token: 'a', provider: 'FCM', variables: { lang: 'DE', city: 'Bern' } },
      { token: 'b', provider: 'FCM', variables: { lang: 'de' } },
      { token: 'c', provider: 'FCM', variables: { lang: 'fr' } },
    ],
  });
  await send({ tags: { campaign: 'autumn' } });
  await send({});
});

afterAll(() => gateway?.stop());

async function send(more: object): Promise<string> {
  const { status, body } = await client.post('/v1/PushNotifications', {
    to: [{ token: 'x', provider: 'FCM' }],
    content: { body: 'B' },
    ...more,
  });
  expect(body.errors).toBeUndefined();
  expect(status).toBe(202);
  return body.operationId;
}

async function refusal(tags: unknown, to?: unknown): Promise<string[]> {
  const { status, body } = await client.post('/v1/PushNotifications', {
    to: to ?? [{ token: 'x', provider: 'FCM' }],
    content: { body: 'B' },
    tags,
  });
  expect(status).toBe(400);
  return ErrorBody.parse(body).errors.map(({ context }) => context);
}

/** Tokens found; the path is sent exactly as it is here. */
async function found(query: string): Promise<string[]> {
  const { status, body } = await client.get(`/v1/PushNotifications?${query}`);
  expect(status).toBe(200);
  return PushNotificationList.parse(body).pushNotifications.map(({ to }) => to.token);
}

describe('tags', () => {
  it('are rendered when accepted, with the variables of each recipient', async () => {
    const { body } = await client.get('/v1/PushNotifications', { query: { operationId } });
    expect(body.pushNotifications.map(({ tags }: { tags: object }) => tags)).toEqual([
      { campaign: 'spring_26', 'l.~-': 'fr', city: 'none' },
      { campaign: 'spring_26', 'l.~-': 'de', city: 'none' },
      { campaign: 'spring_26', 'l.~-': 'de', city: 'Bern' },
    ]);
    const operation = Operation.parse((await client.get(`Operations/${operationId}`)).body);
    expect(operation.tags['campaign']).toBe('spring_26');
    const plain = await send({});
    expect((await client.get(`Operations/${plain}`)).body.tags).toEqual({});
  });

  it('of ten pairs and full length are taken', async () => {
    const tags = Object.fromEntries(
      Array.from({ length: 10 }, (_, i) => [`${i}`.padEnd(128, 'k'), 'v'.repeat(256)]),
    );
    const id = await send({ tags });
    expect((await client.get(`Operations/${id}`)).body.tags).toEqual(tags);
  });

  it.each<[string, unknown, string[]]>([
    ['no object', 'a:b', ['$.tags']],
    ['a number', { a: 1 }, ['$.tags.a']],
    ['eleven', Object.fromEntries([...Array(11).keys()].map((k) => [k, 'v'])), ['$.tags']],
    ['an empty value', { a: '' }, ['$.tags.a']],
    ['a space in a value', { a: 'b c' }, ['$.tags.a']],
    ['a colon in a key', { 'a:b': 'c' }, ["$.tags['a:b']"]],
    ['a long key', { [`${'k'.repeat(129)}`]: 'v' }, [`$.tags.${'k'.repeat(100)}`]],
    ['a long value', { a: 'v'.repeat(257) }, ['$.tags.a']],
    ['a template that does not parse', { a: '{{' }, ['$.tags.a']],
    ['an unknown filter', { a: '{{ x | nope }}' }, ['$.tags.a']],
  ])('%s → 400', async (_, tags, expected) => {
    expect(await refusal(tags)).toEqual(expected);
  });

  it('that do not render for a recipient → 400 at each', async () => {
    const to = ['ok', 'not ok', '', 'v'.repeat(257)].map((v) => ({
      token: 't',
      provider: 'FCM',
      variables: { v },
    }));
    expect(await refusal({ a: '{{ v }}' }, to)).toEqual(['$.to[1]', '$.to[2]', '$.to[3]']);
  });

  it('cost little when 10,000 recipients are bad: the first hundred are named', async () => {
    const to = Array.from({ length: 10_000 }, () => ({ token: 't', provider: 'FCM' }));
    const contexts = await refusal({ a: '{{ missing }}' }, to);
    expect([contexts.length, contexts[0], contexts[99]]).toEqual([100, '$.to[0]', '$.to[99]']);
  });
});

describe('the filter tags', () => {
  it.each([
    ['tags=campaign:spring_26;', ['c', 'b', 'a']],
    ['tags=campaign:spring_26', ['c', 'b', 'a']],
    ['tags=campaign%3Aspring_26%3B', ['c', 'b', 'a']],
    ['tags=campaign:spring_26;l.~-:de;', ['b', 'a']],
    ['tags=l.~-%3Ade%3Bcity%3ABern', ['a']],
    ['tags=city:Bern;city:none;', []],
    ['tags=city:Ber;', []],
    ['tags=campaign:autumn;', ['x']],
  ])('%s', async (query, tokens) => {
    expect(await found(query)).toEqual(tokens);
  });

  it.each([
    'tags=',
    'tags=;',
    'tags=a',
    'tags=a:',
    'tags=:b',
    'tags=a:b:c;',
    'tags=a:b;;',
    'tags=a:b%20c;',
    `tags=${'a:b;'.repeat(11)}`,
  ])('%s → 400', async (query) => {
    const { status, body } = await client.get(`/v1/PushNotifications?${query}`);
    expect(status).toBe(400);
    expect(ErrorBody.parse(body).errors.map(({ context }) => context)).toEqual(['$.tags']);
  });

  it('is carried and guarded by page tokens, in any spelling', async () => {
    const first = await client.get(
      '/v1/PushNotifications?pageSize=2&tags=l.~-:de;campaign:spring_26;',
    );
    const { next } = first.body.pagination;
    expect(first.body.pushNotifications).toHaveLength(2);
    const page = await client.get('/v1/PushNotifications', {
      query: { pageToken: next ?? first.body.pagination.self, tags: 'campaign:spring_26;l.~-:de' },
    });
    expect(page.status).toBe(200);
    const other = await client.get('/v1/PushNotifications', {
      query: { pageToken: first.body.pagination.self, tags: 'campaign:autumn;' },
    });
    expect(other.body.errors).toMatchObject([{ context: '$.tags' }]);
  });
});

describe('the filters errorCode and user', () => {
  it('find failed pushes by their code', async () => {
    const store = new Store(gateway.database.appUrl, { poolSize: 2 });
    const id = await send({});
    const [push] = await store.idsOf(parseId('operation', id)!);
    await store.settle(await store.claim([push!]), true);
    await store.db.close();
    const { body } = await client.get('/v1/PushNotifications', { query: { errorCode: '71001' } });
    expect(body.pushNotifications).toMatchObject([{ operationId: id, error: { code: 71001 } }]);
    expect(await found('errorCode=71002')).toEqual([]);
    const paged = await client.get('/v1/PushNotifications', {
      query: { pageToken: body.pagination.self, errorCode: '71001' },
    });
    expect(paged.body.pushNotifications).toEqual(body.pushNotifications);
  });

  it('an unknown user has none', async () => {
    expect(await found('user=comms_pushnotificationuser_01h2xcejqtf2nbrexx3vqjhp41')).toEqual([]);
  });
});
