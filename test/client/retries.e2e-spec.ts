import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  FanfareClient,
  FanfareConnectionError,
  FanfareError,
} from '../../clients/typescript/src/index.js';
import type { TransportOptions } from '../../clients/typescript/src/index.js';
import { apnContent, startGateway, storeCredential } from '../contract/gateway.js';
import type { Gateway } from '../contract/gateway.js';

let gateway: Gateway;
/** What the network does to the next requests; after the last it works. */
let faults: Fault[] = [];
/** When each request left, by `performance.now()`. */
let sent: number[] = [];

type Fault = (ask: () => Promise<Response>, signal: AbortSignal) => Promise<Response>;

const answer =
  (status: number, headers: Record<string, string>, body = ''): Fault =>
  async () =>
    new Response(body, { status, headers });
const refused = (status: number, retryAfter = '0') => answer(status, { 'retry-after': retryAfter });
/** The gateway does it, and nobody hears of it. */
const answerLost: Fault = async (ask) => {
  await ask();
  throw new TypeError('fetch failed');
};
const answerReplaced: Fault = async (ask) => {
  await ask();
  return new Response('', { status: 503, headers: { 'retry-after': '0' } });
};
const unreachable: Fault = async () => {
  throw new TypeError('fetch failed');
};
const silent: Fault = (_ask, signal) =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });

beforeAll(async () => {
  gateway = await startGateway();
  await storeCredential(gateway.client, 'FCM');
});

afterAll(() => gateway?.stop());

beforeEach(() => {
  faults = [];
  sent = [];
});

function clientWith(options: Partial<TransportOptions> = {}): FanfareClient {
  return new FanfareClient({
    accountId: gateway.client.sid,
    authToken: gateway.client.token,
    baseUrl: gateway.origin,
    fetch: (input, init) => {
      sent.push(performance.now());
      const ask = () => fetch(input, init);
      return faults.shift()?.(ask, init!.signal!) ?? ask();
    },
    ...options,
  });
}

const push = { to: [{ token: 't', provider: 'FCM' as const }], content: { body: 'B' } };

async function operations(): Promise<number> {
  const { body } = await gateway.client.get('Operations', { query: { pageSize: '1000' } });
  return body.operations.length;
}

async function credentials(): Promise<number> {
  return (await gateway.client.get('Credentials')).body.credentials.length;
}

describe('a send', () => {
  it.each<[string, Fault[]]>([
    ['refused with 429 and 503', [refused(429), refused(503)]],
    ['whose answer is lost', [answerLost, answerLost]],
    ['whose answer became a 503', [answerReplaced]],
    ['that could not be handed over', [unreachable]],
  ])('%s arrives once', async (_, script) => {
    faults = [...script];
    const before = await operations();
    const { operationId } = await clientWith().pushNotifications.send(push);
    expect(sent).toHaveLength(script.length + 1);
    expect(await operations()).toBe(before + 1);
    expect((await gateway.client.get(`Operations/${operationId}`)).status).toBe(200);
  });

  it('made twice by the caller is two, with one key one', async () => {
    const client = clientWith();
    const before = await operations();
    await client.pushNotifications.send(push);
    await client.pushNotifications.send(push);
    expect(await operations()).toBe(before + 2);
    const options = { idempotencyKey: 'mine' };
    const first = await client.pushNotifications.send(push, options);
    expect(await client.pushNotifications.send(push, options)).toEqual(first);
    expect(await operations()).toBe(before + 3);
  });
});

describe('what makes another one each time', () => {
  const create = (client: FanfareClient) =>
    client.credentials.create({ appName: 'shop', credentialType: 'APN', content: apnContent() });

  it('is repeated after a 429, for nothing was done', async () => {
    faults = [refused(429)];
    await create(clientWith());
    expect(sent).toHaveLength(2);
  });

  it.each<[string, Fault, object]>([
    ['a 503', answerReplaced, { status: 503 }],
    ['a lost answer', answerLost, { name: 'FanfareConnectionError', timedOut: false }],
  ])('is not repeated after %s', async (_, fault, error) => {
    const before = await credentials();
    faults = [fault];
    await expect(create(clientWith())).rejects.toMatchObject(error);
    expect(sent).toHaveLength(1);
    expect(await credentials()).toBe(before + 1);
  });
});

describe('a repetition', () => {
  it('waits as long as Retry-After says', async () => {
    faults = [refused(429, '1')];
    await clientWith().users.list();
    expect(sent[1]! - sent[0]!).toBeGreaterThanOrEqual(990);
  });

  it('takes a date as well', async () => {
    faults = [refused(503, new Date(Date.now() - 5_000).toUTCString())];
    await clientWith().users.list();
    expect(sent).toHaveLength(2);
  });

  it('is made three times at most, or as often as the caller wants', async () => {
    faults = Array.from({ length: 9 }, () => refused(503));
    await expect(clientWith().users.list()).rejects.toMatchObject({ status: 503, code: 20503 });
    expect(sent).toHaveLength(4);
    await expect(clientWith({ maxRetries: 0 }).users.list()).rejects.toMatchObject({ status: 503 });
    expect(sent).toHaveLength(5);
  });

  it('is not made when Retry-After is too far away', async () => {
    faults = [refused(429, '61')];
    await expect(clientWith().users.list()).rejects.toMatchObject({
      status: 429,
      retryAfterSeconds: 61,
    });
    faults = [refused(429, '2')];
    await expect(clientWith({ maxRetryAfterSeconds: 1 }).users.list()).rejects.toMatchObject({
      status: 429,
    });
    expect(sent).toHaveLength(2);
  });

  it.each([400, 404, 500, 502])('is not made of a %d', async (status) => {
    faults = [answer(status, {}, '<html>')];
    const error = await clientWith()
      .users.list()
      .then(undefined, (reason: unknown) => reason);
    expect(error).toBeInstanceOf(FanfareError);
    expect(error).toMatchObject({ status, code: 20_000 + status, errors: [], requestId: null });
    expect(sent).toHaveLength(1);
  });
});

describe('a call', () => {
  it('ends when its time is up, and is not made again', async () => {
    faults = [silent];
    const error = await clientWith()
      .users.fetch('x', { timeoutMs: 20 })
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FanfareConnectionError);
    expect(error).toMatchObject({ timedOut: true });
    expect(sent).toHaveLength(1);
  });

  it('ends when the caller aborts it, on the wire or waiting', async () => {
    for (const fault of [silent, refused(429, '30')]) {
      const abort = new AbortController();
      const reason = new Error('Enough.');
      faults = [
        (...asked) => {
          setImmediate(() => abort.abort(reason));
          return fault(...asked);
        },
      ];
      await expect(clientWith().users.fetch('x', { signal: abort.signal })).rejects.toBe(reason);
    }
    await expect(
      clientWith().users.fetch('x', { signal: AbortSignal.abort(new Error('Never mind.')) }),
    ).rejects.toThrow('Never mind.');
    expect(sent).toHaveLength(2);
  });

  it('whose answer is no JSON says so', async () => {
    faults = Array.from({ length: 4 }, () => answer(200, {}, '<html>'));
    await expect(clientWith({ maxRetries: 0 }).users.fetch('x')).rejects.toMatchObject({
      name: 'FanfareConnectionError',
      timedOut: false,
    });
  });
});
