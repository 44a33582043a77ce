import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Conflict, type Uuid } from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { settlementOf, type Tenant } from './testing.js';

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore({ window: 5_000, poolSize: 16 });
  tenant = await store.tenant();
});

afterAll(() => store?.drop());

/** The same every time: a race that fails shall fail again. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  return items
    .map((item, at) => ({ item, key: ((at + 1) * (seed * 2 + 7_919)) % 1_009 }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

const OPERATIONS = 8;
const PUSHES = 24;

/** Operations of every kind: queued, due to begin, and such as have failed before. */
async function operations(): Promise<Uuid[]> {
  const ids: Uuid[] = [];
  for (let n = 0; n < OPERATIONS; n++) {
    const scheduledFor = n % 3 === 0 ? new Date(Date.now() - 1_000) : null;
    const pushes = Array.from({ length: PUSHES }, (_, at) => ({
      provider: at % 2 === 0 ? ('FCM' as const) : ('APN' as const),
      token: `t-${at}`,
      variables: null,
    }));
    ids.push(await store.accept(tenant, PUSHES, { scheduledFor, pushes }));
  }
  return ids;
}

describe('six writers over the same operations in any order', () => {
  it('never deadlock, and everything adds up in the end', async () => {
    const failures: unknown[] = [];
    const done = { begun: 0, canceled: 0, redriven: 0, expired: 0, settled: 0 };
    const noted = (work: Promise<unknown>): Promise<unknown> =>
      work.catch((error: unknown) => {
        // Nothing left to cancel or redrive is an answer.
        if (!(error instanceof Conflict)) failures.push(error);
      });

    for (let round = 0; round < 6; round++) {
      const ids = await operations();
      const settle = async (batch: Parameters<typeof store.deliveries.settle>[0]) =>
        (done.settled += (await store.deliveries.settle(batch)).changed.size);
      const deliver = async (seed: number) => {
        const dispatched = await store.dispatchAll('small', 40);
        const claims = await store.claim(shuffled(dispatched, seed).map(({ id }) => id));
        const mixed = shuffled(claims, seed + 1);
        const batches = Array.from({ length: 8 }, (_, at) => mixed.filter((__, n) => n % 8 === at));
        await Promise.all(
          batches.map((batch, at) =>
            noted(
              settle(
                batch.map((claim) =>
                  settlementOf(
                    claim,
                    at % 3 === 0 ? { to: 'FAILED', errorCode: 71001, errorMessage: 'gone' } : {},
                  ),
                ),
              ),
            ),
          ),
        );
      };
      const begin = async () => (done.begun += await store.schedules.beginDue(30));
      // It passes by what the others hold, so it looks more often than they work.
      const expire = async () => {
        for (let look = 0; look < 10; look++) {
          done.expired += (await store.expiries.expire(null, window)).expired;
        }
      };
      const cancel = async (operationId: Uuid) =>
        (done.canceled += await store.cancels.cancel(tenant.accountId, { operationId }));
      const redrive = async (operationId: Uuid) => {
        await store.redrives.redrive(tenant.accountId, { operationId });
        done.redriven++;
      };
      const each = (seed: number, work: (id: Uuid) => Promise<unknown>) =>
        Promise.all(shuffled(ids, seed).map((id) => noted(work(id))));
      // A part of them has expired while nobody looked.
      await store.db.query(
        `UPDATE push_notifications SET expires_at = now() - interval '1 minute'
         WHERE operation_id = ANY($1::uuid[]) AND right(id::text, 1) IN ('0', '5', 'a')`,
        [ids],
      );
      await store.db.query(
        `UPDATE push_notifications SET first_attempt_at = now() - interval '1 hour'
         WHERE operation_id = ANY($1::uuid[]) AND right(id::text, 1) IN ('0', '5', 'a')`,
        [ids],
      );
      const window = { retryWindowMs: 1, leaseMs: 60_000, operations: 1_000, pushes: 50 };
      for (let turn = 0; turn < 3; turn++) {
        const seed = round * 10 + turn;
        await Promise.all([
          noted(deliver(seed)),
          noted(deliver(seed + 3)),
          each(seed + 1, (operationId) => (turn === 1 ? cancel(operationId) : Promise.resolve(0))),
          each(seed + 2, redrive),
          noted(begin()),
          noted(begin()),
          noted(expire()),
          noted(expire()),
          noted(
            store.sweeps.pass(async (pass) => {
              if (turn === 2) await pass.rewindNext(String(round), 1_000);
              await pass.closeParts(100);
              await pass.lostPushes(-1_000, 100);
              await pass.auditWindows();
            }),
          ),
          noted(store.audits.counters(null, 7, { operations: 10, pushes: 1_000 })),
          noted(store.audits.parts(null, 100)),
        ]);
      }
      // What is left to do is done.
      while ((await store.schedules.beginDue(100)) > 0);
      for (let turn = 0; turn < 4; turn++) await deliver(turn);
    }
    expect(failures).toEqual([]);
    // Each of them was at work.
    for (const [what, times] of Object.entries(done))
      expect([what, times > 0]).toEqual([what, true]);
    const audit = await store.audits.counters(null, 7, { operations: 1_000, pushes: 100_000 });
    expect(audit).toMatchObject({ wrong: 0 });
    // A rewind says that nothing is handed over, what is in flight ends later: the audit settles that.
    await store.sweeps.pass((pass) => pass.auditWindows());
    expect(await store.discrepancies()).toEqual([]);
  }, 60_000);
});
