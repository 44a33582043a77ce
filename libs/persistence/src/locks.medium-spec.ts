import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId, type Uuid } from '@app/domain';
import pg from 'pg';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { settlementOf, type Tenant } from './testing.js';

let store: TestStore;
let tenant: Tenant;
let other: pg.Client;

beforeAll(async () => {
  store = await createTestStore();
  other = new pg.Client({ connectionString: store.database.appUrl });
  await other.connect();
});

afterAll(async () => {
  await other?.end();
  await store?.drop();
});

beforeEach(anew);

async function anew(): Promise<void> {
  await store.db.query('DELETE FROM operation_parts');
  await store.db.query('UPDATE credential_windows SET outstanding = 0');
  tenant = await store.tenant();
}

const OPERATIONS = 3;
/** Of both providers. */
const PUSHES = 6;

const due = () => new Date(Date.now() - 1_000);

/** Operations with a part a provider each. */
async function operations(count = OPERATIONS, scheduledFor: Date | null = null): Promise<Uuid[]> {
  const pushes = Array.from({ length: PUSHES }, (_, at) => ({
    provider: at % 2 === 0 ? ('FCM' as const) : ('APN' as const),
    token: `t-${at}`,
    variables: null,
  }));
  const ids: Uuid[] = [];
  for (let n = 0; n < count; n++)
    ids.push(await store.accept(tenant, PUSHES, { scheduledFor, pushes }));
  return ids;
}

/** As a pause of both credentials, whose time is over, would be. */
const pause = () =>
  store.db.query(
    `UPDATE credential_windows SET paused_until = now() - interval '1 second' WHERE account_id = $1`,
    [tenant.accountId],
  );

/** Resolves when a transaction waits for a row of somebody else, or `work` has ended without. */
async function untilItWaits(work: Promise<unknown>): Promise<boolean> {
  let ended = false;
  const end = () => void (ended = true);
  void work.then(end, end);
  for (;;) {
    const [row] = await store.db.query<{ waits: boolean }>(
      `SELECT EXISTS (SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock') AS waits`,
    );
    if (row?.waits === true) return true;
    if (ended) return false;
  }
}

const PARTS = `
SELECT operation_id, provider FROM operation_parts WHERE account_id = $1 ORDER BY credential_id, operation_id`;
const LOCK_PART =
  'SELECT FROM operation_parts WHERE operation_id = $1 AND provider = $2 FOR UPDATE';

/**
 * Has somebody else, as a turn of dispatch does, take a part and, once `work` waits for that, all that come after it
 * in the order of the house: whoever came by one of those first has deadlocked with it.
 *
 * @returns whether `work` has waited.
 */
async function meet(parts: readonly unknown[][], work: () => Promise<unknown>): Promise<boolean> {
  const [first, ...rest] = parts;
  await other.query('BEGIN');
  try {
    await other.query(LOCK_PART, first);
    const working = work();
    const waited = await untilItWaits(working);
    for (const part of rest) await other.query(LOCK_PART, part);
    await other.query('COMMIT');
    await working;
    return waited;
  } finally {
    await other.query('ROLLBACK');
  }
}

describe('who waits for a part has none of those that come after it', () => {
  const handedOver = async () => {
    const ids = await operations();
    return { ids, claims: await store.claim((await store.dispatchAll('small')).map((p) => p.id)) };
  };

  it.each<[string, () => Promise<() => Promise<unknown>>]>([
    [
      'the begin of what is scheduled',
      async () => {
        await operations(OPERATIONS, due());
        return () => store.schedules.beginDue(100);
      },
    ],
    [
      'dispatch',
      async () => {
        await operations();
        return () => store.dispatches.takeTurns('small', 100, () => Promise.resolve());
      },
    ],
    [
      'the rewind for a queue that lost its memory',
      async () => {
        await handedOver();
        return () => store.sweeps.rewindAll(newId());
      },
    ],
    [
      'the settlement of what is not counted',
      async () => {
        const { claims } = await handedOver();
        await store.sweeps.rewindAll(newId());
        return () => store.deliveries.settle(claims.map((claim) => settlementOf(claim)));
      },
    ],
    [
      'a cancel',
      async () => {
        const [operationId] = await operations(1);
        return () => store.cancels.cancel(tenant.accountId, { operationId: operationId! });
      },
    ],
    [
      'a redrive',
      async () => {
        const [operationId] = await operations(1);
        const claims = await store.claim((await store.dispatchAll('small')).map((p) => p.id));
        await store.settle(claims, true);
        return () => store.redrives.redrive(tenant.accountId, { operationId: operationId! });
      },
    ],
    [
      'what says that lost pushes have jobs again',
      async () => {
        const { claims } = await handedOver();
        const lost = claims.map((claim) => ({ ...claim, lane: 'small' as const }));
        return () => store.sweeps.handedOverAgain(lost);
      },
    ],
  ])('%s', async (_, prepare) => {
    for (let place = 0; ; place++) {
      const work = await prepare();
      const parts = (
        await store.db.query<{ operation_id: Uuid; provider: string }>(PARTS, [tenant.accountId])
      ).map((part) => [part.operation_id, part.provider]);
      expect(await meet(parts.slice(place), work)).toBe(true);
      if (place === parts.length - 1) break;
      await anew();
    }
  });

  it('the end of a pause', async () => {
    for (let place = 0; place < OPERATIONS; place++) {
      await handedOver();
      await pause();
      const rows = await store.db.query<{ operation_id: Uuid; provider: string }>(PARTS, [
        tenant.accountId,
      ]);
      const parts = rows
        .filter(({ provider }) => provider === 'FCM')
        .map((part) => [part.operation_id, part.provider]);
      const work = () => store.admissions.resume(tenant.fcm, null);
      expect(await meet(parts.slice(place), work)).toBe(true);
      await anew();
    }
  });
});

describe('what counts as handed over', () => {
  it.each([
    [
      'the rewind for a queue that lost its memory',
      async () => (await store.sweeps.rewindAll(newId())) !== null,
    ],
    [
      'the end of a pause',
      async () => {
        await pause();
        return (
          (await store.admissions.resume(tenant.fcm, null)) &&
          (await store.admissions.resume(tenant.apn, null))
        );
      },
    ],
  ])('is read by %s after the turn that it has waited for', async (_, rewind) => {
    await operations(1);
    // Some of each part: what nothing was handed over of is not rewound.
    await store.dispatches.takeTurns('small', 4, () => Promise.resolve());
    let rewinding: Promise<boolean> | undefined;
    let waited = false;
    await store.dispatches.takeTurns('small', 100, async () => {
      rewinding = rewind();
      waited = await untilItWaits(rewinding);
    });
    expect([waited, await rewinding]).toEqual([true, true]);
    expect(await store.discrepancies()).toEqual([]);
    expect(await store.outstanding(tenant.fcm)).toBe(0);
    // All of it comes again.
    expect(await store.dispatchAll('small')).toHaveLength(PUSHES);
  });
});
