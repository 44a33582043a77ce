import { describe, expect, it } from '@jest/globals';
import { FAILURES } from './errors.js';
import type { Outcome } from './outcome.js';
import { defaultRetryPolicy, type RetryPolicy } from './retry-policy.js';
import { cleanText, describeAttempt, settle, timeIsUp, type PushState } from './settle.js';

const now = new Date('2026-04-20T14:22:00Z');
const inMs = (ms: number) => new Date(now.getTime() + ms);
const push = (over: Partial<PushState> = {}): PushState => ({
  attemptCount: 0,
  unknownCount: 0,
  wasBlamed: false,
  firstAttemptAt: null,
  expiresAt: inMs(86_400_000),
  immediate: false,
  ...over,
});
const run = (outcome: Outcome, over: Partial<PushState> = {}, policy: Partial<RetryPolicy> = {}) =>
  settle(push(over), outcome, { ...defaultRetryPolicy, ...policy }, now, () => 0.5);
const answer = { status: 503, reason: 'UNAVAILABLE', message: 'try later' };
const backoff = { leastMs: 0, baseMs: 10_000, capMs: 60_000 };
const retry: Outcome = { kind: 'retry', scope: 'device', backoff, ...answer };
const unknown: Outcome = { kind: 'unknown', reason: 'deadline', message: '' };
const code = (name: keyof typeof FAILURES) => FAILURES[name].code;

