import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '@app/domain';
import type { Outcome } from '@app/domain';
import { startSimulator } from '../../../apps/simulator/src/simulator.js';
import type { Simulator } from '../../../apps/simulator/src/simulator.js';
import { dataPush, push } from '../test/push.js';
import { APNS_OUTCOMES } from './apns/outcomes.js';
import {
  apnsPayloadSize,
  fcmPayloadSize,
  parseApnCredential,
  parseFcmCredential,
} from './checks.js';
import { FCM_OUTCOMES } from './fcm/outcomes.js';
import { MemoryApnsTokenStore, createProviders } from './index.js';
import type { Message, Provider, ProviderCredential, Providers } from './index.js';

/** Rows that decided an answer in this run. */
const used = new Set<unknown>();
for (const row of [...FCM_OUTCOMES, ...APNS_OUTCOMES]) {
  const { matches } = row as { matches: (facts: unknown) => boolean };
  row.matches = (facts: unknown) => {
    const decides = matches(facts);
    if (decides) used.add(row);
    return decides;
  };
}

let simulator: Simulator;
let providers: Providers;
const apnsTokens = new MemoryApnsTokenStore(systemClock);

beforeAll(async () => {
  simulator = await startSimulator();
  providers = connectTo(simulator);
});

afterAll(async () => {
  await Promise.all([providers.FCM.close(), providers.APN.close()]);
  await simulator.stop();
});

afterEach(() => {
  simulator.resetBehaviour();
});

function connectTo(
  { fcmOrigin, tokenUrl, apnsOrigin, apnsSandboxOrigin, ca }: Simulator,
  more: { requestTimeoutMs?: number; slotWaitMs?: number } = {},
): Providers {
  const options = {
    fcmOrigin,
    googleTokenUrl: tokenUrl,
    apnsOrigin,
    apnsSandboxOrigin,
    ca,
    requestTimeoutMs: 5_000,
    pingIntervalMs: 500,
    pingTimeoutMs: 300,
    ...more,
  };
  // Each call is one more replica: Apple refuses a team's second token within 20 minutes.
  return createProviders(options, { apnsTokens });
}

/** What the suite needs to know of an adapter: nothing of how it works. */
interface Subject {
  name: string;
  server: 'fcm' | 'apns' | 'apnsSandbox';
  provider(from: Providers): Provider<never>;
  credential(): Promise<ProviderCredential>;
  /** Bytes that count against the limit. */
  size(message: Message): number;
  /** Token → outcome; what both have in common stands in the suite. */
  rows: [token: string, outcome: Partial<Outcome>][];
}

function checked<T>(parsed: { content: T } | { faults: unknown[] }): T {
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults));
  return parsed.content;
}

