import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId } from '@app/domain';
import pg from 'pg';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import type { Tenant } from './testing.js';

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore();
});

afterAll(() => store?.drop());

beforeEach(async () => {
  await store.db.query('DELETE FROM push_notifications');
  await store.db.query('DELETE FROM operation_parts');
  await store.db.query('DELETE FROM operations');
  await store.db.query('UPDATE credential_windows SET outstanding = 0');
  tenant = await store.tenant();
});

const LIMIT = { operations: 10, pushes: 1_000 };
const counters = (after: string | null = null) => store.audits.counters(after, 7, LIMIT);
const parts = (after: string | null = null) => store.audits.parts(after, 10);
const plant = (sql: string, id: string) => store.db.query(sql, [id]);

describe('the counters of an operation', () => {
  it('are right, so nothing is changed', async () => {
    const id = await store.accept(tenant, 3);
    await store.settle(await store.claim((await store.idsOf(id)).slice(0, 1)));
    await store.accept(tenant, 0, {
      pushes: [],
      users: [{ id: newId(), variables: null }],
      credentials: {},
    });
    expect(await counters()).toEqual({ next: null, wrong: 0, mended: 0 });
  });

  it('that are wrong are mended, also when the operation would never have ended', async () => {
    const id = await store.accept(tenant, 2);
    await store.dispatchAll('small');
    await store.settle(await store.claim(await store.idsOf(id)));
    await plant(
      `UPDATE operations SET sent = sent - 1, queued = queued + 1, completed_at = NULL WHERE id = $1`,
      id,
    );
    expect((await store.operations.find(tenant.accountId, id))?.status).toBe('PROCESSING');
    expect(await counters()).toEqual({ next: null, wrong: 1, mended: 1 });
    expect(await store.operations.find(tenant.accountId, id)).toMatchObject({
      status: 'COMPLETED',
      completedAt: expect.any(Date),
      stats: { sent: 2, queued: 0 },
    });
    expect(await store.discrepancies()).toEqual([]);
    expect((await counters()).wrong).toBe(0);
  });

  it('that call an operation complete too early are mended, too', async () => {
    const id = await store.accept(tenant, 2);
    await plant(
      `UPDATE operations SET sent = 2, queued = 0, completed_at = now() WHERE id = $1`,
      id,
    );
    expect(await counters()).toMatchObject({ wrong: 1, mended: 1 });
    expect(await store.operations.find(tenant.accountId, id)).toMatchObject({
      status: 'PROCESSING',
      completedAt: null,
    });
  });

  it('are a fault that is told, not mended, where pushes are missing', async () => {
    const id = await store.accept(tenant, 2);
    await plant(
      `DELETE FROM push_notifications
       WHERE id = (SELECT id FROM push_notifications WHERE operation_id = $1 LIMIT 1)`,
      id,
    );
    expect(await counters()).toMatchObject({ wrong: 1, mended: 0 });
  });

  it('are looked at a few operations at a time, the old ones never', async () => {
    const [first, second, third] = [
      await store.accept(tenant, 2),
      await store.accept(tenant, 2),
      await store.accept(tenant, 5),
    ];
    const look = (after: string | null, operations: number, pushes: number) =>
      store.audits.counters(after, 7, { operations, pushes });
    expect((await look(null, 2, 100)).next).toBe(second);
    expect((await look(null, 10, 3)).next).toBe(first);
    expect((await look(second, 10, 3)).next).toBeNull();
    expect((await look(second, 1, 3)).next).toBe(third);
    expect((await look(third, 1, 3)).next).toBeNull();
    // Their pushes may have gone with their partition.
    await plant('UPDATE operations SET sent = 2, queued = 0 WHERE id = $1', first);
    expect((await store.audits.counters(null, 0, LIMIT)).wrong).toBe(0);
  });
});

