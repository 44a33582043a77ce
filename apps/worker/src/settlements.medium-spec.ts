import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  defaultRetryPolicy,
  FAILURES,
  newId,
  systemClock,
  type Outcome,
  type Uuid,
} from '@app/domain';
import type { NewOperation, Probe } from '@app/persistence';
import { settlementOf, Store, type Tenant } from '../../../libs/persistence/src/testing.js';
import { DatabaseLink } from '../../../test/support/database-link.js';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { Admission } from './admission.js';
import { Claims } from './claims.js';
import { DeliverProcessor } from './deliver.processor.js';
import { Settlements } from './settlements.js';

let store: TestStore;
let tenant: Tenant;
const link = new DatabaseLink();
/** The worker's way to the database; the test's own is not cut. */
let worker: Store;

beforeAll(async () => {
  store = await createTestStore();
  worker = new Store(await link.through(store.database.appUrl));
});

afterAll(async () => {
  await worker?.db.close();
  await link.close();
  await store?.drop();
});

beforeEach(async () => {
  tenant = await store.tenant();
});

const logger = { warn: () => undefined, error: () => undefined };
/** Exactly one attempt each. */
const ONCE: NewOperation['settings'] = {
  content: { title: 'Hi', body: 'Hello' },
  priority: 'HIGH',
  sound: null,
  ttlSeconds: 0,
  collapseKey: null,
  badge: null,
  overrides: null,
};

/** A worker's processor over the wire, with a provider of the test's. */
function processorOf(
  { send, immediate = false }: { send: () => Promise<Outcome>; immediate?: boolean },
  onFailing: (failing: boolean) => void = () => undefined,
): DeliverProcessor {
  return new DeliverProcessor(
    new Claims(
      worker.deliveries,
      { leaseMs: 60_000, requestTimeoutMs: 1_000, leaseMarginMs: 1_000 },
      logger,
    ),
    {
      prepare: () =>
        Promise.resolve({ state: 'ready', immediate, version: 1, isScheduled: false, send }),
    },
    new Settlements(worker.deliveries, { onFailing, logger }),
    {
      policy: defaultRetryPolicy,
      clock: systemClock,
      random: () => 0.5,
      monotonicMs: () => performance.now(),
      deadTokens: { heed: (_, said) => Promise.resolve(said), retire: () => undefined },
      onFirstTried: () => undefined,
      logger,
    },
  );
}

const stats = async (id: Uuid) => (await store.operations.find(tenant.accountId, id))!.stats;

describe('a settlement', () => {
  it('whose COMMIT is answered into nowhere is repeated, and counts once', async () => {
    const id = await store.accept(tenant, 3);
    await store.dispatchAll('small');
    const [a, b, c] = await store.claim(await store.idsOf(id));
    const failing: boolean[] = [];
    const settlements = new Settlements(worker.deliveries, {
      onFailing: (is) => failing.push(is),
      logger,
    });
    const lost = link.loseAnswerTo('COMMIT');
    const committed = await Promise.all([
      settlements.commit(settlementOf(a!)),
      settlements.commit(settlementOf(b!, { to: 'FAILED', errorCode: 71001 })),
      settlements.commit(settlementOf(c!, { to: 'QUEUED', dueInMs: 60_000 })),
    ]);
    await lost;
    // The first commit did it all, so the repetition finds nothing to change.
    expect(committed.map(({ changed }) => changed)).toEqual([false, false, false]);
    expect(failing).toEqual([true, false]);
    expect(await stats(id)).toMatchObject({ sent: 1, failed: 1, queued: 1 });
    expect(await store.outstanding(tenant.fcm)).toBe(1);
    const found = await store.pushes.find(tenant.accountId, a!.id);
    expect(found?.push).toMatchObject({ status: 'SENT', attempts: 1 });
    expect(found?.history.attempts).toHaveLength(1);
    expect(await store.discrepancies()).toEqual([]);
  });

  it('of a probe whose COMMIT is answered into nowhere ends the pause of its credential', async () => {
    await store.accept(tenant, 1);
    await store.db.query(
      `UPDATE credential_windows SET paused_until = now() - interval '1 second' WHERE credential_id = $1`,
      [tenant.fcm],
    );
    const probe = await store.admissions.beginProbe(tenant.fcm, 60_000);
    const [claim] = await store.claim([(probe as Probe).id]);
    let resumed = 0;
    const admission = new Admission(worker.admissions, {
      workerId: newId(),
      slots: 1,
      intervalMs: 60_000,
      probeTimeoutMs: 60_000,
      startWindow: 500,
      handOver: () => Promise.resolve(),
      onResumed: () => resumed++,
      logger: { ...logger, info: () => undefined },
    });
    const settlements = new Settlements(worker.deliveries, {
      onFailing: () => undefined,
      onCommitted: (batch, { changed }, repeated) =>
        admission.onCommitted(batch, changed, repeated),
      logger,
    });
    const lost = link.loseAnswerTo('COMMIT');
    const { changed } = await settlements.commit(settlementOf(claim!, { probe: 'works' }));
    await lost;
    await admission.drain();
    expect({ changed, resumed }).toEqual({ changed: false, resumed: 1 });
    expect(
      await store.db.query(
        'SELECT paused_until, probe FROM credential_windows WHERE credential_id = $1',
        [tenant.fcm],
      ),
    ).toEqual([{ paused_until: null, probe: null }]);
  });

  it('whose COMMIT never arrives is repeated until it is there', async () => {
    const id = await store.accept(tenant, 1);
    await store.dispatchAll('small');
    const [claim] = await store.claim(await store.idsOf(id));
    const settlements = new Settlements(worker.deliveries, { onFailing: () => undefined, logger });
    // The request is swallowed; cutting the wire afterwards is the only news of it.
    void link.seen('COMMIT').then(async () => {
      await link.cut();
      await link.mend();
    });
    expect(await settlements.commit(settlementOf(claim!))).toMatchObject({ changed: true });
    expect(await stats(id)).toMatchObject({ sent: 1, queued: 0 });
    expect(await store.discrepancies()).toEqual([]);
  });
});