const fcm: Subject = {
  name: 'FCM',
  server: 'fcm',
  size: fcmPayloadSize,
  provider: (from) => from.FCM,
  credential: async () => ({
    id: 'fcm',
    version: 1,
    type: 'FCM',
    content: checked(parseFcmCredential((await simulator.credentials()).fcm)),
  }),
  rows: [
    ['sim.answer.200.html', { kind: 'unknown' }],
    ['sim.answer.200.empty', { kind: 'unknown' }],
    ['sim.badtoken', { kind: 'invalid-token' }],
    ['sim.answer.400.INVALID_ARGUMENT', { kind: 'payload', reason: 'INVALID_ARGUMENT' }],
    ['sim.answer.400.none', { kind: 'payload', reason: 'INVALID_ARGUMENT' }],
    ['sim.answer.401.none', { kind: 'credential', reason: 'UNAUTHENTICATED' }],
    ['sim.thirdparty', { kind: 'payload', failure: 'THIRD_PARTY_AUTH' }],
    ['sim.mismatch', { kind: 'invalid-token', reason: 'SENDER_ID_MISMATCH' }],
    ['sim.answer.403.none', { kind: 'credential', reason: 'PERMISSION_DENIED' }],
    ['sim.unregistered', { kind: 'unregistered', reason: 'UNREGISTERED' }],
    ['sim.answer.404.none', { kind: 'credential', reason: 'NOT_FOUND' }],
    ['sim.quota.a', { kind: 'retry', scope: 'credential', afterMs: 60_000 }],
    ['sim.quota.b.x1.r3', { kind: 'retry', scope: 'credential' }],
    ['sim.throttle.7.1', { kind: 'retry', scope: 'device', afterMs: 7_000 }],
    [
      'sim.internal.1',
      {
        kind: 'retry',
        scope: 'device',
        backoff: { leastMs: 10_000, baseMs: 10_000, capMs: 900_000 },
      },
    ],
    ['sim.unavailable.1', { kind: 'retry', scope: 'credential' }],
    ['sim.unavailable.1.r9', { kind: 'retry', scope: 'credential', afterMs: 9_000 }],
    ['sim.answer.502.html', { kind: 'retry', scope: 'device' }],
    ['sim.answer.404.html', { kind: 'retry', scope: 'device' }],
    ['sim.answer.409.INVENTED', { kind: 'payload', reason: 'INVENTED' }],
    // What may be invented tomorrow: nothing of it retires a token or stops a credential.
    ...[400, 401, 403, 404, 410].map((status): Subject['rows'][number] => [
      `sim.answer.${status}.TOMORROW`,
      { kind: 'payload', reason: 'TOMORROW' },
    ]),
    ['sim.answer.429.TOMORROW', { kind: 'retry', scope: 'device' }],
    ['sim.answer.503.TOMORROW', { kind: 'retry', scope: 'credential' }],
    ['sim.answer.599.TOMORROW', { kind: 'retry', scope: 'device' }],
    ...['html', 'half', 'blank'].flatMap((body): Subject['rows'] => [
      [`sim.answer.200.${body}.b`, { kind: 'unknown' }],
      ...[400, 401, 403, 404, 410].map((status): Subject['rows'][number] => [
        `sim.answer.${status}.${body}.b`,
        { kind: 'retry', scope: 'device' },
      ]),
      [`sim.answer.500.${body}.b`, { kind: 'retry', scope: 'device' }],
      [`sim.answer.503.${body}.b`, { kind: 'retry', scope: 'credential' }],
    ]),
  ],
};

