import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { getApps } from 'firebase-admin/app';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startSimulator } from '../../../apps/simulator/src/simulator.js';
import type { Simulator } from '../../../apps/simulator/src/simulator.js';
import { parseApnCredential, parseFcmCredential } from './checks.js';
import { createProviders } from './index.js';
import type { ApnCredential, FcmCredential, ProviderOptions, Providers } from './index.js';

let simulator: Simulator;
let providers: Providers;

const options = (more: Partial<ProviderOptions> = {}): ProviderOptions => ({
  fcmOrigin: simulator.fcmOrigin,
  googleTokenUrl: simulator.tokenUrl,
  apnsOrigin: simulator.apnsOrigin,
  apnsSandboxOrigin: simulator.apnsSandboxOrigin,
  ca: simulator.ca,
  requestTimeoutMs: 5_000,
  pingIntervalMs: 30_000,
  pingTimeoutMs: 5_000,
  ...more,
});

beforeEach(async () => {
  simulator = await startSimulator();
  providers = createProviders(options());
});

afterEach(async () => {
  await Promise.all([providers.FCM.close(), providers.APN.close()]);
  await simulator.stop();
});

function checked<T>(parsed: { content: T } | { faults: unknown[] }): T {
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults));
  return parsed.content;
}

async function fcm(name?: string): Promise<FcmCredential> {
  const content = checked(parseFcmCredential((await simulator.credentials(name)).fcm));
  return { id: 'f', version: 1, type: 'FCM', content };
}

async function apn(kind: 'apnToken' | 'apnCertificate', type: ApnCredential['type'] = 'APN') {
  const content = checked(parseApnCredential((await simulator.credentials())[kind]));
  return { id: kind, version: 1, type, content } satisfies ApnCredential;
}

const pem = (type: 'rsa' | 'ec') =>
  (type === 'rsa'
    ? generateKeyPairSync('rsa', { modulusLength: 2_048 })
    : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  ).privateKey
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();

const OK = { ok: true, conclusive: true };
const REFUSED = { ok: false, conclusive: true };
const UNCLEAR = { ok: false, conclusive: false };

afterEach(() => {
  // Whatever a check did, nobody got a push.
  expect(simulator.ledger.summary().accepted).toBe(0);
});

describe('FCM', () => {
  it('accepts a good service account, with the access token that the pushes use', async () => {
    expect(await providers.FCM.check(await fcm())).toMatchObject(OK);
    expect(await providers.FCM.check(await fcm())).toMatchObject(OK);
    expect(simulator.mints()).toBe(1);
    expect(simulator.ledger.find({}).map(({ reason }) => reason)).toEqual([
      'validate_only',
      'validate_only',
    ]);
  });

  it('refuses a key that Google does not know', async () => {
    const credential = await fcm();
    credential.content.privateKey = pem('rsa');
    expect(await providers.FCM.check(credential)).toMatchObject({
      ...REFUSED,
      detail: expect.stringContaining('invalid_grant'),
    });
  });

  it('refuses a project that is somebody else’s, and one that is not there', async () => {
    const credential = await fcm();
    const { projectId } = (await fcm('other')).content;
    const elsewhere = { ...credential, id: 'x', content: { ...credential.content, projectId } };
    expect(await providers.FCM.check(elsewhere)).toMatchObject({
      ...REFUSED,
      detail: expect.stringContaining('403'),
    });
    const content = { ...credential.content, projectId: 'no-such-project' };
    expect(await providers.FCM.check({ ...credential, id: 'y', content })).toMatchObject(REFUSED);
  });

  it('renews an access token that was revoked before it says no', async () => {
    await providers.FCM.check(await fcm());
    simulator.forgetAccessTokens();
    expect(await providers.FCM.check(await fcm())).toMatchObject(OK);
    expect(simulator.mints()).toBe(2);
  });

  it('does not judge while FCM is down, or has nobody answering', async () => {
    await providers.FCM.check(await fcm());
    simulator.behave({ provider: 'fcm', blackHole: true });
    const begun = performance.now();
    expect(await providers.FCM.check(await fcm(), 300)).toMatchObject(UNCLEAR);
    expect(performance.now() - begun).toBeLessThan(1_500);
    simulator.behave({ provider: 'fcm', blackHole: false, down: true });
    expect(await providers.FCM.check(await fcm(), 2_000)).toMatchObject(UNCLEAR);
  });

  it('ends in time when the peer accepts, and never says a word: the library would wait on', async () => {
    const sockets: Socket[] = [];
    const mute = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const fcmOrigin = `https://localhost:${(mute.address() as AddressInfo).port}`;
    const own = createProviders(options({ fcmOrigin }));
    const begun = performance.now();
    expect(await own.FCM.check(await fcm(), 300)).toMatchObject({
      ...UNCLEAR,
      detail: expect.stringContaining('deadline'),
    });
    expect(performance.now() - begun).toBeLessThan(1_500);
    await own.FCM.close();
    for (const socket of sockets) socket.destroy();
    mute.close();
    await once(mute, 'close');
  });

  it('leaves no App of the library behind', async () => {
    await providers.FCM.check(await fcm());
    expect(getApps()).toHaveLength(1);
    await providers.FCM.close();
    expect(getApps()).toHaveLength(0);
  });
});

describe('APNs', () => {
  it.each([
    ['apnToken', 'APN'],
    ['apnToken', 'APN_SANDBOX'],
    ['apnCertificate', 'APN'],
    ['apnCertificate', 'APN_SANDBOX'],
  ] as const)('accepts a good %s for %s', async (kind, type) => {
    expect(await providers.APN.check(await apn(kind, type))).toMatchObject(OK);
    const [entry] = simulator.ledger.find({ token: '0'.repeat(64) });
    expect(entry).toMatchObject({ provider: type === 'APN' ? 'apns' : 'apnsSandbox', status: 400 });
  });

  it('refuses a key that Apple does not know, and a topic of somebody else', async () => {
    const credential = await apn('apnToken');
    const wrongKey = { ...credential, id: 'k', content: { ...credential.content } };
    Object.assign(wrongKey.content, { signingKey: pem('ec') });
    expect(await providers.APN.check(wrongKey)).toMatchObject({
      ...REFUSED,
      detail: expect.stringContaining('InvalidProviderToken'),
    });
    const wrongTopic = { ...credential, id: 't', content: { ...credential.content } };
    wrongTopic.content.topic = 'com.somebody.else';
    expect(await providers.APN.check(wrongTopic)).toMatchObject({
      ...REFUSED,
      detail: expect.stringContaining('TopicDisallowed'),
    });
  });

  it('does not judge while Apple is down', async () => {
    simulator.behave({ provider: 'apns', down: true });
    expect(await providers.APN.check(await apn('apnToken'))).toMatchObject(UNCLEAR);
  });

  it('says nothing of the key', async () => {
    const credential = await apn('apnToken');
    const results = [await providers.APN.check(credential), await providers.FCM.check(await fcm())];
    expect(JSON.stringify(results)).not.toMatch(/PRIVATE|bearer|ey[A-Za-z0-9]{10}/i);
  });
});