describe('settle', () => {
  it('sends', () => {
    const next = run({ kind: 'accepted', providerMessageId: 'projects/p/messages/1' });
    expect(next).toMatchObject({ to: 'SENT', counted: true, error: null, retire: null });
    expect(next.providerMessageId).toBe('projects/p/messages/1');
  });

  it.each<[Outcome, keyof typeof FAILURES]>([
    [{ kind: 'unregistered', ...answer }, 'UNREGISTERED'],
    [{ kind: 'invalid-token', ...answer }, 'INVALID_TOKEN'],
    [{ kind: 'payload', ...answer }, 'PAYLOAD_REJECTED'],
    [{ kind: 'payload', failure: 'PAYLOAD_TOO_LARGE', ...answer }, 'PAYLOAD_TOO_LARGE'],
    [{ kind: 'payload', failure: 'THIRD_PARTY_AUTH', ...answer }, 'THIRD_PARTY_AUTH'],
  ])('fails for good on %j', (outcome, failure) => {
    const next = run(outcome);
    expect(next).toMatchObject({ to: 'FAILED', counted: true, error: { code: code(failure) } });
    expect(next.error?.message).toContain('(503 UNAVAILABLE: try later)');
  });

  it('counts no attempt for what was refused before anything was sent', () => {
    const own: Outcome = { kind: 'payload', reason: 'payload-too-large', message: '' };
    expect(run(own)).toMatchObject({ to: 'FAILED', counted: false });
    expect(run({ kind: 'payload', ...answer }).counted).toBe(true);
  });

  it('retires a token on unregistered only, with the instant that the provider gave', () => {
    expect(run({ kind: 'unregistered', ...answer, since: inMs(-1) }).retire).toEqual({
      since: inMs(-1),
    });
    expect(run({ kind: 'invalid-token', ...answer }).retire).toBeNull();
  });

  it('backs off by the counted attempts when the provider names no time', () => {
    expect(run(retry)).toMatchObject({ to: 'QUEUED', dueInMs: 5_000, counted: true });
    expect(run(retry, { attemptCount: 2 }).dueInMs).toBe(20_000);
    expect(run(retry, { attemptCount: 9 }).dueInMs).toBe(30_000);
  });

  it('never comes before the first interval that the provider names', () => {
    const named = { leastMs: 10_000, baseMs: 10_000, capMs: 60_000 };
    const outcome: Outcome = { ...retry, backoff: named };
    const soonest = (attemptCount: number) =>
      settle(push({ attemptCount }), outcome, defaultRetryPolicy, now, () => 0).dueInMs;
    expect([0, 1, 9].map(soonest)).toEqual([10_000, 10_000, 10_000]);
    expect(run(outcome).dueInMs).toBe(15_000);
    expect(run(outcome, { attemptCount: 9 }).dueInMs).toBe(35_000);
  });

  it('sends again at once only once', () => {
    expect(run({ ...retry, afterMs: 0 }).dueInMs).toBe(0);
    expect(run({ ...retry, afterMs: 0 }, { attemptCount: 1 }).dueInMs).toBe(10_000);
    expect(run({ ...retry, afterMs: 0 }, { attemptCount: 10 }).dueInMs).toBe(30_000);
  });

  it('obeys Retry-After, a little later', () => {
    expect(run({ ...retry, afterMs: 7_000 }).dueInMs).toBe(7_700);
  });

  it('pauses the credential on its own fault and on a credential-wide wait', () => {
    expect(run({ ...retry, scope: 'credential' }).pause).toEqual({
      kind: 'slowed',
      afterMs: null,
      backoff,
      jitter: 0.5,
      reason: '(503 UNAVAILABLE: try later)',
    });
    expect(run({ ...retry, scope: 'credential', afterMs: 7_000 }).pause?.afterMs).toBe(7_700);
    expect(run(retry).pause).toBeNull();
    const refused = run({ kind: 'credential', ...answer });
    expect(refused).toMatchObject({ to: 'QUEUED', counted: false, dueInMs: 0 });
    expect(refused.pause).toMatchObject({ kind: 'refused', afterMs: null });
  });

  it('lets a push that may be to blame itself wait alone', () => {
    const next = run({ kind: 'credential', suspect: true, ...answer });
    expect(next).toMatchObject({ to: 'QUEUED', counted: false, dueInMs: 60_000, pause: null });
  });

  it('burns no attempt when nothing was sent', () => {
    const next = run({ kind: 'not-sent', reason: 'refused', message: '', afterMs: 250 });
    expect(next).toMatchObject({ to: 'QUEUED', counted: false, dueInMs: 250 });
  });

  it('sends again after an unknown outcome, three times at most', () => {
    expect(run(unknown)).toMatchObject({ to: 'QUEUED', counted: true, unknown: true });
    expect(run(unknown, { unknownCount: 1 }).to).toBe('QUEUED');
    const third = run(unknown, { unknownCount: 2 });
    expect(third).toMatchObject({ to: 'FAILED', error: { code: code('OUTCOME_UNKNOWN') } });
  });

  it.each(['RST_PROTOCOL_ERROR', 'RST_INTERNAL_ERROR'])(
    'fails a push that %s comes for after it was blamed before',
    (reason) => {
      const blamed: Outcome = { kind: 'unknown', reason, message: '' };
      expect(run(blamed, { unknownCount: 0 }).to).toBe('QUEUED');
      expect(run(blamed, { unknownCount: 1, wasBlamed: true })).toMatchObject({
        to: 'FAILED',
        unknown: true,
        error: { code: code('OUTCOME_UNKNOWN') },
      });
      // Another kind of loss says nothing about the push.
      expect(run(unknown, { unknownCount: 1, wasBlamed: true }).to).toBe('QUEUED');
      expect(run(blamed, { unknownCount: 1 }).to).toBe('QUEUED');
    },
  );

  it('never sends again after an unknown outcome when the operator chose at-most-once', () => {
    expect(run(unknown, {}, { unknown: 'at-most-once' })).toMatchObject({
      to: 'FAILED',
      error: { code: code('OUTCOME_UNKNOWN') },
    });
  });

  it('ends retries at the expiry of the push', () => {
    const next = run(retry, { expiresAt: inMs(5_000) });
    expect(next).toMatchObject({ to: 'FAILED', error: { code: code('EXPIRED') } });
    expect(run(retry, { expiresAt: inMs(5_001) }).to).toBe('QUEUED');
  });

  it('ends retries with the retry window after the first attempt, pauses included', () => {
    const old = { firstAttemptAt: inMs(-86_400_000), expiresAt: inMs(999_999_999) };
    expect(run(retry, old)).toMatchObject({
      to: 'FAILED',
      error: { code: code('RETRIES_EXHAUSTED') },
    });
    expect(run({ kind: 'credential', ...answer }, old)).toMatchObject({
      to: 'FAILED',
      counted: false,
      error: { code: code('CREDENTIAL_REJECTED') },
    });
  });

  it('counts no attempt when the failure came before the push had left', () => {
    const early: Outcome = { ...retry, scope: 'credential', unsent: true };
    expect(run(early)).toMatchObject({
      to: 'QUEUED',
      counted: false,
      dueInMs: 5_000,
      // Its provider never wanted less of it.
      pause: { kind: 'held', afterMs: null, backoff, jitter: 0.5 },
    });
    const refused: Outcome = { kind: 'credential', ...answer, unsent: true };
    const immediate = { immediate: true, expiresAt: inMs(-1_000) };
    for (const outcome of [early, refused]) {
      expect(run(outcome, immediate)).toMatchObject({ to: 'QUEUED', counted: false });
      const old = { ...immediate, firstAttemptAt: inMs(-86_400_000) };
      expect(run(outcome, old)).toMatchObject({ to: 'FAILED', counted: false });
      // One with a time to live ends with it, all the same.
      expect(run(outcome, { expiresAt: now })).toMatchObject({
        to: 'FAILED',
        counted: false,
        error: { code: code('EXPIRED') },
      });
    }
    // An answer about the push itself is its one attempt.
    expect(run({ kind: 'credential', ...answer }, immediate).to).toBe('FAILED');
  });

  it('gives an immediate push exactly one attempt, whenever its turn comes', () => {
    const immediate = { immediate: true, expiresAt: inMs(-1_000) };
    expect(run(retry, immediate)).toMatchObject({ to: 'FAILED', error: { code: code('EXPIRED') } });
    const notSent: Outcome = { kind: 'not-sent', reason: 'no slot', message: '', afterMs: 50 };
    expect(run(notSent, immediate).to).toBe('QUEUED');
    const old = { ...immediate, firstAttemptAt: inMs(-86_400_000) };
    expect(run(notSent, old)).toMatchObject({
      to: 'FAILED',
      counted: false,
      error: { code: code('RETRIES_EXHAUSTED') },
    });
    expect(timeIsUp(push(immediate), defaultRetryPolicy, now)).toBeNull();
  });
});

