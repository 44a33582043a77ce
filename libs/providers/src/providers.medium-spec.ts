import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startSimulator } from '../../../apps/simulator/src/simulator.js';
import type { Simulator } from '../../../apps/simulator/src/simulator.js';
import { push } from '../test/push.js';
import { parseApnCredential, parseFcmCredential } from './checks.js';
import { MemoryApnsTokenStore, createProviders } from './index.js';
import type { ApnCredential, FcmCredential, Message, Providers } from './index.js';

const MINUTE = 60_000;

let simulator: Simulator;
let providers: Providers;
let ahead: number;
let warnings: unknown[];
const clock = { now: () => new Date(Date.now() + ahead) };

beforeEach(async () => {
  simulator = await startSimulator();
  ahead = 0;
  warnings = [];
  providers = replica(new MemoryApnsTokenStore(clock));
});

afterEach(async () => {
  await Promise.all([providers.FCM.close(), providers.APN.close()]);
  await simulator.stop();
});

function replica(apnsTokens: MemoryApnsTokenStore): Providers {
  const { fcmOrigin, tokenUrl, apnsOrigin, apnsSandboxOrigin, ca } = simulator;
  return createProviders(
    {
      fcmOrigin,
      googleTokenUrl: tokenUrl,
      apnsOrigin,
      apnsSandboxOrigin,
      ca,
      requestTimeoutMs: 5_000,
      pingIntervalMs: 30_000,
      pingTimeoutMs: 5_000,
    },
    { apnsTokens, clock, warn: (message) => warnings.push(message) },
  );
}

async function fcmCredential(name?: string, id = 'f'): Promise<FcmCredential> {
  const parsed = parseFcmCredential((await simulator.credentials(name)).fcm);
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults));
  return { id, version: 1, type: 'FCM', content: parsed.content };
}

async function apnCredential(
  type: ApnCredential['type'] = 'APN',
  id = 'a',
): Promise<ApnCredential> {
  const parsed = parseApnCredential((await simulator.credentials()).apnToken);
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults));
  return { id, version: 1, type, content: parsed.content };
}

function to(token: string, wish: Partial<Message> = {}): Message {
  return push({ token, expiresAt: new Date(Date.now() + 3_600_000), ...wish });
}

const kinds = (outcomes: { kind: string }[]) => [...new Set(outcomes.map(({ kind }) => kind))];

describe('FCM', () => {
  it('mints one access token for a burst', async () => {
    const credential = await fcmCredential();
    const all = Array.from({ length: 200 }, (_, i) => providers.FCM.send(credential, to(`t${i}`)));
    expect(kinds(await Promise.all(all))).toEqual(['accepted']);
    expect(simulator.mints()).toBe(1);
  });

  it('drops a refused access token once and sends once more', async () => {
    const credential = await fcmCredential();
    await providers.FCM.send(credential, to('first'));
    simulator.forgetAccessTokens();
    const all = Array.from({ length: 50 }, (_, i) => providers.FCM.send(credential, to(`t${i}`)));
    expect(kinds(await Promise.all(all))).toEqual(['accepted']);
    expect(simulator.mints()).toBe(2);
  });

  it('pauses the credential when the new token is refused too', async () => {
    const outcome = await providers.FCM.send(await fcmCredential(), to('sim.expiredjwt.x2'));
    expect(outcome).toMatchObject({ kind: 'credential', status: 401 });
    expect(simulator.mints()).toBe(2);
  });

  it('slows the whole credential when three devices hit a quota', async () => {
    const credential = await fcmCredential();
    const scopes: unknown[] = [];
    for (const device of ['a', 'a', 'b', 'c']) {
      const outcome = await providers.FCM.send(credential, to(`sim.throttle.1.9.${device}`));
      scopes.push('scope' in outcome && outcome.scope);
    }
    expect(scopes).toEqual(['device', 'device', 'device', 'credential']);
  });

  it.each([
    [400, 'invalid_grant', 'credential'],
    [503, 'unavailable', 'retry'],
  ])('answers a token endpoint that says %d %s with %s', async (status, error, kind) => {
    simulator.behave({ tokenEndpoint: { status, error } });
    const outcome = await providers.FCM.send(await fcmCredential(), to('x'));
    expect(outcome).toMatchObject({ kind, unsent: true });
    expect(simulator.ledger.summary().requests).toBe(0);
  });

  it('refuses a project of somebody else without touching the token', async () => {
    const mine = await fcmCredential();
    const theirs = await fcmCredential('other');
    const mixed = { ...mine, content: { ...mine.content, projectId: theirs.content.projectId } };
    expect(await providers.FCM.send(mixed, to('x'))).toMatchObject({ kind: 'credential' });
  });

  it('keeps two accounts apart', async () => {
    const one = await fcmCredential('one', '1');
    const two = await fcmCredential('two', '2');
    const all = [one, two].map((credential) => providers.FCM.send(credential, to('x')));
    expect(kinds(await Promise.all(all))).toEqual(['accepted']);
    expect(simulator.mints()).toBe(2);
  });

  it.each(['token', 'topic', 'condition'])(
    'sends nothing that sets %s by override',
    async (field) => {
      const message = to('x', { overrides: { fcm: { [field]: 'y' } } });
      expect(await providers.FCM.send(await fcmCredential(), message)).toMatchObject({
        kind: 'payload',
        reason: 'override',
      });
      expect(simulator.connections().fcm.opened).toBe(0);
    },
  );
});

