import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { expect, it } from '@jest/globals';
import type { Outcome } from '@app/domain';
import { startSimulator } from '../../../apps/simulator/src/simulator.js';
import type { Simulator } from '../../../apps/simulator/src/simulator.js';
import { heldBytes } from '../test/leaks.js';
import { push } from '../test/push.js';
import { parseApnCredential, parseFcmCredential } from './checks.js';
import { createProviders } from './index.js';
import type { Message, Providers } from './index.js';

/** An hour: SOAK_SECONDS=3600 npm test -- soak */
const SECONDS = Number(process.env['SOAK_SECONDS'] ?? 10);
const PER_SECOND = 2_000;
const WARM_UP_SECONDS = 3;
const MOST_OPEN = 4_000;
const MEGABYTE = 1_048_576;
/** 4 sessions of FCM, 2 of APNs twice, those that are on their way out, and the token endpoint's. */
const MOST_SOCKETS = 2 * (4 + 2 + 2);
const SERVERS = ['fcm', 'apns', 'apnsSandbox'] as const;

/** Every behaviour that a token may ask for, at random: about every eighth request. */
const FAULTS = {
  unregistered: 0.01,
  expired: 0.005,
  badtoken: 0.01,
  mismatch: 0.005,
  thirdparty: 0.005,
  throttle: 0.01,
  quota: 0.005,
  unavailable: 0.015,
  internal: 0.015,
  expiredjwt: 0.002,
  slow: 0.01,
  timeout: 0.002,
  reset: 0.01,
  refuse: 0.015,
  goaway: 0.002,
};

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

const inMegabytes = (bytes: number): string => (bytes / MEGABYTE).toFixed(1);

type Send = (message: Message) => Promise<Outcome>;

function checked<T>(parsed: { content: T } | { faults: unknown[] }): T {
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults));
  return parsed.content;
}

async function sendersOf(simulator: Simulator, providers: Providers): Promise<Send[]> {
  const { fcm, apnToken, apnCertificate } = await simulator.credentials();
  const account = { id: 'f', version: 1, type: 'FCM', content: checked(parseFcmCredential(fcm)) };
  const key = { id: 'k', version: 1, type: 'APN', content: checked(parseApnCredential(apnToken)) };
  const content = checked(parseApnCredential(apnCertificate));
  const certificate = { id: 'c', version: 1, type: 'APN_SANDBOX', content };
  return [
    (message) => providers.FCM.send(account as never, message),
    (message) => providers.APN.send(key as never, message),
    (message) => providers.APN.send(certificate as never, message),
  ];
}

/** What a bad day does to a whole provider, one thing after the other. */
function trouble(simulator: Simulator, random: () => number): () => void {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const deeds = [
    () => simulator.behave({ provider: pick(SERVERS), blackHole: true }),
    () => simulator.behave({ provider: pick(SERVERS), down: true }),
    () => simulator.behave({ provider: pick(SERVERS), maxConcurrentStreams: 1 }),
    () => simulator.behave({ provider: pick(SERVERS), maxConcurrentStreams: 20 }),
    () => simulator.behave({ provider: pick(SERVERS), latencyMs: 50 }),
    () => simulator.forgetAccessTokens(),
    () => simulator.behave({ tokenEndpoint: { status: 503, error: 'unavailable' } }),
  ];
  let at = 0;
  let isBad = false;
  return () => {
    isBad = !isBad;
    if (isBad) deeds[at++ % deeds.length]?.();
    else {
      simulator.resetBehaviour();
      simulator.behave({ faults: FAULTS });
    }
  };
}

