import { once } from 'node:events';
import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type Answer,
  askToken,
  assertion,
  bearer,
  open,
  post,
  seconds,
  send,
  serviceAccount,
  type ServiceAccount,
  shut,
} from '../../test/client.js';
import { type Simulator, startSimulator } from '../simulator.js';

interface ErrorBody {
  error: { code: number; status: string; message: string; details?: Record<string, unknown>[] };
}

const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const SEND = '/v1/projects/fanfare-sim/messages:send';

let simulator: Simulator;
let account: ServiceAccount;
let authorization: string;
let session: ClientHttp2Session;

beforeAll(async () => {
  simulator = await startSimulator();
  account = serviceAccount(await simulator.credentials());
  await simulator.credentials('other');
});
afterAll(() => simulator.stop());

beforeEach(async () => {
  simulator.clear();
  simulator.resetBehaviour();
  authorization = await bearer(simulator);
  session = await open(simulator.fcmOrigin, { ca: simulator.ca });
});
afterEach(() => shut(session));

function push(
  token: string,
  message: Record<string, unknown> = {},
  headers: OutgoingHttpHeaders = {},
): Promise<Answer> {
  return raw(JSON.stringify({ message: { token, ...message } }), headers);
}

function raw(body: string, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  const all: OutgoingHttpHeaders = { ':path': SEND, authorization, ...headers };
  if (all['authorization'] === undefined) delete all['authorization'];
  return send(session, all, body);
}

function errorOf(answer: Answer): ErrorBody['error'] {
  return (JSON.parse(answer.body) as ErrorBody).error;
}

/** `status STATUS FcmError`, with "-" where there is no FcmError. */
function summary(answer: Answer): string {
  const { status, details = [] } = errorOf(answer);
  const own = details.find((detail) => String(detail['@type']).endsWith('FcmError'));
  const code = own?.['errorCode'];
  return `${answer.status} ${status} ${typeof code === 'string' ? code : '-'}`;
}

describe('the token endpoint', () => {
  it('mints a bearer for a signed assertion, over HTTP/1.1', async () => {
    const mints = simulator.mints();
    const answer = await askToken(simulator, { grant_type: GRANT, assertion: assertion(account) });
    expect(answer).toEqual({
      status: 200,
      version: '1.1',
      json: {
        access_token: expect.stringMatching(/^ya29\./),
        expires_in: 3599,
        token_type: 'Bearer',
      },
    });
    expect(simulator.mints()).toBe(mints + 1);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['another audience', { aud: 'https://example.com' }, 'invalid_grant'],
    ['an unknown account', { iss: 'x@example.com' }, 'invalid_grant'],
    ['another scope', { scope: 'https://www.googleapis.com/auth/drive' }, 'invalid_scope'],
    ['an expired assertion', { iat: seconds() - 3_700, exp: seconds() - 100 }, 'invalid_grant'],
    ['one from the future', { iat: seconds() + 900, exp: seconds() + 999 }, 'invalid_grant'],
    ['one for too long', { exp: seconds() + 7_200 }, 'invalid_grant'],
    ['one without times', { iat: 'now' }, 'invalid_grant'],
  ])('refuses %s', async (_case, claims, error) => {
    const form = { grant_type: GRANT, assertion: assertion(account, claims) };
    expect(await askToken(simulator, form)).toMatchObject({ status: 400, json: { error } });
  });

  it('refuses a signature of another account', async () => {
    const other = serviceAccount(await simulator.credentials('other'));
    const forged = assertion(account, {}, other.private_key);
    expect(await askToken(simulator, { grant_type: GRANT, assertion: forged })).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' },
    });
  });

  it.each<[string, Record<string, string>, string]>([
    ['another grant', { grant_type: 'password' }, 'unsupported_grant_type'],
    ['no assertion', { grant_type: GRANT }, 'invalid_request'],
    ['something that is no JWT', { grant_type: GRANT, assertion: 'x' }, 'invalid_grant'],
  ])('refuses %s', async (_case, form, error) => {
    expect(await askToken(simulator, form)).toMatchObject({ status: 400, json: { error } });
  });

  it('refuses JSON', async () => {
    const headers = { 'content-type': 'application/json' };
    expect(await post(simulator.tokenUrl, simulator.ca, headers, '{}')).toMatchObject({
      status: 400,
      json: { error: 'invalid_request' },
    });
  });

  it('answers what the operator wants', async () => {
    simulator.behave({ tokenEndpoint: { status: 503, error: 'temporarily_unavailable' } });
    const form = { grant_type: GRANT, assertion: assertion(account) };
    expect(await askToken(simulator, form)).toMatchObject({ status: 503 });
    simulator.behave({ tokenEndpoint: null });
    expect(await askToken(simulator, form)).toMatchObject({ status: 200 });
  });
});