describe('timeIsUp', () => {
  const up = (over: Partial<PushState>) => timeIsUp(push(over), defaultRetryPolicy, now);

  it('counts the very instant of the expiry as over, and no attempt', () => {
    expect(up({ expiresAt: now })).toMatchObject({
      to: 'FAILED',
      counted: false,
      error: { code: code('EXPIRED') },
    });
    expect(up({ expiresAt: inMs(1) })).toBeNull();
  });

  it('ends what has waited past its retry window', () => {
    const late = { firstAttemptAt: inMs(-86_400_000), expiresAt: inMs(1_000) };
    expect(up(late)).toMatchObject({ to: 'FAILED', error: { code: code('RETRIES_EXHAUSTED') } });
    expect(up({ ...late, firstAttemptAt: inMs(-86_399_999) })).toBeNull();
    expect(up({ ...late, firstAttemptAt: null })).toBeNull();
  });
});

describe('cleanText', () => {
  it('leaves nothing that PostgreSQL refuses', () => {
    expect(cleanText('a\0b\ud800c')).toBe('ab\ufffdc');
    expect(cleanText('x'.repeat(900))).toHaveLength(500);
    expect(cleanText('y'.repeat(499) + '😀').isWellFormed()).toBe(true);
  });
});

describe('describeAttempt', () => {
  it("keeps the provider's words and the latency, never more", () => {
    expect(describeAttempt(retry, run(retry), now, 12.6)).toEqual({
      at: '2026-04-20T14:22:00.000Z',
      outcome: 'retry',
      status: 503,
      reason: 'UNAVAILABLE',
      message: 'try later',
      latencyMs: 13,
      counted: true,
    });
  });
});