const apnsRows: Subject['rows'] = [
  ['sim.badtoken', { kind: 'invalid-token', reason: 'BadDeviceToken' }],
  ['sim.mismatch', { kind: 'invalid-token', reason: 'DeviceTokenNotForTopic' }],
  ...['BadTopic', 'MissingTopic', 'TopicDisallowed'].map((reason): Subject['rows'][number] => [
    `sim.answer.400.${reason}`,
    { kind: 'credential', reason },
  ]),
  ...[
    'BadCollapseId',
    'BadExpirationDate',
    'BadMessageId',
    'BadPriority',
    'InvalidPushType',
    'DuplicateHeaders',
    'PayloadEmpty',
    'MissingDeviceToken',
  ].map((reason): Subject['rows'][number] => [
    `sim.answer.400.${reason}`,
    { kind: 'payload', reason },
  ]),
  ['sim.answer.400.IdleTimeout', { kind: 'retry', scope: 'device', afterMs: 0 }],
  ['sim.answer.403.ExpiredProviderToken', { kind: 'credential' }],
  ...[
    'InvalidProviderToken',
    'MissingProviderToken',
    'UnrelatedKeyIdInToken',
    'BadEnvironmentKeyIdInToken',
    'BadEnvironmentKeyInToken',
    'BadCertificate',
    'BadCertificateEnvironment',
    'Forbidden',
  ].map((reason): Subject['rows'][number] => [
    `sim.answer.403.${reason}`,
    { kind: 'credential', reason },
  ]),
  ['sim.answer.404.BadPath', { kind: 'payload' }],
  ['sim.answer.405.MethodNotAllowed', { kind: 'payload' }],
  ['sim.unregistered', { kind: 'unregistered', since: expect.any(Date) as unknown as Date }],
  ['sim.expired', { kind: 'unregistered', reason: 'ExpiredToken' }],
  ['sim.answer.413.PayloadTooLarge', { kind: 'payload', failure: 'PAYLOAD_TOO_LARGE' }],
  ['sim.throttle.7.1', { kind: 'retry', scope: 'device', afterMs: 7_000 }],
  ['sim.quota.a', { kind: 'retry', scope: 'credential', afterMs: 60_000 }],
  [
    'sim.internal.1',
    { kind: 'retry', backoff: { leastMs: 30_000, baseMs: 30_000, capMs: 900_000 } },
  ],
  ['sim.unavailable.1', { kind: 'retry', scope: 'credential' }],
  ['sim.unavailable.1.r9', { kind: 'retry', scope: 'credential', afterMs: 9_000 }],
  ['sim.answer.503.Shutdown', { kind: 'retry', afterMs: 0 }],
  ['sim.answer.400.html', { kind: 'payload' }],
  ['sim.answer.502.html', { kind: 'retry', scope: 'device' }],
  ['sim.answer.429.empty', { kind: 'retry', scope: 'device' }],
  ['sim.answer.403.Invented', { kind: 'credential', reason: 'Invented' }],
  ['sim.answer.201.Tomorrow', { kind: 'unknown' }],
  // Never retire on doubt.
  ['sim.answer.410.Tomorrow', { kind: 'invalid-token', reason: 'Tomorrow' }],
  ...[400, 404, 405, 418].map((status): Subject['rows'][number] => [
    `sim.answer.${status}.Tomorrow`,
    { kind: 'payload', reason: 'Tomorrow' },
  ]),
  ['sim.answer.429.Tomorrow', { kind: 'retry', scope: 'device' }],
  ['sim.answer.500.Tomorrow', { kind: 'retry', scope: 'device' }],
  ['sim.answer.503.Tomorrow', { kind: 'retry', scope: 'credential' }],
  ...['html', 'half', 'empty'].flatMap((body): Subject['rows'] => [
    ...[400, 403, 404, 410].map((status): Subject['rows'][number] => [
      `sim.answer.${status}.${body}.b`,
      { kind: 'payload' },
    ]),
    [`sim.answer.429.${body}.b`, { kind: 'retry', scope: 'device' }],
    [`sim.answer.500.${body}.b`, { kind: 'retry', scope: 'device' }],
    [`sim.answer.503.${body}.b`, { kind: 'retry', scope: 'credential' }],
  ]),
];

const apnsToken: Subject = {
  name: 'APNs by signing key',
  server: 'apns',
  size: (message) => apnsPayloadSize(message).bytes,
  provider: (from) => from.APN,
  credential: async () => ({
    id: 'apn-token',
    version: 1,
    type: 'APN',
    content: checked(parseApnCredential((await simulator.credentials()).apnToken)),
  }),
  rows: apnsRows,
};

const apnsCertificate: Subject = {
  name: 'APNs sandbox by certificate',
  server: 'apnsSandbox',
  size: (message) => apnsPayloadSize(message).bytes,
  provider: (from) => from.APN,
  credential: async () => ({
    id: 'apn-certificate',
    version: 1,
    type: 'APN_SANDBOX',
    content: checked(parseApnCredential((await simulator.credentials()).apnCertificate)),
  }),
  rows: apnsRows.filter(([token]) => !token.includes('ExpiredProviderToken')),
};

let pushes = 0;

/** A fresh push to this token, whose answer depends on nothing that came before. */
function to(token: string, wish: Partial<Message> = {}): Message {
  pushes += 1;
  const id = `0198c2f0-6f3a-7c11-8a55-${String(pushes).padStart(12, '0')}`;
  return push({ id, token, expiresAt: new Date(Date.now() + 3_600_000), ...wish });
}