describe('a part', () => {
  const dispatched = async () => (await store.dispatchAll('small')).map(({ id }) => id);

  it('that lost its cursor and its marks is dispatched again', async () => {
    const id = await store.accept(tenant, 3);
    expect((await parts()).mended).toBe(0);
    const ids = await dispatched();
    expect((await parts()).mended).toBe(0);
    await plant(
      `UPDATE operation_parts SET dispatched_through = NULL, pending = false, open = false
       WHERE operation_id = $1`,
      id,
    );
    expect(await dispatched()).toEqual([]);
    expect(await parts()).toEqual({ next: null, wrong: 1, mended: 1 });
    expect(await dispatched()).toEqual(ids);
    expect((await parts()).mended).toBe(0);
  });

  it('that is not marked open although pushes of it are out is searched for lost ones again', async () => {
    const id = await store.accept(tenant, 2);
    const ids = await dispatched();
    await plant(
      `UPDATE operation_parts SET open = false, dispatched_at = now() - interval '1 hour'
       WHERE operation_id = $1`,
      id,
    );
    const lost = () => store.sweeps.pass((pass) => pass.lostPushes(-1_000, 10));
    expect(await lost()).toEqual([]);
    expect((await parts()).mended).toBe(1);
    expect((await lost())?.map((push) => push.id)).toEqual(ids);
  });

  it('of what has ended is left as it is', async () => {
    const id = await store.accept(tenant, 1);
    await store.settle(await store.claim(await dispatched()));
    await store.sweeps.pass((pass) => pass.closeParts(10));
    expect(await parts()).toEqual({ next: null, wrong: 0, mended: 0 });
    expect((await store.operations.find(tenant.accountId, id))?.status).toBe('COMPLETED');
  });
});

describe('the rounds of the sweep', () => {
  it('go on in any worker, and begin anew when they came to their end', async () => {
    const [expire, counters] = [newId(), newId()];
    await store.sweeps.keepRounds({ expire, counters, parts: null });
    expect((await store.sweeps.rounds()).next).toEqual({ expire, counters, parts: null });
    await store.sweeps.keepRounds({ expire: null, counters, parts: expire });
    expect((await store.sweeps.rounds()).next).toEqual({ expire: null, counters, parts: expire });
  });

  it('find a wrong counter among many operations, so many a pass', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 60; n++) ids.push(await store.accept(tenant, 1));
    await plant('UPDATE operations SET sent = 1, queued = 0 WHERE id = $1', ids.at(-1) ?? '');
    let [passes, wrong] = [0, 0];
    let next: string | null = null;
    do {
      const audit = await store.audits.counters(next, 7, { operations: 25, pushes: 10_000 });
      next = audit.next;
      wrong += audit.wrong;
      passes++;
    } while (next !== null);
    expect([passes, wrong]).toEqual([3, 1]);
  });

  it('know about how many operations are stored, once PostgreSQL counted them', async () => {
    for (let n = 0; n < 7; n++) await store.accept(tenant, 1);
    const owner = new pg.Client({ connectionString: store.database.ownerUrl });
    await owner.connect();
    await owner.query('ANALYZE operations');
    await owner.end();
    expect((await store.sweeps.rounds()).operations).toBe(7);
  });
});

describe('a lost push', () => {
  it('is none while its credential is paused: nothing has a job then', async () => {
    await store.accept(tenant, 1);
    await store.dispatchAll('small');
    await store.db.query(`UPDATE operation_parts SET dispatched_at = now() - interval '1 hour'`);
    const lost = () => store.sweeps.pass((pass) => pass.lostPushes(-1_000, 10));
    const pause = (until: string) =>
      store.db.query(
        `UPDATE credential_windows SET paused_until = ${until} WHERE credential_id = $1`,
        [tenant.fcm],
      );
    // Also when its time is over: only a probe ends a pause.
    await pause(`now() - interval '1 minute'`);
    expect(await lost()).toEqual([]);
    await pause('NULL');
    expect(await lost()).toHaveLength(1);
  });
});