describe('a message', () => {
  it('is accepted and written down by its tag', async () => {
    const answer = await push('abc', { android: { notification: { tag: 'push-1' } } });
    expect(answer).toMatchObject({ status: 200, rst: 0 });
    expect(JSON.parse(answer.body)).toEqual({
      name: expect.stringMatching(/^projects\/fanfare-sim\/messages\/.+/),
    });
    expect(simulator.ledger.find({ id: 'push-1' })).toMatchObject([
      { provider: 'fcm', token: 'abc', status: 200, accepted: true },
    ]);
  });

  it('is counted as a duplicate when the same push reaches the same token again', async () => {
    await push('a', { data: { fanfareId: '1' } });
    await push('a', { data: { fanfareId: '1' } });
    await push('b', { data: { fanfareId: '1' } });
    await push('c');
    await push('c');
    expect(simulator.ledger.summary()).toMatchObject({
      accepted: 5,
      distinctAccepted: 4,
      duplicates: 1,
    });
  });

  it('may be sent over HTTP/1.1, and as a dry run that reaches nobody', async () => {
    const body = JSON.stringify({ validate_only: true, message: { token: 'abc' } });
    const headers = { authorization, 'content-type': 'application/json' };
    const answer = await post(`${simulator.fcmOrigin}${SEND}`, simulator.ca, headers, body);
    expect(answer).toEqual({
      status: 200,
      version: '1.1',
      json: { name: 'projects/fanfare-sim/messages/fake_message_id' },
    });
    expect(simulator.ledger.summary()).toMatchObject({ requests: 1, accepted: 0 });
  });

  it('of 4,096 bytes is accepted, of one more it is not', async () => {
    const data = { x: 'é'.repeat(2_047), y: '' };
    expect(await push('abc', { data })).toMatchObject({ status: 200 });
    expect(summary(await push('abc', { data: { ...data, y: 'z' } }))).toBe(
      '400 INVALID_ARGUMENT INVALID_ARGUMENT',
    );
    expect(summary(await push('abc', { data: { x: 'x'.repeat(1_100_000) } }))).toBe(
      '400 INVALID_ARGUMENT INVALID_ARGUMENT',
    );
  });

  it('with an unknown field is refused by name, without an FcmError', async () => {
    const answer = await push('abc', { android: { notification: { tagg: 'x' } } });
    expect(summary(answer)).toBe('400 INVALID_ARGUMENT -');
    expect(errorOf(answer).details).toEqual([
      {
        '@type': 'type.googleapis.com/google.rpc.BadRequest',
        fieldViolations: [
          {
            field: 'message.android.notification',
            description:
              'Invalid JSON payload received. Unknown name "tagg" at ' +
              "'message.android.notification': Cannot find field.",
          },
        ],
      },
    ]);
  });

  it('that is not JSON is refused', async () => {
    expect(summary(await raw('{'))).toBe('400 INVALID_ARGUMENT -');
  });
});

