import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { ClientHttp2Session } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { bearer, open, plain, send, serviceAccount, shut } from '../test/client.js';
import { type Simulator, startSimulator } from './simulator.js';

const SEND = '/v1/projects/fanfare-sim/messages:send';

async function control(
  simulator: Simulator,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; json: unknown }> {
  const response = await fetch(`${simulator.controlOrigin}${path}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: await response.json() };
}

describe('a directory', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'fanfare-simulator-test-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('keeps authority and credentials over a restart, and hides the keys', async () => {
    const first = await startSimulator({ dir });
    const before = [await first.credentials(), await first.credentials('second')];
    await first.stop();

    const second = await startSimulator({ dir });
    expect(await second.credentials()).toEqual(before[0]);
    expect(await second.credentials('second')).toEqual(before[1]);
    expect(second.ca).toBe(first.ca);
    expect(await readFile(second.caFile, 'utf8')).toBe(first.ca);
    // A bearer can be had with the key from before, and used.
    expect(await bearer(second)).toMatch(/^Bearer /);
    await second.stop();
    expect((await stat(join(dir, 'simulator.json'))).mode & 0o777).toBe(0o600);
  });

  it('with a ledger lets a token’s troubles go on over a restart, not begin anew', async () => {
    const options = { dir, ledgerFile: join(dir, 'ledger.ndjson') };
    const statuses: number[] = [];
    for (let restarts = 0; restarts < 3; restarts++) {
      const simulator = await startSimulator(options);
      const session = await open(simulator.fcmOrigin, { ca: simulator.ca });
      const authorization = await bearer(simulator);
      for (const token of ['sim.internal.2.a', 'sim.unregistered.a', 'sim.ok.a']) {
        const body = JSON.stringify({ message: { token } });
        const { status } = await send(session, { ':path': SEND, authorization }, body);
        statuses.push(status);
      }
      await shut(session);
      await simulator.stop();
    }
    expect(statuses).toEqual([500, 404, 200, 500, 404, 200, 200, 404, 200]);
  });

  it('that is damaged is not silently begun anew', async () => {
    await writeFile(join(dir, 'simulator.json'), '{}');
    await expect(startSimulator({ dir })).rejects.toThrow(/simulator\.json is damaged/);
  });
});

it('gives its ports back when one of them is taken', async () => {
  const first = await startSimulator();
  const apnsPort = Number(new URL(first.apnsOrigin).port);
  await expect(startSimulator({ apnsPort })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  const fcmPort = Number(new URL(first.fcmOrigin).port);
  await first.stop();
  const again = await startSimulator({ fcmPort, apnsPort });
  expect(again.fcmOrigin).toBe(first.fcmOrigin);
  await again.stop();
});

it('can be reached by another name', async () => {
  const simulator = await startSimulator({ publicHost: '127.0.0.1' });
  expect(simulator.fcmOrigin).toMatch(/^https:\/\/127\.0\.0\.1:/);
  expect(await bearer(simulator)).toMatch(/^Bearer /);
  await simulator.stop();
});

describe('a running simulator', () => {
  let simulator: Simulator;
  let authorization: string;
  let session: ClientHttp2Session;

  beforeAll(async () => {
    simulator = await startSimulator({ ledgerCap: 5, ledgerBodies: 2 });
    authorization = await bearer(simulator);
  });
  afterAll(() => simulator.stop());
  beforeEach(async () => {
    await control(simulator, 'DELETE', '/behaviour');
    await control(simulator, 'DELETE', '/ledger');
    session = await open(simulator.fcmOrigin, { ca: simulator.ca });
  });
  afterEach(() => shut(session));

  const push = (token: string, on = session): ReturnType<typeof send> =>
    send(on, { ':path': SEND, authorization }, JSON.stringify({ message: { token } }));

  it('hands out credentials in the form of the contract', async () => {
    const { json } = await control(simulator, 'GET', '/credentials');
    const ready = json as Awaited<ReturnType<Simulator['credentials']>>;
    expect(serviceAccount(ready)).toMatchObject({
      type: 'service_account',
      project_id: 'fanfare-sim',
      private_key: expect.stringContaining('BEGIN PRIVATE KEY'),
      token_uri: 'https://oauth2.googleapis.com/token',
    });
    expect(plain(ready.apnToken.signingKey)).toContain('BEGIN PRIVATE KEY');
    const certificate = new X509Certificate(plain(ready.apnCertificate.certificate));
    expect(certificate.subject).toContain(`UID=${ready.apnToken.topic}`);
    expect(certificate.subject).toContain(`CN=Apple Push Services: ${ready.apnToken.topic}`);
    expect(certificate.verify(new X509Certificate(simulator.ca).publicKey)).toBe(true);
  });

  it('hands out another customer’s by name, and says what a name is', async () => {
    const { json } = await control(simulator, 'GET', '/credentials?name=b');
    expect(serviceAccount(json as never)).toMatchObject({ project_id: 'fanfare-sim-b' });
    expect(await control(simulator, 'GET', '/credentials?name=B!')).toMatchObject({
      status: 400,
      json: { error: expect.stringContaining('lower-case') },
    });
  });

  it('makes one set only when it is asked for it twice at once', async () => {
    const [one, two] = await Promise.all([
      simulator.credentials('twice'),
      simulator.credentials('twice'),
    ]);
    expect(one).toEqual(two);
  });

  it('shows the ledger by token and by limit, without the bearer', async () => {
    for (const token of ['a', 'b', 'a']) await push(token);
    const { json } = await control(simulator, 'GET', '/ledger?token=a');
    const { entries } = json as { entries: { request: { headers: object } | null }[] };
    expect(entries).toMatchObject([
      // Only the latest two keep what came with them.
      { token: 'a', request: null },
      { token: 'a', request: { body: '{"message":{"token":"a"}}' } },
    ]);
    expect(JSON.stringify(json)).not.toContain(authorization);
    expect(await control(simulator, 'GET', '/ledger?limit=1')).toMatchObject({
      json: { entries: [{ token: 'a' }] },
    });
    expect(await control(simulator, 'GET', '/ledger?limit=x')).toMatchObject({ status: 400 });
  });

  it('forgets single requests beyond its cap, but counts on', async () => {
    for (const token of ['a', 'b', 'c', 'd', 'e', 'sim.badtoken.1', 'f']) await push(token);
    expect(await control(simulator, 'GET', '/ledger/summary')).toMatchObject({
      json: { requests: 7, accepted: 6, distinctAccepted: 6, duplicates: 0, forgotten: 2 },
    });
    const response = await fetch(`${simulator.controlOrigin}/ledger/accepted`);
    expect(response.headers.get('x-forgotten')).toBe('2');
    const lines = (await response.text()).trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as string[])[1])).toEqual(['c', 'd', 'e', 'f']);
  });

  it('counts connections', async () => {
    await push('a');
    const { json } = await control(simulator, 'GET', '/connections');
    expect(json).toMatchObject({ fcm: { open: [{ protocol: 'h2', requests: 1 }] } });
    expect((json as { fcm: { opened: number } }).fcm.opened).toBeGreaterThan(1);
  });

  it('tells what its process takes', async () => {
    const usage = async () => (await control(simulator, 'GET', '/usage')).json;
    const before = (await usage()) as { cpuMs: number; residentBytes: number };
    expect(before.residentBytes).toBeGreaterThan(1_000_000);
    await push('a');
    expect(((await usage()) as { cpuMs: number }).cpuMs).toBeGreaterThan(before.cpuMs);
  });

  it('is down and comes back on the same ports', async () => {
    const gone = once(session, 'close');
    await control(simulator, 'PUT', '/behaviour', { provider: 'fcm', down: true });
    await gone;
    await expect(open(simulator.fcmOrigin, { ca: simulator.ca })).rejects.toThrow();
    await expect(bearer(simulator)).rejects.toThrow();
    // Apple has no part in Google's trouble.
    await shut(await open(simulator.apnsOrigin, { ca: simulator.ca }));

    await control(simulator, 'PUT', '/behaviour', { down: false });
    const back = await open(simulator.fcmOrigin, { ca: simulator.ca });
    expect(await push('a', back)).toMatchObject({ status: 200 });
    await shut(back);
  });

  it('swallows everything as a black hole, PINGs too, and nothing is lost after it', async () => {
    await push('before');
    await control(simulator, 'PUT', '/behaviour', { blackHole: true });
    const order: string[] = [];
    const pong = new Promise<void>((resolve) => {
      session.ping(() => {
        order.push('pong');
        resolve();
      });
    });
    const answer = push('into the dark');
    void answer.then(() => order.push('answer'));
    // Another connection is opened on the wire but never gets as far as TLS.
    const opened = open(simulator.fcmOrigin, { ca: simulator.ca });
    void opened.then(() => order.push('second'));
    // The control port is answered by the same event loop, after what came before it.
    await control(simulator, 'GET', '/connections');
    await control(simulator, 'GET', '/connections');
    expect(order).toEqual([]);
    expect(simulator.ledger.find({ token: 'into the dark' })).toEqual([]);

    await control(simulator, 'PUT', '/behaviour', { blackHole: false });
    expect(await answer).toMatchObject({ status: 200 });
    await pong;
    await shut(await opened);
  });

  it('takes latency and stream limits', async () => {
    const lowered = once(session, 'remoteSettings');
    await control(simulator, 'PUT', '/behaviour', { latencyMs: 60, maxConcurrentStreams: 3 });
    await lowered;
    expect(session.remoteSettings.maxConcurrentStreams).toBe(3);
    const before = performance.now();
    await push('a');
    expect(performance.now() - before).toBeGreaterThanOrEqual(55);
    expect(await control(simulator, 'GET', '/behaviour')).toMatchObject({
      json: { fcm: { latencyMs: 60 }, apns: { latencyMs: 60 } },
    });
  });

  it.each([
    ['PUT', '/behaviour', { latency: 5 }, 400],
    ['PUT', '/behaviour', { faults: { nonsense: 1 } }, 400],
    ['PUT', '/behaviour', 'x'.repeat(70_000), 400],
    ['GET', '/nothing', undefined, 404],
    ['POST', '/ledger', {}, 404],
  ])('refuses %s %s', async (method, path, body, status) => {
    const answer = await control(simulator, method, path, body);
    expect(answer).toMatchObject({ status, json: { error: expect.any(String) } });
  });

  it('refuses what is not JSON', async () => {
    const url = `${simulator.controlOrigin}/behaviour`;
    expect((await fetch(url, { method: 'PUT', body: '{' })).status).toBe(400);
  });

  it('forgets tokens when told', async () => {
    await control(simulator, 'DELETE', '/tokens/provider');
    await control(simulator, 'DELETE', '/tokens/access');
    expect(await push('a')).toMatchObject({ status: 401 });
    authorization = await bearer(simulator);
    expect(await push('a')).toMatchObject({ status: 200 });
  });
});