describe.each([fcm, apnsToken, apnsCertificate])('$name', (subject) => {
  let credential: never;
  const send = (message: Message, deadlineMs?: number, from = providers) =>
    subject.provider(from).send(credential, message, deadlineMs);

  beforeAll(async () => {
    credential = (await subject.credential()) as never;
  });

  it('hands a message over once and tells the provider’s id', async () => {
    const message = to('device-1');
    const outcome = await send(message);
    expect(outcome).toMatchObject({ kind: 'accepted' });
    const entries = simulator.ledger.find({ token: 'device-1' });
    expect(entries.filter(({ provider }) => provider === subject.server)).toHaveLength(1);
    if (outcome.kind === 'accepted') expect(outcome.providerMessageId).not.toBe('');
  });

  // A table with a row that no case goes through would promise what nobody has seen.
  it.each(subject.rows)('%s', async (token, outcome) => {
    expect(await send(to(`${token}.${subject.server}`))).toMatchObject(outcome);
  });

  it('takes whatever a message may carry', async () => {
    const rich = { badge: 0, sound: 'chime', imageUrl: 'https://example.com/i.png' };
    const message = to('rich', { ...rich, data: { a: 'ü' }, collapseKey: 'k', priority: 'LOW' });
    expect(await send(message)).toMatchObject({ kind: 'accepted' });
  });

  it('takes a collapse key that no header carries', async () => {
    expect(await send(to('key', { collapseKey: 'ключ ' }))).toMatchObject({ kind: 'accepted' });
  });

  it('takes a push without text as a background push', async () => {
    const message = dataPush({ ...to('background'), title: undefined, body: undefined });
    expect(await send(message)).toMatchObject({ kind: 'accepted' });
  });

  it('takes an immediate push', async () => {
    expect(await send(to('now', { immediate: true }))).toMatchObject({ kind: 'accepted' });
  });

  it('takes a message of exactly the limit and sends none that is longer', async () => {
    const sizes = (text: string) => to('limit', { title: '', body: text });
    let low = 0;
    let high = 5_000;
    // The longest body that the adapter lets through: whatever it is, the provider must take it.
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      const outcome = await send(sizes('é'.repeat(middle)));
      if (outcome.kind === 'accepted') low = middle;
      else {
        expect(outcome).toMatchObject({ kind: 'payload', reason: 'payload-too-large' });
        expect(outcome).toMatchObject({ failure: 'PAYLOAD_TOO_LARGE' });
        high = middle;
      }
    }
    expect(low).toBeGreaterThan(1_900);
  });

  it.each([
    ['one byte a letter', 'x'],
    ['two', 'é'],
    ['three', '鍵'],
    ['four', '😀'],
  ])('is exact to the byte: %s', async (_, letter) => {
    const limit = 4_096;
    const filled = (bytes: number) => {
      const bare = subject.size(to('exact', { body: '' }));
      const count = Math.floor((bytes - bare) / Buffer.byteLength(letter));
      const message = to('exact', { body: letter.repeat(count) });
      const rest = bytes - subject.size(message);
      return { ...message, body: `${message.body}${'x'.repeat(rest)}` };
    };
    expect(subject.size(filled(limit))).toBe(limit);
    expect(await send(filled(limit))).toMatchObject({ kind: 'accepted' });
    expect(await send(filled(limit + 1))).toMatchObject({
      kind: 'payload',
      reason: 'payload-too-large',
      message: `The rendered message has ${limit + 1} bytes, the limit is ${limit}`,
    });
  });

  it.each([
    ['../../../v1/admin'],
    ['a?b=c#d'],
    ['with space'],
    ['line\r\nbreak: x'],
    ['nul\u0000'],
    ['ключ-鍵'],
    ['%2e%2e%2f'],
    ['x'.repeat(4_096)],
  ])('carries the hostile token %j as it is', async (token) => {
    expect(await send(to(token))).toMatchObject({ kind: 'accepted' });
    const [entry] = simulator.ledger.find({ token });
    expect(entry?.status).toBe(200);
  });

  it('answers half a surrogate pair without disturbing anybody', async () => {
    const outcome = await send(to('\ud800'));
    expect(['invalid-token', 'accepted', 'payload']).toContain(outcome.kind);
    expect(await send(to('after'))).toMatchObject({ kind: 'accepted' });
  });

  it('sends a refused stream again at once, without an outcome of its own', async () => {
    expect(await send(to(`sim.refuse.${subject.server}.1`))).toMatchObject({ kind: 'accepted' });
  });

  it('survives a GOAWAY', async () => {
    const all = await Promise.all([
      ...Array.from({ length: 20 }, (_, i) => send(to(`before-goaway-${i}`))),
      send(to(`sim.goaway.${subject.server}.1`)),
      ...Array.from({ length: 20 }, (_, i) => send(to(`after-goaway-${i}`))),
    ]);
    expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(['accepted']));
    for (let i = 0; i < 20; i += 1) {
      const arrived = simulator.ledger.find({ token: `after-goaway-${i}` });
      const here = arrived.filter(({ provider }) => provider === subject.server);
      expect(here.filter(({ accepted }) => accepted)).toHaveLength(1);
    }
  });

  it.each([
    ['cancel', 'RST_CANCEL'],
    ['internal', 'RST_INTERNAL_ERROR'],
    ['protocol', 'RST_PROTOCOL_ERROR'],
  ])('does not know what became of a stream reset with %s', async (code, reason) => {
    const outcome = await send(to(`sim.reset.${code}.${subject.server}`));
    expect(outcome).toMatchObject({ kind: 'unknown', reason });
  });

  it('does not know what became of a request without an answer in time', async () => {
    const outcome = await send(to(`sim.timeout.${subject.server}`), 200);
    expect(outcome).toMatchObject({ kind: 'unknown', reason: 'deadline' });
  });

  it('waits for a slow answer', async () => {
    expect(await send(to('sim.slow.300'))).toMatchObject({ kind: 'accepted' });
  });

  it('obeys the number of streams, whatever is asked of it at once', async () => {
    simulator.behave({ maxConcurrentStreams: 5 });
    const own = connectTo(simulator, { slotWaitMs: 5_000 });
    const all = await Promise.all(
      Array.from({ length: 300 }, (_, i) => send(to(`stream-${i}`), 5_000, own)),
    );
    expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(['accepted']));
    await subject.provider(own).close();
  });

  it('loses nothing while the provider is down, and goes on when it is back', async () => {
    const own = connectTo(simulator);
    simulator.behave({ provider: subject.server, down: true });
    const outcome = await send(to('down'), undefined, own);
    // FCM needs its token endpoint first, which is behind the same port here.
    expect(['not-sent', 'retry']).toContain(outcome.kind);
    simulator.behave({ provider: subject.server, down: false });
    for (let kind = ''; kind !== 'accepted';) {
      const next = await send(to('back'), undefined, own);
      ({ kind } = next);
      const waitMs = 'afterMs' in next ? (next.afterMs ?? 100) : 100;
      await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, 100)));
    }
    await subject.provider(own).close();
  });

  it('heals by itself when packets vanish', async () => {
    const own = connectTo(simulator);
    await send(to('before-hole'), undefined, own);
    simulator.behave({ provider: subject.server, blackHole: true });
    const outcome = await send(to('in-hole'), undefined, own);
    expect(outcome).toMatchObject({ kind: 'unknown', reason: 'connection-lost' });
    simulator.behave({ provider: subject.server, blackHole: false });
    for (let kind = ''; kind !== 'accepted';) ({ kind } = await send(to('out'), undefined, own));
    await subject.provider(own).close();
  });

  it('answers calls after close without a connection', async () => {
    const own = connectTo(simulator);
    await send(to('open'), undefined, own);
    await subject.provider(own).close();
    expect(await send(to('closed'), undefined, own)).toMatchObject({ kind: 'not-sent' });
  });

  it('lets a rotated credential take over while the old one finishes', async () => {
    const slow = send(to('sim.slow.400'));
    const rotated = { ...(credential as ProviderCredential), version: 2 } as never;
    const fresh = subject.provider(providers).send(rotated, to('rotated'));
    expect(await Promise.all([slow, fresh])).toMatchObject([
      { kind: 'accepted' },
      { kind: 'accepted' },
    ]);
  });
});

