import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { OutgoingHttpHeaders } from 'node:http2';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { providerToken, serviceAccount } from '../../apps/simulator/test/client.js';
import { assertion, open, post, send, shut } from '../../apps/simulator/test/client.js';
import type { ReadyCredentials } from '../../apps/simulator/src/credentials.js';
import { startProcess } from '../../scripts/processes.js';
import type { ReadyInfo, RunningProcess } from '../../scripts/types.js';
import { openTempFolder, remove } from '../scripts/command.js';

/**
 * Who measures Fanfare must not measure the simulator: one core of it takes 20,000 requests a second, here so many per
 * second of its CPU time, because the wall clock belongs to everybody on the machine.
 */
const PER_CPU_SECOND = 20_000;
/**
 * Neighbours on the other half of a core make a second of CPU time shorter too, for both ends alike. This end, a bare
 * `node:http2` loop under Jest, makes 15,000 to 17,000 a second on a quiet machine.
 */
const TIMES_THIS_END = 1.3;
const REQUESTS = 10_000;
const AT_ONCE = 100;
const MOST_ROUNDS = 8;

const temp = openTempFolder();
let simulator: RunningProcess<ReadyInfo['simulator']>;
let ready: ReadyCredentials;
let ca: string;

beforeAll(async () => {
  simulator = await startProcess('simulator', {
    env: { SIMULATOR_DIR: join(temp, 'simulator'), LOG_LEVEL: 'warn' },
    logFile: join(temp, 'simulator.log'),
  });
  ready = (await control('/credentials')) as ReadyCredentials;
  ca = readFileSync(simulator.ready.caFile, 'utf8');
});

afterAll(async () => {
  await simulator?.stop();
  remove(temp);
});

async function control(path: string): Promise<unknown> {
  return (await fetch(`${simulator.ready.controlOrigin}${path}`)).json();
}

type Request = () => { headers: OutgoingHttpHeaders; body: string };

/** As Fanfare sends it, one like the other but for its target. */
async function toFcm(): Promise<Request> {
  const account = serviceAccount(ready);
  const form = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: assertion(account),
  });
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  const { json } = await post(simulator.ready.tokenUrl, ca, type, form.toString());
  const authorization = `Bearer ${(json as { access_token: string }).access_token}`;
  const headers = { ':path': `/v1/projects/${account.project_id}/messages:send`, authorization };
  const text = { title: 'Hi Ada', body: 'Your order left' };
  return () => {
    const id = randomUUID();
    const message = {
      token: `device-${id}`,
      notification: text,
      data: { order: '7', kind: 'shipping' },
      android: { priority: 'HIGH', ttl: '3600s', notification: { tag: id, sound: 'default' } },
      apns: {
        headers: { 'apns-priority': '10', 'apns-expiration': '0', 'apns-collapse-id': id },
        payload: { aps: { sound: 'default' } },
      },
      webpush: { headers: { TTL: '3600', Urgency: 'high' }, notification: { tag: id } },
    };
    return { headers, body: JSON.stringify({ message }) };
  };
}

function toApns(): Request {
  const authorization = providerToken(ready);
  const aps = { alert: { title: 'Hi Ada', body: 'Your order left' }, sound: 'default' };
  return () => {
    const id = randomUUID();
    const headers = {
      ':path': `/3/device/device-${id}`,
      authorization,
      'apns-id': id,
      'apns-topic': ready.apnToken.topic,
      'apns-push-type': 'alert',
      'apns-priority': '10',
      'apns-expiration': '0',
      'apns-collapse-id': id,
    };
    return { headers, body: JSON.stringify({ aps, order: '7', kind: 'shipping' }) };
  };
}

/** CPU milliseconds that both ends took for one round of requests, all of them accepted. */
async function round(origin: string, request: Request): Promise<{ here: number; there: number }> {
  const session = await open(origin, { ca });
  const cpu = async () => {
    const { cpuMs } = (await control('/usage')) as { cpuMs: number };
    const { user, system } = process.cpuUsage();
    return { here: (user + system) / 1_000, there: cpuMs };
  };
  const one = async () => {
    const { headers, body } = request();
    expect((await send(session, headers, body)).status).toBe(200);
  };
  // APNs allows one stream until it has answered.
  await one();
  const before = await cpu();
  let left = REQUESTS;
  const user = async () => {
    while (left-- > 0) await one();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, user));
  const after = await cpu();
  await shut(session);
  return { here: after.here - before.here, there: after.there - before.there };
}

it.each([
  ['FCM', 'fcmOrigin', toFcm],
  ['APNs', 'apnsOrigin', toApns],
] as const)(
  `takes at least ${PER_CPU_SECOND} requests a second on one core: %s`,
  async (_, at, to) => {
    const request = await to();
    const rates: { here: number; there: number }[] = [];
    const isFast = () =>
      rates.some(({ here, there }) => there >= Math.min(PER_CPU_SECOND, TIMES_THIS_END * here));
    // The first one warms both ends up.
    await round(simulator.ready[at], request);
    while (rates.length < MOST_ROUNDS && !isFast()) {
      const { here, there } = await round(simulator.ready[at], request);
      const rate = (cpuMs: number) => Math.round((REQUESTS / cpuMs) * 1_000);
      rates.push({ here: rate(here), there: rate(there) });
    }
    expect({ isFast: isFast(), rates }).toMatchObject({ isFast: true });
  },
);
