import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LIMITS } from '@app/contract';
import type { Limit } from '@app/contract';
import { apnContent, startGateway, storeCredential } from './gateway.js';
import type { Answer, Client, Gateway } from './gateway.js';
import { register } from './resources.js';

/** Every row of docs/limits.md: what is as large as it may be is taken, one more is not. */

let gateway: Gateway;
let client: Client;
/** A user with as many devices as there may be. */
let userId: string;

beforeAll(async () => {
  gateway = await startGateway();
  client = gateway.client;
  await storeCredential(client, 'FCM');
  await storeCredential(client, 'APN');
  ({ userId } = await register(client));
  for (let n = 1; n < LIMITS.devices.max; n++) await register(client, { userId });
});

afterAll(() => gateway?.stop());

const recipient = { token: 't', provider: 'FCM' };
const content = { body: 'B' };
const post = (body: unknown, headers = {}) =>
  client.post('/v1/PushNotifications', body, { headers });
const send = (over: object) => post({ to: [recipient], content, ...over });
const toOne = (over: object) => send({ to: [{ ...recipient, ...over }] });
const fcm = (value: object) => send({ overrides: { fcm: value } });
const apnHeaders = (headers: object) => send({ overrides: { apn: { headers } } });

/** So many entries. */
const entries = (count: number, text = '') =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, text]));
/** So many bytes of UTF-8, which are half as many characters. */
const utf8 = (bytes: number) => 'é'.repeat(bytes / 2) + (bytes % 2 === 0 ? '' : 'x');
/** An object so deep. */
const nested = (depth: number): object => (depth === 1 ? {} : { a: nested(depth - 1) });

/** The last answer of so many requests, in an account of its own. */
async function inTurn(
  count: number,
  request: (by: Client, at: number) => Promise<Answer>,
): Promise<Answer> {
  const by = await gateway.otherAccount();
  for (let at = 1; at < count; at++) {
    const { status, body } = await request(by, at);
    expect([status, body]).toEqual([202, body]);
  }
  return request(by, count);
}

const credential = (appName: string) => ({
  appName,
  credentialType: 'APN',
  content: apnContent(),
});

interface Try {
  /** Asks for so much. */
  ask: (size: number) => Promise<Answer>;
  /** Where the fault of one more is; a 409 and a 413 name no place. */
  at?: string;
  /** As much as there may be is more than there is: only that it is no fault of this kind can be seen. */
  isOutOfReach?: true;
}

