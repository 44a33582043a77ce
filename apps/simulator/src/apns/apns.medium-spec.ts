import { once } from 'node:events';
import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Answer, open, plain, providerToken, seconds, send, shut } from '../../test/client.js';
import { issuePushCertificate, makeAuthority } from '../certificates.js';
import type { ReadyCredentials } from '../credentials.js';
import { type Simulator, startSimulator } from '../simulator.js';

const ID = '0190a6c0-0000-7000-8000-000000000001';
const ALERT = JSON.stringify({ aps: { alert: { title: 'Hi', body: 'there' } } });

let simulator: Simulator;
let ready: ReadyCredentials;
let session: ClientHttp2Session;
let authorization: string;

beforeAll(async () => {
  simulator = await startSimulator();
  ready = await simulator.credentials();
});
afterAll(() => simulator.stop());

beforeEach(async () => {
  simulator.clear();
  simulator.resetBehaviour();
  simulator.forgetProviderTokens();
  authorization = providerToken(ready);
  session = await open(simulator.apnsOrigin, { ca: simulator.ca });
});
afterEach(() => shut(session));

function push(
  token: string,
  headers: OutgoingHttpHeaders = {},
  body = ALERT,
  on = session,
): Promise<Answer> {
  const all: OutgoingHttpHeaders = {
    ':path': `/3/device/${encodeURIComponent(token)}`,
    authorization,
    'apns-topic': ready.apnToken.topic,
    'apns-push-type': 'alert',
    'apns-id': ID,
    ...headers,
  };
  for (const name of Object.keys(all)) if (all[name] === undefined) delete all[name];
  return send(on, all, body);
}

async function reason(answer: Promise<Answer>): Promise<string> {
  const { status, body } = await answer;
  return `${status} ${(JSON.parse(body) as { reason: string }).reason}`;
}