it(
  `settles each of ${PER_SECOND} requests a second once, for ${SECONDS} s of faults of all kinds`,
  async () => {
    const simulator = await startSimulator({ ledgerCap: 1_000, ledgerBodies: 1 });
    const providers = createProviders({
      fcmOrigin: simulator.fcmOrigin,
      googleTokenUrl: simulator.tokenUrl,
      apnsOrigin: simulator.apnsOrigin,
      apnsSandboxOrigin: simulator.apnsSandboxOrigin,
      ca: simulator.ca,
      requestTimeoutMs: 2_000,
      // Both ends share one event loop here, and that with a busy machine: a pong takes a while.
      pingIntervalMs: 300,
      pingTimeoutMs: 700,
      maxInFlight: 600,
    });
    const senders = await sendersOf(simulator, providers);

    // What the provider has taken, by the push's id.
    const taken = new Map<string, number>();
    const record = simulator.ledger.record.bind(simulator.ledger);
    simulator.ledger.record = (entry) => {
      if (entry.accepted && entry.id !== null) taken.set(entry.id, (taken.get(entry.id) ?? 0) + 1);
      record(entry);
    };

    const kinds: Record<string, number> = {};
    const notSent: Record<string, number> = {};
    const wrong: unknown[] = [];
    let sent = 0;
    let settled = 0;
    const sendOne = async (): Promise<void> => {
      const id = randomUUID();
      const send = senders[sent++ % senders.length] as Send;
      // FCM has no id of its own: the collapse key is what the ledger knows it by.
      const message = push({
        id,
        token: `device-${id}`,
        expiresAt: new Date(Date.now() + 3_600_000),
      });
      const outcome = await send(message);
      settled += 1;
      count(kinds, outcome.kind);
      if (outcome.kind === 'not-sent') count(notSent, outcome.reason);
      const times = taken.get(id) ?? 0;
      // No push is tried twice here: what arrives twice was repeated by the transport itself.
      const fits =
        outcome.kind === 'accepted'
          ? times === 1
          : outcome.kind === 'unknown'
            ? times < 2
            : times === 0;
      if (!fits) wrong.push({ times, outcome });
      if (outcome.kind !== 'unknown') taken.delete(id);
    };

    // This side's: the other one keeps those that have gone during a black hole.
    const sockets = new Set<Socket>();
    let mostSockets = 0;
    const onSocket = (message: unknown): void => {
      const { socket } = message as { socket: Socket };
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      mostSockets = Math.max(mostSockets, sockets.size);
    };
    subscribe('net.client.socket', onSocket);
    const next = trouble(simulator, Math.random);
    const run = async (seconds: number): Promise<void> => {
      const open = new Set<Promise<void>>();
      const begun = performance.now();
      const first = sent;
      let troubleAt = begun;
      for (;;) {
        const now = performance.now();
        const due = Math.min(((now - begun) / 1_000) * PER_SECOND, seconds * PER_SECOND);
        // A machine that cannot keep up is given fewer at once, not more.
        while (sent - first < due && open.size < MOST_OPEN) {
          const one: Promise<void> = sendOne().finally(() => open.delete(one));
          open.add(one);
        }
        if (sent - first >= seconds * PER_SECOND) break;
        if (now >= troubleAt) {
          troubleAt = now + 300;
          next();
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      simulator.resetBehaviour();
      await Promise.all(open);
      expect(settled).toBe(sent);
    };

    const begun = performance.now();
    await run(WARM_UP_SECONDS);
    const before = await heldBytes();
    const growth: number[] = [];
    for (let left = SECONDS - WARM_UP_SECONDS; left > 0; left -= 60) {
      await run(Math.min(left, 60));
      expect(simulator.ledger.summary().duplicates).toBe(0);
      // The simulator remembers every push to know it again; that is not what is measured.
      simulator.clear();
      taken.clear();
      growth.push((await heldBytes()) - before);
    }
    const seconds = (performance.now() - begun) / 1_000;
    // Whatever happened, it heals by itself.
    for (const send of senders) {
      for (let kind = ''; kind !== 'accepted';) {
        ({ kind } = await send(push({ expiresAt: new Date(Date.now() + 3_600_000) })));
        if (kind !== 'accepted') await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    await Promise.all([providers.FCM.close(), providers.APN.close()]);
    await simulator.stop();
    unsubscribe('net.client.socket', onSocket);
    if (process.env['SOAK_SECONDS'] !== undefined) {
      process.stdout.write(
        `\nSoak: ${sent} requests in ${seconds.toFixed(0)} s (${(sent / seconds).toFixed(0)}/s), ` +
          `${settled} settled, ${wrong.length} of them wrong\n` +
          `outcomes: ${JSON.stringify(kinds)}, not sent: ${JSON.stringify(notSent)}\n` +
          `memory, in MB more than after warming up, each minute: ${growth.map(inMegabytes).join(' ')}\n` +
          `sockets: ${mostSockets} at most, the limit is ${MOST_SOCKETS}\n`,
      );
    }

    expect(wrong).toEqual([]);
    expect(sent).toBe(SECONDS * PER_SECOND);
    // A busy machine mostly steps back from what it cannot reach in time; but something went through.
    expect(kinds['accepted']).toBeGreaterThan(sent * 0.02);
    for (const kind of ['retry', 'unknown', 'not-sent', 'unregistered', 'invalid-token']) {
      expect(kinds[kind]).toBeGreaterThan(0);
    }
    for (const bytes of growth) expect(bytes / MEGABYTE).toBeLessThan(12);
    expect(mostSockets).toBeLessThanOrEqual(MOST_SOCKETS);
  },
  (SECONDS + 290) * 1_000,
);