describe('the caller', () => {
  it.each([
    ['no bearer', () => undefined],
    ['an unknown bearer', () => 'Bearer nonsense'],
    ['another scheme', () => 'key=abc'],
  ])('with %s gets 401 without an FcmError', async (_case, header) => {
    const answer = await push('abc', {}, { authorization: header() });
    expect(summary(answer)).toBe('401 UNAUTHENTICATED -');
  });

  it('with an old bearer gets 401', async () => {
    simulator.behave({ clockOffsetSeconds: 3_600 });
    expect(summary(await push('abc'))).toBe('401 UNAUTHENTICATED -');
  });

  it('loses all bearers when they are forgotten', async () => {
    simulator.forgetAccessTokens();
    expect(summary(await push('abc'))).toBe('401 UNAUTHENTICATED -');
  });

  it('may not send in a project of somebody else, nor in one that is not there', async () => {
    const other = { ':path': '/v1/projects/fanfare-sim-other/messages:send' };
    expect(summary(await push('abc', {}, other))).toBe('403 PERMISSION_DENIED -');
    const none = { ':path': '/v1/projects/none/messages:send' };
    expect(summary(await push('abc', {}, none))).toBe('404 NOT_FOUND -');
  });

  it.each(['/v1/projects/fanfare-sim/messages', '/', '/v1/projects/%ff/messages:send'])(
    'gets a page for %s',
    async (path) => {
      const answer = await push('abc', {}, { ':path': path });
      expect(answer).toMatchObject({ status: 404, body: expect.stringContaining('<html') });
    },
  );
});

describe('a token that asks for trouble', () => {
  it.each([
    ['sim.unregistered.1', '404 NOT_FOUND UNREGISTERED'],
    ['sim.badtoken.1', '400 INVALID_ARGUMENT INVALID_ARGUMENT'],
    ['sim.mismatch.1', '403 PERMISSION_DENIED SENDER_ID_MISMATCH'],
    ['sim.thirdparty.1', '401 UNAUTHENTICATED THIRD_PARTY_AUTH_ERROR'],
    ['sim.unavailable.1.x', '503 UNAVAILABLE UNAVAILABLE'],
    ['sim.internal.1.x', '500 INTERNAL INTERNAL'],
    ['sim.throttle.3.1.x', '429 RESOURCE_EXHAUSTED QUOTA_EXCEEDED'],
    ['sim.quota.x', '429 RESOURCE_EXHAUSTED QUOTA_EXCEEDED'],
    ['sim.expiredjwt.x', '401 UNAUTHENTICATED -'],
    ['sim.answer.403.none.x', '403 PERMISSION_DENIED -'],
  ])('%s is answered %s', async (token, expected) => {
    expect(summary(await push(token))).toBe(expected);
    expect(simulator.ledger.summary()).toMatchObject({ requests: 1, accepted: 0 });
  });

  it('names the project when it is the project’s quota', async () => {
    const { details } = errorOf(await push('sim.quota.x'));
    expect(JSON.stringify(details)).toContain('RATE_LIMIT_EXCEEDED');
    expect(JSON.stringify(details)).toContain('"subject":"project:fanfare-sim"');
  });

  it('says when to come back', async () => {
    expect(await push('sim.throttle.3.1.x')).toMatchObject({ headers: { 'retry-after': '3' } });
    expect(await push('sim.unavailable.1.r9.x')).toMatchObject({ headers: { 'retry-after': '9' } });
  });

  it.each([
    ['html', '<html'],
    ['half', '"error"'],
    ['empty', '{}'],
  ])('can be answered %s', async (kind, text) => {
    expect((await push(`sim.answer.200.${kind}.x`)).body).toContain(text);
    expect(simulator.ledger.summary().accepted).toBe(0);
  });

  it('can be reset, refused, and left behind by a GOAWAY', async () => {
    expect(await push('sim.reset.x')).toMatchObject({ status: 0, rst: 8 });
    expect(await push('sim.refuse.x')).toMatchObject({ status: 0, rst: 7 });
    const gone = once(session, 'goaway');
    expect(await push('sim.goaway.x')).toMatchObject({ status: 0, rst: 7 });
    await gone;
  });
});

describe('faults by chance', () => {
  it('hit only tokens that ask for nothing', async () => {
    simulator.behave({ provider: 'fcm', faults: { unavailable: 1 } });
    expect(summary(await push('abc'))).toBe('503 UNAVAILABLE UNAVAILABLE');
    expect(summary(await push('sim.unregistered.1'))).toBe('404 NOT_FOUND UNREGISTERED');
    simulator.behave({ faults: { unavailable: 0 } });
    expect(await push('abc')).toMatchObject({ status: 200 });
  });
});