describe('a push with a provider token', () => {
  it('is accepted, answered with its id and written down whole', async () => {
    const answer = await push('abc');
    expect(answer).toMatchObject({ status: 200, headers: { 'apns-id': ID }, body: '', rst: 0 });
    expect(simulator.ledger.find({ token: 'abc' })).toEqual([
      expect.objectContaining({
        provider: 'apns',
        id: ID,
        status: 200,
        accepted: true,
        request: expect.objectContaining({ body: ALERT }),
      }),
    ]);
  });

  it('gets an id when it brings none', async () => {
    const answer = await push('abc', { 'apns-id': undefined });
    expect(answer.headers['apns-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('keeps a token that needs encoding as it is', async () => {
    await push('a/b %25 ü?#');
    expect(simulator.ledger.find({ token: 'a/b %25 ü?#' })).toHaveLength(1);
  });

  it('goes to the sandbox apart', async () => {
    const sandbox = await open(simulator.apnsSandboxOrigin, { ca: simulator.ca });
    await push('abc', {}, ALERT, sandbox);
    await shut(sandbox);
    expect(simulator.ledger.summary().providers).toMatchObject({
      apns: { requests: 0 },
      apnsSandbox: { requests: 1, accepted: 1 },
    });
  });
});

describe('the caller', () => {
  it.each([
    ['no token and no certificate', () => undefined, '403 MissingProviderToken'],
    ['no JWT', () => 'bearer nonsense', '403 InvalidProviderToken'],
    ['another scheme', () => 'Basic eA==', '403 InvalidProviderToken'],
    ['an unknown key', () => providerToken(ready, {}, { kid: 'X' }), '403 InvalidProviderToken'],
    ['a foreign team', () => providerToken(ready, { iss: 'X' }), '403 InvalidProviderToken'],
    ['no iat', () => providerToken(ready, { iat: 'x' }), '403 InvalidProviderToken'],
    [
      'an iat in the future',
      () => providerToken(ready, { iat: seconds() + 400 }),
      '403 InvalidProviderToken',
    ],
    [
      'a token over an hour old',
      () => providerToken(ready, { iat: seconds() - 3_605 }),
      '403 ExpiredProviderToken',
    ],
  ])('with %s is refused', async (_case, header, expected) => {
    expect(await reason(push('abc', { authorization: header() }))).toBe(expected);
    expect(simulator.ledger.summary()).toMatchObject({ requests: 1, accepted: 0 });
  });

  it('is refused with a signature that is not its own', async () => {
    const parts = authorization.split('.');
    const other = providerToken(ready, { iat: seconds() - 1 }).split('.');
    const forged = `${parts[0]}.${parts[1]}.${other[2]}`;
    expect(await reason(push('abc', { authorization: forged }))).toBe('403 InvalidProviderToken');
  });

  it('may not renew its token within 20 minutes, but may go on with the first', async () => {
    const first = providerToken(ready, { iat: seconds() - 1_300 });
    const soon = providerToken(ready, { iat: seconds() - 1_200 });
    const later = providerToken(ready, { iat: seconds() - 50 });
    expect(await push('a', { authorization: first })).toMatchObject({ status: 200 });
    expect(await reason(push('b', { authorization: soon }))).toBe(
      '429 TooManyProviderTokenUpdates',
    );
    expect(await push('c', { authorization: first })).toMatchObject({ status: 200 });
    expect(await push('d', { authorization: later })).toMatchObject({ status: 200 });
  });

  it('sees its token grow old with the clock', async () => {
    expect(await push('a')).toMatchObject({ status: 200 });
    simulator.behave({ clockOffsetSeconds: 3_601 });
    expect(await reason(push('a'))).toBe('403 ExpiredProviderToken');
  });

  it('may not speak for two teams on one connection', async () => {
    const other = await simulator.credentials('other');
    await push('a');
    const headers = { authorization: providerToken(other), 'apns-topic': other.apnToken.topic };
    expect(await reason(push('b', headers))).toBe('403 InvalidProviderToken');
  });

  it('may come with a certificate of the simulator instead', async () => {
    const { certificate, privateKey } = ready.apnCertificate;
    const tls = { ca: simulator.ca, cert: plain(certificate), key: plain(privateKey) };
    const own = await open(simulator.apnsOrigin, tls);
    expect(await push('a', { authorization: undefined }, ALERT, own)).toMatchObject({
      status: 200,
    });
    const foreign = { authorization: undefined, 'apns-topic': 'com.example.other' };
    expect(await reason(push('a', foreign, ALERT, own))).toBe('400 TopicDisallowed');
    await shut(own);
  });

  it('is refused with a certificate of somebody else', async () => {
    const made = await issuePushCertificate(await makeAuthority(), ready.apnToken.topic);
    const tls = { ca: simulator.ca, cert: made.certificate, key: made.privateKey };
    const foreign = await open(simulator.apnsOrigin, tls);
    expect(await reason(push('a', { authorization: undefined }, ALERT, foreign))).toBe(
      '403 BadCertificate',
    );
    await shut(foreign);
  });
});

describe('streams', () => {
  it('are one until the first authenticated answer, then many', async () => {
    expect(session.remoteSettings.maxConcurrentStreams).toBe(1);
    await push('a', { authorization: 'bearer nonsense' });
    expect(session.remoteSettings.maxConcurrentStreams).toBe(1);
    const raised = once(session, 'remoteSettings');
    await push('a');
    await raised;
    expect(session.remoteSettings.maxConcurrentStreams).toBe(1_000);
    const lowered = once(session, 'remoteSettings');
    simulator.behave({ provider: 'apns', maxConcurrentStreams: 7 });
    await lowered;
    expect(session.remoteSettings.maxConcurrentStreams).toBe(7);
  });

  it('stay one while the first answer is under way', async () => {
    simulator.behave({ latencyMs: 40 });
    // Node's own client holds back what it may not open yet: the second and third come together.
    const answers = await Promise.all([push('a'), push('b'), push('c')]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const [connection] = simulator.connections().apns.open.slice(-1);
    expect(connection).toMatchObject({ requests: 3, peak: 2 });
  });
});

describe('a token that asks for trouble', () => {
  it.each([
    ['sim.badtoken.1', '400 BadDeviceToken'],
    ['sim.mismatch.1', '400 DeviceTokenNotForTopic'],
    ['sim.unregistered.1', '410 Unregistered'],
    ['sim.expired.1', '410 ExpiredToken'],
    ['sim.unavailable.1.x', '503 ServiceUnavailable'],
    ['sim.internal.1.x', '500 InternalServerError'],
    ['sim.throttle.3.1.x', '429 TooManyRequests'],
    ['sim.quota.x', '429 TooManyProviderTokenUpdates'],
    ['sim.expiredjwt.x', '403 ExpiredProviderToken'],
    ['sim.answer.403.Forbidden.x', '403 Forbidden'],
  ])('%s is answered %s', async (token, expected) => {
    expect(await reason(push(token))).toBe(expected);
    expect(simulator.ledger.summary()).toMatchObject({ accepted: 0, answers: { [expected]: 1 } });
  });

  it('says when to come back', async () => {
    expect(await push('sim.throttle.3.1.x')).toMatchObject({ headers: { 'retry-after': '3' } });
  });

  it('says since when the device is gone, in milliseconds', async () => {
    const at = async (token: string): Promise<number> =>
      (JSON.parse((await push(token)).body) as { timestamp: number }).timestamp;
    expect(Math.abs((await at('sim.unregistered.1')) - Date.now())).toBeLessThan(5_000);
    const hourAgo = Date.now() - 3_600_000;
    expect(Math.abs((await at('sim.stale.3600.x')) - hourAgo)).toBeLessThan(5_000);
  });

  it('is fine after the times it named, for each token on its own', async () => {
    const statuses: number[] = [];
    for (const token of ['sim.unavailable.2.a', 'sim.unavailable.2.b']) {
      for (let i = 0; i < 3; i += 1) statuses.push((await push(token)).status);
    }
    expect(statuses).toEqual([503, 503, 200, 503, 503, 200]);
    simulator.clear();
    expect(await push('sim.unavailable.2.a')).toMatchObject({ status: 503 });
  });

  it('answers slowly but was accepted on arrival', async () => {
    const before = performance.now();
    expect(await push('sim.slow.120.x')).toMatchObject({ status: 200 });
    expect(performance.now() - before).toBeGreaterThanOrEqual(115);
  });

  it.each([
    ['sim.reset.x', 8],
    ['sim.reset.internal.x', 2],
    ['sim.reset.protocol.x', 1],
    ['sim.refuse.x', 7],
  ])('%s ends its stream with RST_STREAM %d', async (token, code) => {
    expect(await push(token)).toMatchObject({ status: 0, rst: code });
    expect(await push('after')).toMatchObject({ status: 200 });
  });

  it('is refused once, then accepted', async () => {
    await push('sim.refuse.x');
    expect(await push('sim.refuse.x')).toMatchObject({ status: 200 });
  });

  it('says GOAWAY without having taken the request', async () => {
    await push('first');
    const gone = once(session, 'goaway');
    const answer = push('sim.goaway.x');
    expect(await gone).toEqual([0, 1, undefined]);
    expect(await answer).toMatchObject({ status: 0, rst: 7 });
    // And the session really ends.
    if (!session.destroyed) await once(session, 'close');
    expect(simulator.ledger.summary()).toMatchObject({ accepted: 1 });
  });

  it('says GOAWAY behind the answer when it is the first of its session', async () => {
    const gone = once(session, 'goaway');
    expect(await push('sim.goaway.x')).toMatchObject({ status: 200 });
    await gone;
  });

  it('never answers a timeout', async () => {
    await push('first');
    const stream = session.request({
      ':method': 'POST',
      ':path': '/3/device/sim.timeout.x',
      authorization,
      'apns-topic': ready.apnToken.topic,
      'apns-push-type': 'alert',
    });
    stream.on('error', () => undefined);
    stream.end(ALERT);
    // Later requests of the same session are answered, that one is not.
    await push('second');
    await push('third');
    expect(stream.closed).toBe(false);
    expect(simulator.ledger.find({ token: 'sim.timeout.x' })).toMatchObject([
      { status: 0, reason: 'timeout', accepted: false },
    ]);
  });
});

describe('a request that breaks a rule', () => {
  it.each<[string, OutgoingHttpHeaders, string]>([
    ['another path', { ':path': '/3/devices/x' }, '404 BadPath'],
    ['another method', { ':method': 'PUT' }, '405 MethodNotAllowed'],
    ['no token', { ':path': '/3/device/' }, '400 MissingDeviceToken'],
    ['a token that cannot be decoded', { ':path': '/3/device/%ff' }, '400 MissingDeviceToken'],
    ['no topic', { 'apns-topic': undefined }, '400 MissingTopic'],
    ['no push type', { 'apns-push-type': undefined }, '400 InvalidPushType'],
    ['priority 10 in the background', { 'apns-push-type': 'background' }, '400 BadPriority'],
  ])('with %s is refused', async (_case, headers, expected) => {
    expect(await reason(push('abc', headers))).toBe(expected);
  });

  it('is refused when its payload is too large', async () => {
    const body = JSON.stringify({ aps: { alert: 'x'.repeat(4_096) } });
    expect(await reason(push('abc', {}, body))).toBe('413 PayloadTooLarge');
    expect(await reason(push('abc', {}, 'x'.repeat(1_100_000)))).toBe('413 PayloadTooLarge');
  });
});
