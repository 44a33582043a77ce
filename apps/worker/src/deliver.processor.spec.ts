import { describe, expect, it } from '@jest/globals';
import { defaultRetryPolicy, FAILURES, newId, type Outcome, type RetryOutcome } from '@app/domain';
import type { ClaimedPush, NotClaimed, PushSettlement } from '@app/persistence';
import type { Claim } from './claims.js';
import { DeliverProcessor } from './deliver.processor.js';
import type { Prepared } from './sender.js';

const now = new Date('2026-04-20T14:22:00Z');
const dispatchedAt = new Date('2026-04-20T14:21:59Z');
const claimed = (over: Partial<ClaimedPush> = {}): ClaimedPush => ({
  id: newId(),
  accountId: newId(),
  operationId: newId(),
  provider: 'FCM',
  credentialId: newId(),
  token: 'token',
  variables: null,
  lease: 4,
  leaseLost: false,
  attemptCount: 0,
  unknownCount: 0,
  wasBlamed: false,
  firstAttemptAt: null,
  probing: false,
  expiresAt: new Date(now.getTime() + 3_600_000),
  claimedAt: now,
  waitedMs: 0,
  isCanceled: false,
  ...over,
});

const said = (status: number, reason = 'INVALID_ARGUMENT') => ({ status, reason, message: '' });
/** Of this device alone. */
const retry = (status: number, reason: string): RetryOutcome => ({
  kind: 'retry',
  scope: 'device',
  backoff: { leastMs: 0, baseMs: 10_000, capMs: 60_000 },
  ...said(status, reason),
});

const accepted: Outcome = { kind: 'accepted', providerMessageId: 'm-1' };

interface Given {
  push?: Partial<ClaimedPush>;
  claim?: NotClaimed | Error;
  prepared?: Partial<Prepared> | Error;
  outcome?: Outcome;
  /** The pause that the settlement asks for has begun. */
  paused?: boolean;
  /** Its operation was canceled while it was in flight. */
  canceled?: boolean;
  /** What the monotonic clock says when the push is ready; the claim is good before 100. */
  readyAtMs?: number;
  /** How far the worker's own clock is ahead of the database's. */
  aheadMs?: number;
  dispatchedAt?: Date;
  wentFirst?: boolean;
  /** What the registration makes of the outcome. */
  heed?: (outcome: Outcome) => Outcome;
}

async function deliver(given: Given = {}) {
  const committed: PushSettlement[] = [];
  const retired: unknown[] = [];
  const firstTried: number[] = [];
  const sentAt: Date[] = [];
  const push = claimed(given.push);
  const claim: Claim = { state: 'claimed', push, sendBefore: 100, answeredAt: 0 };
  const send = (at: Date) => {
    sentAt.push(at);
    return Promise.resolve(given.outcome ?? accepted);
  };
  const workerNow = new Date(now.getTime() + (given.aheadMs ?? 0));
  const processor = new DeliverProcessor(
    {
      take: () =>
        given.claim instanceof Error
          ? Promise.reject(given.claim)
          : Promise.resolve(given.claim ?? claim),
    },
    {
      prepare: () =>
        given.prepared instanceof Error
          ? Promise.reject(given.prepared)
          : Promise.resolve({
              state: 'ready',
              immediate: false,
              version: 3,
              isScheduled: false,
              send,
              ...given.prepared,
            } as Prepared),
    },
    {
      commit: (settlement) => {
        committed.push(settlement);
        return Promise.resolve({
          changed: true,
          canceled: given.canceled ?? false,
          paused: given.paused ?? false,
        });
      },
    },
    {
      policy: defaultRetryPolicy,
      clock: { now: () => workerNow },
      random: () => 0.5,
      monotonicMs: () => given.readyAtMs ?? 0,
      deadTokens: {
        heed: (_, outcome) => Promise.resolve(given.heed?.(outcome) ?? outcome),
        // After the commit: a retirement never comes before what the caller sees.
        retire: ({ token }, { since }) => retired.push([token, since, committed.length]),
      },
      onFirstTried: (lateMs) => void firstTried.push(lateMs),
      logger: { warn: () => undefined },
    },
  );
  const comeBackAt = await processor.deliver(
    push.id,
    given.dispatchedAt ?? dispatchedAt,
    given.wentFirst ?? false,
  );
  return {
    comeBackInMs: comeBackAt === undefined ? undefined : comeBackAt.getTime() - workerNow.getTime(),
    settlement: committed[0],
    committed: committed.length,
    sends: sentAt.length,
    sentAt: sentAt[0],
    firstTried,
    retired,
  };
}

