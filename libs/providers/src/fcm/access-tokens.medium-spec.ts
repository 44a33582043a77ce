import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makeCertificate } from '../../test/certificates.js';
import { AccessTokens } from './access-tokens.js';
import { tokenEndpoint } from './token-endpoint.js';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const account = {
  kind: 'service-account' as const,
  projectId: 'demo-project',
  clientEmail: 'push@demo-project.iam.gserviceaccount.com',
  privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
};
const MINUTE = 60_000;

let server: Server;
let ca: string;
let asked: URLSearchParams[];
let answer: { status: number; body: string; headers?: Record<string, string> };
let closeEndpoint: () => void;
/** How far our clock is ahead of the machine's. */
let ahead: number;
let tokens: AccessTokens;

beforeEach(async () => {
  const identity = await makeCertificate();
  ca = identity.certificate;
  asked = [];
  ahead = 0;
  answer = { status: 200, body: '' };
  server = createServer(
    { cert: identity.certificate, key: identity.privateKey },
    (request, response) => {
      let form = '';
      request.on('data', (chunk: Buffer) => (form += chunk.toString()));
      request.on('end', () => {
        asked.push(new URLSearchParams(form));
        const granted = {
          access_token: `t${asked.length}`,
          expires_in: 3_600,
          token_type: 'Bearer',
        };
        const headers = { 'content-type': 'application/json', ...answer.headers };
        response.writeHead(answer.status, headers);
        response.end(answer.body === '' ? JSON.stringify(granted) : answer.body);
      });
    },
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  tokens = newTokens();
});

afterEach(async () => {
  closeEndpoint();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

function newTokens(timeoutMs = 5_000): AccessTokens {
  const url = `https://localhost:${(server.address() as AddressInfo).port}/token`;
  const { transporter, close } = tokenEndpoint(url, ca, timeoutMs);
  closeEndpoint = close;
  return new AccessTokens(account, transporter, { now: () => new Date(Date.now() + ahead) });
}

function refuse(status: number, error?: string, headers?: Record<string, string>): void {
  answer = {
    status,
    body: error === undefined ? '<html>' : JSON.stringify({ error }),
    ...(headers && { headers }),
  };
}

describe('AccessTokens', () => {
  it('asks the configured endpoint once for everybody, for Google’s audience', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => tokens.get(5_000)));
    expect(new Set(all.map((bearer) => JSON.stringify(bearer)))).toEqual(
      new Set(['{"authorization":"Bearer t1"}']),
    );
    expect(asked).toHaveLength(1);
    const [, claims] = (asked[0]?.get('assertion') ?? '').split('.');
    expect(JSON.parse(Buffer.from(claims ?? '', 'base64url').toString())).toMatchObject({
      iss: account.clientEmail,
      aud: 'https://oauth2.googleapis.com/token',
      scope: 'https://www.googleapis.com/auth/firebase.messaging',
    });
    expect(tokens.ready()).toBe('Bearer t1');
  });

  it.each([600_000, -600_000])(
    'signs by the clock that it is given and counts by it, with that of the machine wrong by %d ms',
    async (ms) => {
      ahead = ms;
      await tokens.get(5_000);
      const [, claims] = (asked[0]?.get('assertion') ?? '').split('.');
      const { iat, exp } = JSON.parse(Buffer.from(claims ?? '', 'base64url').toString()) as {
        iat: number;
        exp: number;
      };
      expect(Math.abs(iat * 1_000 - (Date.now() + ms))).toBeLessThan(5_000);
      expect(exp - iat).toBe(3_600);
      ahead = ms + 54 * MINUTE;
      expect(tokens.ready()).toBe('Bearer t1');
      expect(asked).toHaveLength(1);
      ahead = ms + 60 * MINUTE;
      expect(tokens.ready()).toBeUndefined();
    },
  );

  it('replaces a token early, while the old one is used', async () => {
    await tokens.get(5_000);
    ahead = 54 * MINUTE;
    expect(tokens.ready()).toBe('Bearer t1');
    expect(asked).toHaveLength(1);
    ahead = 56 * MINUTE;
    expect(tokens.ready()).toBe('Bearer t1');
    ahead = 0;
    while (tokens.ready() !== 'Bearer t2') await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toHaveLength(2);
  });

  it('keeps a valid token in use while the endpoint is down', async () => {
    await tokens.get(5_000);
    refuse(503);
    ahead = 56 * MINUTE;
    const failed = once(server, 'request');
    expect(tokens.ready()).toBe('Bearer t1');
    await failed;
    expect(await tokens.get(5_000)).toEqual({ authorization: 'Bearer t1' });
    ahead = 60 * MINUTE;
    expect(await tokens.get(5_000)).toMatchObject({ outcome: { kind: 'retry', status: 503 } });
  });

  it('forgets a refused token once, however many requests report it', async () => {
    await tokens.get(5_000);
    tokens.drop('Bearer t1');
    expect(tokens.ready()).toBeUndefined();
    expect(await tokens.get(5_000)).toEqual({ authorization: 'Bearer t2' });
    tokens.drop('Bearer t1');
    expect(tokens.ready()).toBe('Bearer t2');
  });

  it.each(['invalid_grant', 'invalid_client', 'unauthorized_client'])(
    'takes %s for the credential’s fault',
    async (error) => {
      refuse(error === 'invalid_grant' ? 400 : 401, error);
      expect(await tokens.get(5_000)).toMatchObject({
        outcome: { kind: 'credential', unsent: true, reason: error },
      });
    },
  );

  it.each([
    [429, 'rate_limited'],
    [500, undefined],
    [503, undefined],
    [400, 'invalid_request'],
    [200, 'nonsense'],
  ])('takes %d %s for a passing trouble of the whole credential', async (status, error) => {
    refuse(status, error);
    const { outcome } = (await tokens.get(5_000)) as { outcome: unknown };
    expect(outcome).toMatchObject({ kind: 'retry', unsent: true, scope: 'credential' });
    // The library would ask four times.
    expect(asked).toHaveLength(1);
  });

  it('obeys Retry-After', async () => {
    refuse(503, undefined, { 'retry-after': '12' });
    expect(await tokens.get(5_000)).toMatchObject({ outcome: { afterMs: 12_000 } });
    answer = { status: 200, body: '' };
    ahead = 11_000;
    expect(await tokens.get(5_000)).toMatchObject({ outcome: { afterMs: 12_000 } });
    expect(asked).toHaveLength(1);
    ahead = 12_500;
    expect(await tokens.get(5_000)).toEqual({ authorization: 'Bearer t2' });
  });

  it('sends pushes away for as long as it leaves the endpoint alone, twice as long each time', async () => {
    refuse(503);
    const waits: unknown[] = [];
    for (const at of [0, 1_500, 4_000, 9_000]) {
      ahead = at;
      const { outcome } = (await tokens.get(5_000)) as { outcome: { afterMs: number } };
      waits.push(outcome.afterMs);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000]);
  });

  it('leaves the endpoint alone for a while after a failure, then asks again', async () => {
    refuse(503);
    const first = await tokens.get(5_000);
    expect(await tokens.get(5_000)).toEqual(first);
    expect(asked).toHaveLength(1);
    answer = { status: 200, body: '' };
    ahead = 1_500;
    expect(await tokens.get(5_000)).toEqual({ authorization: 'Bearer t2' });
  });

  it('follows no redirect: the assertion is for one address only', async () => {
    answer = { status: 307, body: 'x', headers: { location: 'https://localhost:1/elsewhere' } };
    expect(await tokens.get(5_000)).toMatchObject({ outcome: { kind: 'retry' } });
    expect(asked).toHaveLength(1);
  });

  it('takes an endpoint that cannot be reached for a passing trouble', async () => {
    const { transporter, close } = tokenEndpoint('https://localhost:1/token', ca, 1_000);
    const unreachable = new AccessTokens(account, transporter, { now: () => new Date() });
    expect(await unreachable.get(5_000)).toMatchObject({
      outcome: { kind: 'retry', scope: 'credential', reason: 'token-endpoint-unreachable' },
    });
    close();
  });

  it('lets nobody wait longer than asked', async () => {
    server.removeAllListeners('request');
    const arrived = once(server, 'request');
    const begun = performance.now();
    expect(await tokens.get(100)).toMatchObject({
      outcome: { kind: 'not-sent', reason: 'token-endpoint-slow' },
    });
    expect(performance.now() - begun).toBeLessThan(1_000);
    await arrived;
  });

  it('says nothing of the key or the assertion when it fails', async () => {
    refuse(400, 'invalid_grant');
    const text = JSON.stringify(await tokens.get(5_000));
    expect(text).not.toContain(asked[0]?.get('assertion'));
    expect(text).not.toContain('PRIVATE');
  });
});
