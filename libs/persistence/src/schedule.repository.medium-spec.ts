import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Conflict, type Uuid } from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import type { Tenant } from './testing.js';

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore({ window: 5_000, poolSize: 12 });
});

afterAll(() => store?.drop());

beforeEach(async () => {
  await store.db.query('DELETE FROM operation_parts');
  await store.db.query('UPDATE credential_windows SET outstanding = 0');
  tenant = await store.tenant();
});

afterEach(async () => expect(await store.discrepancies()).toEqual([]));

const due = () => new Date(Date.now() - 1_000);
const later = () => new Date(Date.now() + 60_000);
const statsOf = async (id: Uuid) => (await store.operations.find(tenant.accountId, id))!.stats;

describe('beginDue', () => {
  it('queues what is due and nothing else', async () => {
    const now = await store.accept(tenant, 3, { scheduledFor: due() });
    const then = await store.accept(tenant, 2, { scheduledFor: later() });
    expect(await store.dispatchAll('small')).toEqual([]);
    expect(await store.schedules.beginDue(100)).toBe(3);
    expect(await store.schedules.beginDue(100)).toBe(0);
    expect(await statsOf(now)).toMatchObject({ scheduled: 0, queued: 3 });
    expect(await statsOf(then)).toMatchObject({ scheduled: 2, queued: 0 });
    expect((await store.dispatchAll('small')).map(({ id }) => id)).toEqual(await store.idsOf(now));
  });

  it('goes on in the order of the ids, also while dispatch is at it', async () => {
    const id = await store.accept(tenant, 25, { scheduledFor: due() });
    const dispatched: Uuid[] = [];
    for (;;) {
      const begun = await store.schedules.beginDue(10);
      dispatched.push(...(await store.dispatchAll('small', 4)).map((push) => push.id));
      if (begun === 0) break;
    }
    expect(dispatched).toEqual(await store.idsOf(id));
  });

  it('begins several operations at once, each with all its providers', async () => {
    const pushes = ['FCM', 'APN', 'FCM'].map((provider, n) => ({
      provider: provider as 'FCM' | 'APN',
      token: `t${n}`,
      variables: null,
    }));
    const ids = [
      await store.accept(tenant, 3, { scheduledFor: due(), pushes }),
      await store.accept(tenant, 3, { scheduledFor: due(), pushes }),
    ];
    expect(await store.schedules.beginDue(100)).toBe(6);
    const handedOver = (await store.dispatchAll('small')).map((push) => push.id);
    expect(handedOver.sort()).toEqual((await Promise.all(ids.map((id) => store.idsOf(id)))).flat());
  });

  it('is read from an index that holds nothing but what waits', async () => {
    await store.accept(tenant, 1, { scheduledFor: later() });
    const [plan] = await store.db.transaction(async (client) => {
      await client.query('SET LOCAL enable_seqscan = off');
      return (
        await client.query(
          `EXPLAIN (FORMAT JSON) SELECT id FROM operations
           WHERE scheduled > 0 AND scheduled_for <= now() ORDER BY scheduled_for LIMIT 100`,
        )
      ).rows;
    });
    expect(JSON.stringify(plan)).toContain('operations_due_idx');
  });
});

describe('races', () => {
  it('two workers at once begin everything once', async () => {
    const id = await store.accept(tenant, 40, { scheduledFor: due() });
    const run = async () => {
      let sum = 0;
      // 0 also means that the other one is at it.
      while ((await statsOf(id)).scheduled > 0) sum += await store.schedules.beginDue(7);
      return sum;
    };
    const [left, right] = await Promise.all([run(), run()]);
    expect(left + right).toBe(40);
    expect(await statsOf(id)).toMatchObject({ scheduled: 0, queued: 40 });
  });

  it('a cancel against its begin: every push ends either canceled or queued, and none is lost', async () => {
    for (let round = 0; round < 10; round++) {
      const id = await store.accept(tenant, 40, { scheduledFor: due() });
      const begin = async () => {
        while ((await store.schedules.beginDue(10)) > 0) await store.dispatchAll('small', 7);
      };
      const cancel = () =>
        store.cancels.cancel(tenant.accountId, { operationId: id }).catch((error: unknown) => {
          expect(error).toBeInstanceOf(Conflict);
        });
      await Promise.all([begin(), cancel(), begin()]);
      await begin();
      await store.dispatchAll('small');
      const stats = await statsOf(id);
      expect(stats.scheduled).toBe(0);
      expect(stats.canceled + stats.queued).toBe(40);
      // What is queued was handed over to the last push: nothing lies above its cursor.
      expect(await store.discrepancies()).toEqual([]);
      await store.settle(await store.claim(await store.idsOf(id, 'QUEUED')));
      expect(await store.outstanding(tenant.fcm)).toBe(0);
    }
  });
});
