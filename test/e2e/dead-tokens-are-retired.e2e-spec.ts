import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Json } from '../../scripts/types.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';

/** Promise 8: a registered token is retired when its provider says so, and never on doubt. */

let run: TestGateway;
beforeAll(async () => {
  run = await startTestGateway();
  await run.storeCredentials();
});
afterAll(() => run?.close());

const path = '/v1/PushNotifications';
const register = async (token: string, provider: 'FCM' | 'APN', userId?: string): Promise<Json> => {
  const { resourceId } = await run.client.post(`${path}/DeviceRegistrations`, {
    appName: 'news',
    token,
    provider,
    ...(userId === undefined ? {} : { userId }),
  });
  return run.client.get(`${path}/DeviceRegistrations/${resourceId}`);
};
const tokensOf = async (registration: Json): Promise<string[]> => {
  const { devices } = await run.client.get(`${path}/DeviceRegistrations/${registration.id}`);
  return devices.map(({ token }: { token: string }) => token);
};
const requests = async (token: string): Promise<number> =>
  (await run.control('GET', `/ledger?token=${encodeURIComponent(token)}`)).entries.length;
const codes = async (operationId: string): Promise<(number | null)[]> => {
  const { pushNotifications } = await run.client.get(`${path}?operationId=${operationId}`);
  return pushNotifications.map(({ error }: Json) => error?.code ?? null).reverse();
};
const send = async (to: [token: string, provider: 'FCM' | 'APN'][]): Promise<string> => {
  const { operationId } = await run.client.post(path, {
    to: to.map(([token, provider]) => ({ token, provider })),
    content: { body: 'Hello' },
  });
  await run.settled(operationId);
  return operationId;
};

describe('a registered token', () => {
  it('that its provider calls dead leaves its registration; registered again it is back', async () => {
    const alive = await register('sim.ok.phone', 'APN');
    const { userId } = alive;
    await register('sim.unregistered.tablet', 'APN', userId);
    await register('sim.unregistered.laptop', 'FCM', userId);
    await register('sim.expired.watch', 'APN', userId);
    const operationId = await send([
      ['sim.ok.phone', 'APN'],
      ['sim.unregistered.tablet', 'APN'],
      ['sim.unregistered.laptop', 'FCM'],
      ['sim.expired.watch', 'APN'],
    ]);
    expect(await codes(operationId)).toEqual([null, 71001, 71001, 71001]);
    await run.until('the dead ones are gone', async () => (await tokensOf(alive)).length === 1);
    expect(await tokensOf(alive)).toEqual(['sim.ok.phone']);

    expect((await register('sim.unregistered.tablet', 'APN', userId)).id).toBe(alive.id);
    expect(await tokensOf(alive)).toEqual(['sim.ok.phone', 'sim.unregistered.tablet']);
  });

  it('is tried by no later send to its user, until it is registered again', async () => {
    const { userId } = await register('sim.ok.desk', 'APN');
    const alive = await register('sim.unregistered.lost', 'APN', userId);
    const toUser = async () => {
      const body = { to: [{ userId }], content: { body: 'Hello' } };
      const { operationId } = await run.client.post(path, body);
      return (await run.settled(operationId)).stats;
    };
    expect(await toUser()).toMatchObject({ total: 2, sent: 1, failed: 1 });
    await run.until('it is retired', async () => (await tokensOf(alive)).length === 1);
    expect(await toUser()).toMatchObject({ total: 1, sent: 1, failed: 0 });
    expect(await requests('sim.unregistered.lost')).toBe(1);
    await register('sim.unregistered.lost', 'APN', userId);
    expect(await toUser()).toMatchObject({ total: 2, sent: 1, failed: 1 });
    expect(await requests('sim.unregistered.lost')).toBe(2);
  });

  it('stays for every other answer, and when it was registered after its death', async () => {
    const stale = await register('sim.stale.60.reborn', 'APN');
    const tokens = ['sim.badtoken.r', 'sim.mismatch.r'];
    for (const token of tokens) await register(token, 'FCM', stale.userId);
    const operationId = await send([
      ['sim.stale.60.reborn', 'APN'],
      ['sim.badtoken.r', 'FCM'],
      ['sim.mismatch.r', 'FCM'],
    ]);
    // What the caller sees of a token that is younger than its death: it does not fit.
    expect(await codes(operationId)).toEqual([71002, 71002, 71002]);
    // Tokens are retired in the order of their answers: what comes later than this one is done.
    const last = await register('sim.unregistered.last', 'FCM');
    await send([['sim.unregistered.last', 'FCM']]);
    await run.until('the last one is gone', async () => {
      const { status } = await run.client.call(
        'GET',
        `${path}/DeviceRegistrations/${last.id}`,
        undefined,
      );
      return status === 404;
    });
    expect(await tokensOf(stale)).toEqual(['sim.stale.60.reborn', ...tokens]);
  });
});

describe('a raw token', () => {
  it('is tried by each send, and its death is found by the filter of the list', async () => {
    const first = await send([['sim.unregistered.raw', 'APN']]);
    const second = await send([['sim.unregistered.raw', 'APN']]);
    expect([await codes(first), await codes(second)]).toEqual([[71001], [71001]]);
    expect(await requests('sim.unregistered.raw')).toBe(2);
    const { pushNotifications } = await run.client.get(`${path}?errorCode=71001&pageSize=1000`);
    const dead = pushNotifications.map(({ to }: Json) => to.token);
    expect(dead.filter((token: string) => token === 'sim.unregistered.raw')).toHaveLength(2);
    expect(dead).not.toContain('sim.stale.60.reborn');
  });
});