describe('APNs push types', () => {
  const types: [type: string, suffix: string, aps: Record<string, unknown>, more: object][] = [
    ['alert', '', {}, {}],
    ['background', '', { 'content-available': 1 }, {}],
    ['voip', '.voip', {}, {}],
    ['complication', '.complication', {}, {}],
    ['fileprovider', '.pushkit.fileprovider', {}, {}],
    ['mdm', '', {}, { mdm: 'magic' }],
    ['liveactivity', '.push-type.liveactivity', { event: 'update', timestamp: 1_776_695_000 }, {}],
    ['location', '.location-query', {}, {}],
    ['pushtotalk', '.voip-ptt', {}, {}],
    ['widgets', '.push-type.widgets', { 'content-changed': true }, {}],
    ['controls', '.push-type.controls', { 'content-changed': true }, {}],
  ];

  it.each(types)(
    '%s goes to the topic with the suffix "%s"',
    async (type, suffix, aps, payload) => {
      const credential = (await apnsToken.credential()) as never;
      const apn = {
        headers: { 'apns-push-type': type },
        aps,
        payload,
      } as never;
      const wish = { overrides: { apn } };
      const message = type === 'alert' ? to(type, wish) : dataPush(to(type, wish));
      if (type !== 'alert') for (const name of ['title', 'body']) delete message[name as 'title'];
      expect(await providers.APN.send(credential, message)).toMatchObject({ kind: 'accepted' });
      const [entry] = simulator.ledger.find({ id: message.id });
      expect(entry?.request?.headers).toMatchObject({
        'apns-push-type': type,
        'apns-topic': `com.example.fanfare${suffix}`,
        'apns-priority': type === 'background' ? '5' : '10',
      });
    },
  );

  it.each(['BadTopic', 'MissingTopic', 'TopicDisallowed'])(
    'that a push names itself make 400 %s its own fault',
    async (reason) => {
      const credential = (await apnsToken.credential()) as never;
      for (const [name, value] of [
        ['apns-push-type', 'alert'],
        ['apns-topic', 'com.example.fanfare'],
      ] as const) {
        const overrides = { apn: { headers: { [name]: value } } };
        const message = to(`sim.answer.400.${reason}.${name}`, { overrides });
        const outcome = await providers.APN.send(credential, message);
        expect(outcome).toMatchObject({ kind: 'payload', reason });
      }
    },
  );

  it('voip has 5,120 bytes, to the byte', async () => {
    const credential = (await apnsToken.credential()) as never;
    const filled = (bytes: number) => {
      const overrides = { apn: { headers: { 'apns-push-type': 'voip' } } };
      const bare = to('voip', { body: '', overrides });
      return { ...bare, body: 'x'.repeat(bytes - apnsPayloadSize(bare).bytes) };
    };
    expect(await providers.APN.send(credential, filled(5_120))).toMatchObject({ kind: 'accepted' });
    expect(await providers.APN.send(credential, filled(5_121))).toMatchObject({
      reason: 'payload-too-large',
    });
  });
});

describe('a project id with a slash', () => {
  it.each(['x/../../token', 'a/b', 'a?b', 'a#b', '..', 'é\u0000'])(
    'such as %j changes no path, and opens no stream that must be reset',
    async (projectId) => {
      const good = (await fcm.credential()) as { content: object };
      const content = { ...good.content, projectId };
      const credential = { ...good, id: `project ${projectId}`, content } as never;
      const outcome = await providers.FCM.send(credential, to('project'));
      expect(outcome.kind === 'credential' || outcome.kind === 'retry').toBe(true);
      expect('status' in outcome && outcome.status).toBe(404);
    },
  );
});

describe('the tables', () => {
  it.each([...FCM_OUTCOMES, ...APNS_OUTCOMES].map((row) => [row.answer, row] as const))(
    'row “%s” has been seen over the wire',
    (_, row) => {
      expect(used).toContain(row);
    },
  );
});