describe('APNs', () => {
  it('takes a refused topic for the credential when three pushes without overrides heard it', async () => {
    const credential = await apnCredential();
    const suspects: unknown[] = [];
    const send = async (device: string, wish: Partial<Message> = {}) => {
      const token = `sim.answer.400.TopicDisallowed.${device}`;
      const outcome = await providers.APN.send(credential, to(token, wish));
      expect(outcome.kind).toBe('credential');
      suspects.push('suspect' in outcome);
    };
    for (const device of ['a', 'a', 'b']) await send(device);
    // Asks for something special: it may be that.
    await send('c', { overrides: { apn: { aps: { sound: 'x' } } } });
    await send('d');
    expect(suspects).toEqual([true, true, true, true, false]);
  });

  it('takes it for the pushes when one in between was accepted', async () => {
    const credential = await apnCredential();
    const suspects: unknown[] = [];
    for (const device of ['a', 'b', null, 'c', 'd', 'e']) {
      const token = device === null ? 'x' : `sim.answer.400.TopicDisallowed.${device}`;
      const outcome = await providers.APN.send(credential, to(token));
      suspects.push(device === null ? outcome.kind : 'suspect' in outcome);
    }
    expect(suspects).toEqual([true, true, 'accepted', true, true, false]);
  });

  it('believes an answer that cannot depend on the push at once', async () => {
    const outcome = await providers.APN.send(
      await apnCredential(),
      to('sim.answer.403.InvalidProviderToken'),
    );
    expect(outcome).toMatchObject({ kind: 'credential' });
    expect(outcome).not.toHaveProperty('suspect');
  });

  it('shows one token from two replicas, in both environments, after a restart too', async () => {
    const store = new MemoryApnsTokenStore(clock);
    const replicas = [replica(store), replica(store), replica(store)];
    const outcomes = [];
    for (const { APN } of replicas) {
      outcomes.push(await APN.send(await apnCredential('APN'), to('x')));
      outcomes.push(await APN.send(await apnCredential('APN_SANDBOX'), to('x')));
      await APN.close();
    }
    expect(kinds(outcomes)).toEqual(['accepted']);
    const bearers = simulator.ledger
      .find({ token: 'x' })
      .map(({ request }) => request?.headers['authorization']);
    expect(bearers).toHaveLength(6);
    expect(new Set(bearers).size).toBe(1);
  });

  it('signs anew once when Apple calls a token of over 20 minutes expired', async () => {
    const credential = await apnCredential();
    ahead = -30 * MINUTE;
    await providers.APN.send(credential, to('x'));
    ahead = 0;
    const all = [1, 2, 3].map((n) => providers.APN.send(credential, to(`sim.expiredjwt.${n}`)));
    expect(kinds(await Promise.all(all))).toEqual(['accepted']);
  });

  it('pauses the credential when the new token is refused too', async () => {
    const credential = await apnCredential();
    ahead = -30 * MINUTE;
    await providers.APN.send(credential, to('x'));
    ahead = 0;
    expect(await providers.APN.send(credential, to('sim.expiredjwt.x2'))).toMatchObject({
      kind: 'credential',
      reason: 'ExpiredProviderToken',
    });
    expect(simulator.ledger.find({ token: 'sim.expiredjwt.x2' })).toHaveLength(2);
  });

  it('says that a clock is wrong when a young token is called expired', async () => {
    const outcome = await providers.APN.send(await apnCredential(), to('sim.expiredjwt'));
    expect(outcome).toMatchObject({ kind: 'credential' });
    expect(outcome).toHaveProperty('message', expect.stringContaining('clock'));
    expect(simulator.ledger.find({ token: 'sim.expiredjwt' })).toHaveLength(1);
  });

  it('keeps the token that Apple says came too early, and waits a minute', async () => {
    const credential = await apnCredential();
    await providers.APN.send(credential, to('x'));
    ahead = 30 * MINUTE;
    expect(await providers.APN.send(credential, to('sim.quota.x'))).toMatchObject({
      kind: 'retry',
      scope: 'credential',
      reason: 'TooManyProviderTokenUpdates',
      afterMs: MINUTE,
    });
    await providers.APN.send(credential, to('x'));
    const bearers = ['x', 'sim.quota.x'].flatMap((token) =>
      simulator.ledger.find({ token }).map(({ request }) => request?.headers['authorization']),
    );
    expect(bearers).toHaveLength(3);
    expect(new Set(bearers).size).toBe(1);
  });

  it.each(['sim.answer.503.Shutdown', 'sim.answer.400.IdleTimeout'])(
    'leaves the connection that answered %s',
    async (token) => {
      const credential = await apnCredential();
      await providers.APN.send(credential, to(token));
      expect(await providers.APN.send(credential, to('x'))).toMatchObject({ kind: 'accepted' });
      expect(simulator.connections().apns.opened).toBe(2);
    },
  );

  it('blames a push that names its own type for its topic', async () => {
    const overrides = { apn: { headers: { 'apns-push-type': 'alert' } } };
    const message = to('sim.answer.400.BadTopic', { overrides });
    expect(await providers.APN.send(await apnCredential(), message)).toMatchObject({
      kind: 'payload',
    });
  });

  it('warns of a fault of our own', async () => {
    await providers.APN.send(await apnCredential(), to('sim.answer.404.BadPath'));
    expect(warnings).toHaveLength(1);
  });

  it.each([
    [{ headers: { authorization: 'bearer x' } }],
    [{ headers: { 'apns-topic': 'com.other' } }],
    [{ headers: { ':path': '/3/device/other' } }],
    [{ headers: { 'apns-id': 'x' } }],
    [{ headers: { 'apns-collapse-id': 'a\r\nb: c' } }],
  ])('opens no stream for the override %j', async (apn) => {
    const outcome = await providers.APN.send(
      await apnCredential(),
      to('x', { overrides: { apn } }),
    );
    expect(outcome).toMatchObject({ kind: 'payload' });
    expect(simulator.connections().apns.opened).toBe(0);
  });
});