const TRIES: Record<keyof typeof LIMITS, Try> = {
  bodyBytes: {
    ask: (size) => post(JSON.stringify({ to: [recipient], content }).padEnd(size, ' ')),
  },
  recipients: { at: '$.to', ask: (size) => send({ to: Array(size).fill(recipient) }) },
  pushes: {
    at: '$.to',
    ask: (size) => {
      const users = LIMITS.pushes.max / LIMITS.devices.max - 1;
      const tokens = Array(size - users * LIMITS.devices.max).fill(recipient);
      return send({ to: [...Array(users).fill({ userId }), ...tokens] });
    },
  },
  tokenCharacters: { at: '$.to[0].token', ask: (size) => toOne({ token: 'é'.repeat(size) }) },
  variables: { at: '$.to[0].variables', ask: (size) => toOne({ variables: entries(size) }) },
  variableBytes: {
    at: '$.to[0].variables',
    ask: (size) => toOne({ variables: { ké: utf8(size - 3) } }),
  },
  contentBytes: {
    at: '$.content',
    ask: (size) => {
      const data = { k: utf8(20_000) };
      const body = utf8(size - Buffer.byteLength(`é${JSON.stringify(data)}`));
      return send({ content: { title: 'é', body, data } });
    },
  },
  dataEntries: { at: '$.content.data', ask: (size) => send({ content: { data: entries(size) } }) },
  imageUrlCharacters: {
    at: '$.content.imageUrl',
    ask: (size) =>
      send({ content: { ...content, imageUrl: 'https://a.example/'.padEnd(size, 'x') } }),
  },
  soundCharacters: { at: '$.sound', ask: (size) => send({ sound: 'é'.repeat(size) }) },
  collapseKeyBytes: { at: '$.collapseKey', ask: (size) => send({ collapseKey: utf8(size) }) },
  badge: { at: '$.badge', ask: (badge) => send({ badge }) },
  ttlSeconds: { at: '$.ttlSeconds', ask: (ttlSeconds) => send({ ttlSeconds }) },
  scheduleDays: {
    at: '$.schedule.sendAt',
    // A minute less, since time goes on until it is looked at.
    ask: (days) => {
      const sendAt = new Date(Date.now() + days * 86_400_000 - 60_000);
      return send({ schedule: { sendAt: sendAt.toISOString() } });
    },
  },
  tags: { at: '$.tags', ask: (size) => send({ tags: entries(size, 'v') }) },
  tagKeyCharacters: {
    // A context is a place, not a copy of the request.
    at: `$.tags.${'k'.repeat(100)}`,
    ask: (size) => send({ tags: { ['k'.repeat(size)]: 'v' } }),
  },
  tagValueCharacters: { at: '$.tags.a', ask: (size) => send({ tags: { a: 'v'.repeat(size) } }) },
  tagTemplateCharacters: {
    at: '$.tags.a',
    ask: (size) => {
      const [head, tail] = ["{{ 'v' }}{% comment %}", '{% endcomment %}'];
      return send({ tags: { a: head + 'x'.repeat(size - head.length - tail.length) + tail } });
    },
  },
  overrideBytes: { at: '$.overrides.fcm', ask: (size) => fcm({ a: utf8(size - 8) }) },
  overrideDepth: { at: '$.overrides.fcm', ask: (size) => fcm(nested(size)) },
  // The object itself and the array are two of them.
  overrideValues: { at: '$.overrides.fcm', ask: (size) => fcm({ a: Array(size - 2).fill(0) }) },
  apnHeaders: {
    at: '$.overrides.apn.headers',
    ask: (size) => apnHeaders(entries(size, 'x')),
    isOutOfReach: true,
  },
  apnHeaderBytes: {
    at: '$.overrides.apn.headers',
    ask: (size) => {
      const name = 'apns-collapse-id';
      return apnHeaders({ [name]: 'x'.repeat(size - name.length) });
    },
  },
  idempotencyKeyCharacters: {
    at: "$['Idempotency-Key']",
    ask: (size) => post({ to: [recipient], content }, { 'idempotency-key': 'x'.repeat(size) }),
  },
  appNameCharacters: {
    at: '$.appName',
    ask: (size) => client.post('Credentials', credential('a'.repeat(size))),
  },
  apps: {
    ask: (size) => inTurn(size, (by, at) => by.post('Credentials', credential(`app_${at}`))),
  },
  credentials: { ask: (size) => inTurn(size, (by) => by.post('Credentials', credential('one'))) },
  devices: {
    ask: async (size) => {
      const owner = await register(client);
      const { userId: whose } = owner;
      for (let n = 2; n < size; n++) await register(client, { userId: whose });
      return client.post('DeviceRegistrations', {
        appName: 'shop',
        provider: 'FCM',
        token: `last of ${whose}`,
        userId: whose,
      });
    },
  },
  apiKeyNameCharacters: {
    at: '$.name',
    ask: (size) => client.post('/v1/ApiKeys', { name: 'é'.repeat(size), scopes: ['read'] }),
  },
  pageSize: {
    at: '$.pageSize',
    ask: (size) => client.get('Apps', { query: { pageSize: `${size}` } }),
  },
};

const contexts = ({ body }: Answer): string[] =>
  (body.errors ?? []).map(({ context }: { context: string }) => context);

describe.each(Object.entries(LIMITS) as [keyof typeof LIMITS, Limit][])(
  '%s',
  (name, { max, unit, status }) => {
    const { ask, at, isOutOfReach } = TRIES[name];

    it(`may be ${max} ${unit}`, async () => {
      const answer = await ask(max);
      if (isOutOfReach) expect(contexts(answer)).not.toContain(at);
      else expect([answer.status < 300, answer.body]).toEqual([true, answer.body]);
    });

    it(`may not be one more: ${status}`, async () => {
      const answer = await ask(max + 1);
      expect([answer.status, answer.body]).toEqual([status, answer.body]);
      // What is too large by one of its parts may be wrong in others, but not the other way round.
      if (at === undefined) expect(contexts(answer)).toEqual([]);
      else expect(contexts(answer)).toContain(at);
    });
  },
);

describe('characters', () => {
  it('are code points, as maxLength of OpenAPI has them', async () => {
    const { max } = LIMITS.soundCharacters;
    expect((await send({ sound: '🎵'.repeat(max) })).status).toBe(202);
    expect(contexts(await send({ sound: '🎵'.repeat(max + 1) }))).toEqual(['$.sound']);
  });

  it('of a template are UTF-16 code units, as the page says of it', async () => {
    const { max, unit } = LIMITS.tagTemplateCharacters;
    expect(unit).toBe('UTF-16 code units');
    const template = (emoji: number) =>
      `{{ 'v' }}{% comment %}${'🎵'.repeat(emoji)}{% endcomment %}`;
    const most = Math.floor((max - template(0).length) / 2);
    expect((await send({ tags: { a: template(most) } })).status).toBe(202);
    expect(contexts(await send({ tags: { a: template(most + 1) } }))).toEqual(['$.tags.a']);
  });
});