describe('what a provider says', () => {
  it.each<[string, Outcome, object]>([
    [
      'a retry',
      {
        kind: 'retry',
        scope: 'device',
        backoff: { leastMs: 0, baseMs: 60_000, capMs: 60_000 },
        status: 500,
        reason: 'Inter\0nal',
        message: 'a NUL \0 and half a pair \ud800',
      },
      { status: 'QUEUED', error: null },
    ],
    [
      'a refusal',
      { kind: 'payload', status: 400, reason: 'Bad\0Topic', message: '\0\0' },
      {
        status: 'FAILED',
        error: { code: FAILURES.PAYLOAD_REJECTED.code, message: expect.stringMatching(/BadTopic/) },
      },
    ],
    [
      'an acceptance',
      { kind: 'accepted', providerMessageId: 'projects/p/\0messages/1' },
      { status: 'SENT', providerMessageId: 'projects/p/messages/1' },
    ],
  ])('with a NUL in %s holds nothing up, and is kept without it', async (_, outcome, expected) => {
    const id = await store.accept(tenant, 1);
    await store.dispatchAll('small');
    const [pushId] = (await store.idsOf(id)) as [Uuid];
    const failing: boolean[] = [];
    const processor = processorOf({ send: () => Promise.resolve(outcome) }, (is) =>
      failing.push(is),
    );
    await processor.deliver(pushId, new Date(), false);
    expect(failing).toEqual([]);
    const found = await store.pushes.find(tenant.accountId, pushId);
    expect(found?.push).toMatchObject(expected);
    const [attempt] = found!.history.attempts;
    expect(JSON.stringify(attempt)).not.toContain('\\u0000');
    expect(await store.discrepancies()).toEqual([]);
  });
});

describe('a claim whose answer is lost', () => {
  it('is taken back by the worker that asked: no unknown attempt, one send', async () => {
    const id = await store.accept(tenant, 1, { settings: ONCE });
    await store.dispatchAll('small');
    const [pushId] = (await store.idsOf(id)) as [Uuid];
    let sends = 0;
    const processor = processorOf({
      immediate: true,
      send: () => {
        sends++;
        return Promise.resolve({ kind: 'accepted', providerMessageId: 'm' });
      },
    });
    // The name of the statement as it is bound: its text is sent once a connection.
    const lost = link.loseAnswerTo('\0claim\0');
    expect(await processor.deliver(pushId, new Date(), false)).toBeUndefined();
    await lost;
    expect(sends).toBe(1);
    const [row] = await store.db.query(
      'SELECT status, lease, lease_lost, attempt_count, unknown_count FROM push_notifications WHERE id = $1',
      [pushId],
    );
    expect(row).toEqual({
      status: 'SENT',
      lease: 2,
      lease_lost: false,
      attempt_count: 1,
      unknown_count: 0,
    });
    expect(await store.discrepancies()).toEqual([]);
  });
});
