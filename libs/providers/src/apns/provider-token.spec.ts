import { generateKeyPairSync } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import type { ApnsToken, ApnsTokenStore } from '../port.js';
import { ProviderToken } from './provider-token.js';
import { MemoryApnsTokenStore } from './token-store.js';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const content = {
  kind: 'token' as const,
  signingKey: pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  keyId: 'ABC123DEFG',
  teamId: 'DEF123GHIJ',
  topic: 'com.example.app',
};
const MINUTE = 60_000;

let now: number;
const clock = { now: () => new Date(now) };
let store: MemoryApnsTokenStore;

beforeEach(() => {
  now = Date.parse('2026-04-20T14:22:00Z');
  store = new MemoryApnsTokenStore(clock);
});

async function authorizationOf(token: ProviderToken): Promise<string> {
  const bearer = await token.get(1_000);
  if ('outcome' in bearer) throw new Error(bearer.outcome.kind);
  return bearer.authorization;
}

describe('ProviderToken', () => {
  it('is an ES256 JWT with key id, team and instant', async () => {
    const [scheme, jwt = ''] = (
      await authorizationOf(new ProviderToken(content, store, clock))
    ).split(' ');
    expect(scheme).toBe('bearer');
    expect(decodeProtectedHeader(jwt)).toEqual({ alg: 'ES256', kid: content.keyId });
    expect(decodeJwt(jwt)).toEqual({ iss: content.teamId, iat: now / 1_000 });
    await jwtVerify(jwt, pair.publicKey, { currentDate: new Date(now) });
  });

  it('is one for all replicas, asked for at once', async () => {
    const replicas = Array.from({ length: 20 }, () => new ProviderToken(content, store, clock));
    expect(new Set(await Promise.all(replicas.map(authorizationOf))).size).toBe(1);
  });

  it('is another one for the same ids with another key', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signingKey = other.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const mine = await authorizationOf(new ProviderToken(content, store, clock));
    const theirs = new ProviderToken({ ...content, signingKey }, store, clock);
    const [, jwt = ''] = (await authorizationOf(theirs)).split(' ');
    expect(`bearer ${jwt}`).not.toBe(mine);
    await jwtVerify(jwt, other.publicKey, { currentDate: new Date(now) });
  });

  it('is kept for 50 minutes, then replaced while the old one is used', async () => {
    const token = new ProviderToken(content, store, clock);
    const first = await authorizationOf(token);
    now += 49 * MINUTE;
    expect(await authorizationOf(token)).toBe(first);
    now += 2 * MINUTE;
    expect(token.ready()).toBe(first);
    expect(await authorizationOf(token)).not.toBe(first);
  });

  it('stays in use up to 58 minutes when the store fails, and no longer', async () => {
    let broken = false;
    const failing: ApnsTokenStore = {
      current: (key, mint, rejected) =>
        broken ? Promise.reject(new Error('down')) : store.current(key, mint, rejected),
    };
    const token = new ProviderToken(content, failing, clock);
    const first = await authorizationOf(token);
    broken = true;
    now += 57 * MINUTE;
    expect(await authorizationOf(token)).toBe(first);
    now += 2 * MINUTE;
    expect(await token.get(1_000)).toMatchObject({
      outcome: { kind: 'not-sent', reason: 'apns-token-unavailable' },
    });
    broken = false;
    expect(await authorizationOf(token)).not.toBe(first);
  });

  it('lets nobody wait longer than asked for a store that hangs', async () => {
    const hanging: ApnsTokenStore = { current: () => new Promise<ApnsToken>(() => {}) };
    const token = new ProviderToken(content, hanging, clock);
    expect(await token.get(20)).toMatchObject({ outcome: { kind: 'not-sent' } });
  });

  it('is renewed when Apple calls it expired, once for all who report it', async () => {
    const token = new ProviderToken(content, store, clock);
    const first = await authorizationOf(token);
    now += 21 * MINUTE;
    expect(await Promise.all([token.renew(first, 1_000), token.renew(first, 1_000)])).toEqual([
      'renewed',
      'renewed',
    ]);
    const second = await authorizationOf(token);
    expect(second).not.toBe(first);
    // A late report about the first one costs nothing.
    expect(await token.renew(first, 1_000)).toBe('renewed');
    expect(await authorizationOf(token)).toBe(second);
  });

  it('is not renewed when it is younger than 20 minutes: a clock is wrong', async () => {
    const token = new ProviderToken(content, store, clock);
    const first = await authorizationOf(token);
    now += 19 * MINUTE;
    expect(await token.renew(first, 1_000)).toBe('too-young');
    expect(await authorizationOf(token)).toBe(first);
  });

  it('tells a store that is away from a clock that is wrong', async () => {
    let away = false;
    const flaky: ApnsTokenStore = {
      current: (...args) => (away ? Promise.reject(new Error('away')) : store.current(...args)),
    };
    const token = new ProviderToken(content, flaky, clock);
    const first = await authorizationOf(token);
    now += 21 * MINUTE;
    away = true;
    expect(await token.renew(first, 1_000)).toBe('unavailable');
  });
});

describe('MemoryApnsTokenStore', () => {
  it('mints again after a failure', async () => {
    const key = { teamId: 't', keyId: 'k', fingerprint: 'f' };
    await expect(store.current(key, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    const minted = { token: 'x', signedAt: clock.now() };
    expect(await store.current(key, () => Promise.resolve(minted))).toBe(minted);
  });
});