describe('giving up', () => {
  it('what is on the wire is unknown', async () => {
    const [fcm, apn] = [await fcmCredential(), await apnCredential()];
    const sending = [
      providers.FCM.send(fcm, to('sim.timeout.given-up-f')),
      providers.APN.send(apn, to('sim.timeout.given-up-a')),
    ];
    const arrived = () => simulator.ledger.find({}).filter(({ token }) => /given-up/.test(token));
    while (arrived().length < 2) await new Promise(setImmediate);
    for (const provider of [providers.FCM, providers.APN]) provider.giveUp();
    for (const outcome of await Promise.all(sending))
      expect(outcome).toMatchObject({ kind: 'unknown', reason: 'connection-lost' });
    expect(await providers.FCM.send(fcm, to('later'))).toMatchObject({ kind: 'not-sent' });
  });

  it('a check that comes later asks nobody: the library would wait for an answer', async () => {
    const fcm = await fcmCredential();
    // The access token is there: the check would go on to the provider.
    expect(await providers.FCM.send(fcm, to('sim.unregistered.first'))).toMatchObject({
      kind: 'unregistered',
    });
    simulator.behave({ provider: 'fcm', blackHole: true });
    providers.FCM.giveUp();
    expect(await providers.FCM.check(fcm)).toMatchObject({
      ok: false,
      conclusive: false,
      detail: expect.stringContaining('closing'),
    });
  });

  it('what waits for a token has not been sent', async () => {
    const { fcmOrigin, apnsOrigin, apnsSandboxOrigin, ca } = simulator;
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const waiting = createProviders(
      {
        fcmOrigin,
        googleTokenUrl: `https://127.0.0.1:${port}/token`,
        apnsOrigin,
        apnsSandboxOrigin,
        ca,
        requestTimeoutMs: 10_000,
        pingIntervalMs: 30_000,
        pingTimeoutMs: 5_000,
      },
      { apnsTokens: { current: () => new Promise(() => {}) } },
    );
    const sending = [
      waiting.FCM.send(await fcmCredential(), to('f')),
      waiting.APN.send(await apnCredential(), to('a')),
    ];
    const check = waiting.FCM.check(await fcmCredential());
    const connection = (await once(silent, 'connection'))[0] as Socket;
    const begun = performance.now();
    for (const provider of [waiting.FCM, waiting.APN]) provider.giveUp();
    for (const outcome of await Promise.all(sending))
      expect(outcome).toMatchObject({ kind: 'not-sent' });
    expect(await check).toMatchObject({ ok: false, conclusive: false });
    expect(performance.now() - begun).toBeLessThan(1_000);
    expect(simulator.ledger.summary().requests).toBe(0);
    connection.destroy();
    silent.close();
    await Promise.all([waiting.FCM.close(), waiting.APN.close()]);
  });
});