describe('DeliverProcessor', () => {
  it('claims, sends and settles', async () => {
    const { settlement, sends, comeBackInMs } = await deliver();
    expect(settlement).toMatchObject({
      lease: 4,
      to: 'SENT',
      providerMessageId: 'm-1',
      countedAttempts: 1,
      attempts: [{ outcome: 'accepted', counted: true }],
      dispatchedAt,
    });
    expect([sends, comeBackInMs]).toEqual([1, undefined]);
  });

  it('tells how late a push is tried first that was put before others', async () => {
    const given = { wentFirst: true, push: { lease: 1, waitedMs: 250 }, readyAtMs: 20 };
    expect((await deliver(given)).firstTried).toEqual([270]);
    // Tried before or scheduled, it has waited for other reasons; and nobody said that the others should be quick.
    const others = [
      { push: { ...given.push, lease: 2 } },
      { prepared: { isScheduled: true } },
      { wentFirst: false },
    ];
    for (const other of others)
      expect((await deliver({ ...given, ...other })).firstTried).toEqual([]);
  });

  it('was handed over before it was claimed, also by a clock that was read a moment off', async () => {
    const later = new Date(now.getTime() + 400);
    const { settlement } = await deliver({ dispatchedAt: later });
    expect(settlement?.dispatchedAt).toEqual(now);
  });

  it('ends the job of a push that is over, and sends nothing', async () => {
    expect(await deliver({ claim: { state: 'over' } })).toMatchObject({
      sends: 0,
      committed: 0,
      comeBackInMs: undefined,
    });
  });

  it('comes back when a push is not due or its lease is live', async () => {
    const { comeBackInMs, sends } = await deliver({ claim: { state: 'wait', waitMs: 7_000 } });
    expect([comeBackInMs, sends]).toEqual([7_000, 0]);
  });

  it('comes back when the claim cannot be asked for', async () => {
    const { comeBackInMs, committed } = await deliver({ claim: new Error('away') });
    expect([comeBackInMs, committed]).toEqual([1_000, 0]);
  });

  it('comes back for a retry when it is due', async () => {
    const { settlement, comeBackInMs } = await deliver({ outcome: retry(500, 'INTERNAL') });
    expect(settlement).toMatchObject({ to: 'QUEUED', dueInMs: 5_000, countedAttempts: 1 });
    expect(comeBackInMs).toBe(5_000);
  });

  it('leaves no job of a push that was canceled instead of coming back', async () => {
    const { settlement, comeBackInMs } = await deliver({
      outcome: retry(500, 'INTERNAL'),
      canceled: true,
    });
    expect([settlement?.to, comeBackInMs]).toEqual(['QUEUED', undefined]);
  });

  it('leaves no job of a push behind a pause, and asks for the pause', async () => {
    const outcome: Outcome = { ...retry(503, 'UNAVAILABLE'), scope: 'credential' };
    const waiting = await deliver({ outcome, paused: true });
    expect(waiting.settlement?.pause).toMatchObject({ kind: 'slowed', version: 3, jitter: 0.5 });
    expect(waiting.comeBackInMs).toBeUndefined();
    // The secret that was refused is an older one: it is tried again with the new one.
    expect((await deliver({ outcome, paused: false })).comeBackInMs).toBe(5_000);
  });

  it.each<[string, Given, PushSettlement['probe']]>([
    ['accepted', {}, 'works'],
    [
      'an answer about the push alone',
      { outcome: { kind: 'payload', status: 400, reason: 'INVALID_ARGUMENT', message: '' } },
      'works',
    ],
    [
      'refused again',
      { outcome: { kind: 'credential', status: 403, reason: 'PERMISSION_DENIED', message: '' } },
      'refused',
    ],
    [
      'an answer that may be about the push alone',
      {
        outcome: {
          kind: 'credential',
          suspect: true,
          status: 400,
          reason: 'BadTopic',
          message: '',
        },
      },
      'unclear',
    ],
    ['a dead token', { outcome: { kind: 'unregistered', ...said(404, 'UNREGISTERED') } }, 'works'],
    ['a wrong token', { outcome: { kind: 'invalid-token', ...said(400) } }, 'works'],
    ['the limit of its device', { outcome: retry(429, 'QUOTA_EXCEEDED') }, 'works'],
    ['a server in trouble', { outcome: retry(500, 'INTERNAL') }, 'unclear'],
    ['a gateway in trouble', { outcome: retry(502, 'HTTP 502 without a reason') }, 'unclear'],
    ['a server that goes', { outcome: { ...retry(503, 'Shutdown'), afterMs: 0 } }, 'unclear'],
    [
      'a connection that goes',
      { outcome: { ...retry(400, 'IdleTimeout'), afterMs: 0 } },
      'unclear',
    ],
    ['an answer nobody understands', { outcome: { kind: 'unknown', ...said(200) } }, 'unclear'],
    ['no answer', { outcome: { kind: 'unknown', reason: 'deadline', message: '' } }, 'unclear'],
    [
      'never connected',
      { outcome: { kind: 'not-sent', reason: 'connect-failed', message: '', afterMs: 1 } },
      'unclear',
    ],
    [
      'refused by ourselves',
      { outcome: { kind: 'payload', reason: 'override', message: '' } },
      'unclear',
    ],
    ['expired', { push: { expiresAt: new Date(now.getTime() - 1) } }, 'unclear'],
    ['a deleted credential', { prepared: { state: 'no-credential' } }, 'works'],
  ])('says of a probe what its credential is worth: %s', async (_what, given, probe) => {
    const probing = await deliver({ ...given, push: { ...given.push, probing: true } });
    expect(probing.settlement?.probe).toBe(probe);
    expect((await deliver(given)).settlement?.probe).toBeNull();
  });

  it('gives the claim back, without an attempt, when its lease is too old to send', async () => {
    const { settlement, sends, comeBackInMs } = await deliver({ readyAtMs: 100 });
    expect(settlement).toMatchObject({ to: 'QUEUED', countedAttempts: 0, attempts: [] });
    expect([sends, comeBackInMs]).toEqual([0, 0]);
  });

  it('gives the claim back when it cannot be prepared', async () => {
    const { settlement, sends } = await deliver({ prepared: new Error('database away') });
    expect(settlement).toMatchObject({ to: 'QUEUED', dueInMs: 5_000, countedAttempts: 0 });
    expect(sends).toBe(0);
  });

  it.each([
    ['has only one attempt, which waits for its turn', 0],
    ['has expired: the sweep ends it', -60_000],
  ])('sends nothing and ends nothing that cannot be prepared and %s', async (_what, inMs) => {
    const { settlement, sends } = await deliver({
      prepared: new Error('the secret does not open'),
      push: { expiresAt: new Date(now.getTime() + inMs) },
    });
    expect(settlement).toMatchObject({
      to: 'QUEUED',
      dueInMs: 5_000,
      countedAttempts: 0,
      attempts: [],
    });
    expect(sends).toBe(0);
  });

  it('takes a send that throws for unknown: the request may have left', async () => {
    const send = () => Promise.reject(new Error('a fault of the adapter'));
    const { settlement } = await deliver({ prepared: { send } });
    expect(settlement).toMatchObject({ to: 'QUEUED', countedAttempts: 1, unknownAttempts: 1 });
  });

  it('sends again after a lost lease and keeps both tries', async () => {
    const { settlement, sends } = await deliver({ push: { leaseLost: true } });
    expect(settlement).toMatchObject({ to: 'SENT', countedAttempts: 2, unknownAttempts: 1 });
    expect(settlement?.attempts.map(({ outcome }) => outcome)).toEqual(['unknown', 'accepted']);
    expect(sends).toBe(1);
  });

  it('does not send again after a lost lease what was canceled meanwhile', async () => {
    const { settlement, sends } = await deliver({ push: { leaseLost: true, isCanceled: true } });
    expect(settlement).toMatchObject({ to: 'QUEUED', unknownAttempts: 1, countedAttempts: 1 });
    expect(sends).toBe(0);
  });

  it('gives up a push that broke the connection before', async () => {
    const { settlement } = await deliver({
      push: { unknownCount: 1, wasBlamed: true },
      outcome: { kind: 'unknown', reason: 'RST_PROTOCOL_ERROR', message: '' },
    });
    expect(settlement).toMatchObject({ to: 'FAILED', unknownAttempts: 1 });
  });

  it('gives up after the third unknown outcome', async () => {
    const { settlement, sends } = await deliver({ push: { leaseLost: true, unknownCount: 2 } });
    expect(settlement).toMatchObject({ to: 'FAILED', errorCode: FAILURES.OUTCOME_UNKNOWN.code });
    expect(sends).toBe(0);
  });

  it('never gives an immediate push a second attempt after a lost lease', async () => {
    const { settlement, sends } = await deliver({
      push: { leaseLost: true },
      prepared: { immediate: true },
    });
    expect([settlement?.to, sends]).toEqual(['FAILED', 0]);
  });

  it('counts a lost lease also when it cannot prepare', async () => {
    const { settlement } = await deliver({
      push: { leaseLost: true },
      prepared: new Error('database away'),
    });
    expect(settlement).toMatchObject({ to: 'QUEUED', unknownAttempts: 1 });
    const last = await deliver({
      push: { leaseLost: true, unknownCount: 2 },
      prepared: new Error('database away'),
    });
    expect(last.settlement?.errorCode).toBe(FAILURES.OUTCOME_UNKNOWN.code);
  });

  it('fails a push that has expired, unless it waits for its only attempt', async () => {
    const push = { expiresAt: new Date(now.getTime() - 1) };
    const late = await deliver({ push });
    expect(late.settlement).toMatchObject({
      to: 'FAILED',
      errorCode: FAILURES.EXPIRED.code,
      countedAttempts: 0,
    });
    expect((await deliver({ push, prepared: { immediate: true } })).settlement?.to).toBe('SENT');
  });

  it.each([3_600_000, -3_600_000])(
    'judges time by the database’s clock when the worker’s is wrong by %i ms',
    async (aheadMs) => {
      const push = { expiresAt: new Date(now.getTime() + 60_000), firstAttemptAt: now };
      const { settlement, sentAt } = await deliver({ aheadMs, push, readyAtMs: 50 });
      expect(settlement?.to).toBe('SENT');
      // What is left of its time to live on the wire.
      expect(sentAt).toEqual(new Date(now.getTime() + 50));
      expect(settlement?.attempts[0]?.at).toBe('2026-04-20T14:22:00.050Z');
      const outcome: Outcome = { kind: 'not-sent', reason: 'no-slot', message: '', afterMs: 1_000 };
      expect(await deliver({ aheadMs, push, outcome })).toMatchObject({
        settlement: { to: 'QUEUED' },
        comeBackInMs: 1_000,
      });
      const over = await deliver({ aheadMs, push: { expiresAt: new Date(now.getTime() - 1) } });
      expect(over.settlement?.errorCode).toBe(FAILURES.EXPIRED.code);
      // Its minute passes between the claim and the send.
      const late = await deliver({
        aheadMs,
        push: { expiresAt: new Date(now.getTime() + 40) },
        readyAtMs: 50,
      });
      expect(late.settlement?.errorCode).toBe(FAILURES.EXPIRED.code);
    },
  );

  it('has a dead token retired, and no other', async () => {
    const since = new Date(now.getTime() - 1_000);
    const outcome: Outcome = {
      kind: 'unregistered',
      status: 410,
      reason: 'Unregistered',
      message: '',
      since,
    };
    const { settlement, retired } = await deliver({ outcome });
    expect(settlement?.errorCode).toBe(FAILURES.UNREGISTERED.code);
    expect(retired).toEqual([['token', since, 1]]);
    expect((await deliver()).retired).toEqual([]);

    const heed = (said: Outcome): Outcome => ({ ...said, kind: 'invalid-token' }) as Outcome;
    const young = await deliver({ outcome, heed });
    expect(young.settlement?.errorCode).toBe(FAILURES.INVALID_TOKEN.code);
    expect(young.retired).toEqual([]);
  });

  it('fails what waits for a deleted credential with a code of its own', async () => {
    const { settlement, sends } = await deliver({ prepared: { state: 'no-credential' } });
    expect(settlement?.errorCode).toBe(FAILURES.CREDENTIAL_DELETED.code);
    expect(sends).toBe(0);
  });

  it('fails a push whose template does not render', async () => {
    const outcome: Outcome = {
      kind: 'payload',
      failure: 'LIQUID_RENDER',
      reason: 'render',
      message: 'the output is longer than 4096 characters',
    };
    const { settlement, sends } = await deliver({ prepared: { state: 'refused', outcome } });
    expect(settlement?.errorCode).toBe(FAILURES.LIQUID_RENDER.code);
    expect(sends).toBe(0);
  });
});