describe('many credentials', () => {
  it('1,000 of them keep at most 200 clients open, and each still sends', async () => {
    const credential = await apnCredential();
    let most = 0;
    let next = 0;
    const user = async () => {
      while (next < 1_000) {
        const id = `c${next++}`;
        expect(await providers.APN.send({ ...credential, id }, to('x'))).toMatchObject({
          kind: 'accepted',
        });
        most = Math.max(most, simulator.connections().apns.open.length);
      }
    };
    await Promise.all(Array.from({ length: 10 }, user));
    expect(simulator.connections().apns.opened).toBe(1_000);
    // Those that were evicted a moment ago are still saying goodbye.
    expect(most).toBeLessThanOrEqual(200 + 20);
    await providers.APN.close();
    // The simulator's side of the last ones ends a turn of the loop later.
    while (simulator.connections().apns.open.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });

  it('one that is evicted with requests in flight loses none of them', async () => {
    const credential = await apnCredential();
    // APNs allows one stream until it has answered.
    await providers.APN.send({ ...credential, id: 'evicted' }, to('x'));
    const slow = Array.from({ length: 20 }, (_, i) =>
      providers.APN.send({ ...credential, id: 'evicted' }, to(`sim.slow.2500.${i}`)),
    );
    // A few at a time: 220 handshakes at once take longer than a request waits for a stream.
    for (let i = 0; i < 220; i += 10) {
      const others = Array.from({ length: 10 }, (_, j) =>
        providers.APN.send({ ...credential, id: `o${i + j}` }, to('x')),
      );
      expect(kinds(await Promise.all(others))).toEqual(['accepted']);
    }
    expect(kinds(await Promise.all(slow))).toEqual(['accepted']);
  });
});

describe('a rotated credential', () => {
  it.each(['FCM', 'APN'] as const)(
    'of %s takes over under load: nothing is lost, nothing is sent twice',
    async (name) => {
      const old = name === 'FCM' ? await fcmCredential() : await apnCredential();
      const next = await (async () => {
        // Another key of another customer: only its own pushes may go out with it.
        const { fcm, apnToken } = await simulator.credentials('rotated');
        const parsed = name === 'FCM' ? parseFcmCredential(fcm) : parseApnCredential(apnToken);
        if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults));
        return { ...old, version: 2, content: parsed.content };
      })();
      const send = (credential: unknown, token: string) =>
        providers[name].send(credential as never, to(token, { id: uuid(token) }));
      const under = Array.from({ length: 100 }, (_, i) =>
        send(old, `sim.slow.${i * 3}.before-${i}`),
      );
      // From here on the worker hands over the new version, while the old one is under way.
      const after = Array.from({ length: 100 }, (_, i) => send(next, `after-${i}`));
      expect(kinds(await Promise.all([...under, ...after]))).toEqual(['accepted']);
      expect(simulator.ledger.summary()).toMatchObject({ accepted: 200, duplicates: 0 });
      const bearers = (part: string) =>
        new Set(
          simulator.ledger
            .find({}, 1_000)
            .filter(({ token }) => token.includes(part))
            .map(({ request }) => request?.headers['authorization']),
        );
      expect(bearers('before').size).toBe(1);
      expect(bearers('after').size).toBe(1);
      expect(bearers('before')).not.toEqual(bearers('after'));
    },
  );
});

/** Each push has an id of its own, by which the ledger tells a second one from a repeat. */
function uuid(token: string): string {
  const digits = createHash('sha256').update(token).digest('hex');
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-7${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20, 32)}`;
}
