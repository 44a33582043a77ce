import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Uuid } from '@app/domain';
import { claimName } from '@app/persistence';
import pg from 'pg';
import { settlementOf } from '../../libs/persistence/src/testing-settlement.js';
import type { Tenant } from '../../libs/persistence/src/testing.js';
import { createTestStore, type TestStore } from '../../test/support/store.js';
import { WRONG_COUNTERS } from './evidence.js';
import { LOST_LEASES, WITNESS } from './house.js';

let store: TestStore;
let tenant: Tenant;
let operationId: Uuid;
let ids: Uuid[];

beforeAll(async () => {
  store = await createTestStore();
  const owner = new pg.Client({ connectionString: store.database.ownerUrl });
  await owner.connect();
  for (const sql of WITNESS) await owner.query(sql);
  await owner.end();
  tenant = await store.tenant();
});

afterAll(() => store?.drop());

beforeEach(async () => {
  operationId = await store.accept(tenant, 2);
  ids = (await store.dispatchAll('small')).map(({ id }) => id);
  expect(ids).toHaveLength(2);
});

/** What the witness wrote down of the first push, as seconds before now. */
const witnessed = async (): Promise<number[]> => {
  const rows = await store.db.query<{ ago: number }>(
    `SELECT round(extract(epoch FROM clock_timestamp() - lease_until))::int AS ago FROM ${LOST_LEASES} WHERE push_id = $1`,
    [ids[0]],
  );
  return rows.map(({ ago }) => ago);
};

const runOut = () =>
  store.db.query(
    `UPDATE push_notifications SET lease_until = now() - interval '40 seconds' WHERE operation_id = $1`,
    [operationId],
  );
const cancel = () => store.cancels.cancel(tenant.accountId, { operationId });

describe('the witness of lost leases', () => {
  it('writes down the end of a lease that another claim finds still there, each time', async () => {
    await store.claim(ids);
    await runOut();
    expect(await witnessed()).toEqual([]);
    await store.claim(ids);
    expect(await witnessed()).toEqual([40]);
    await runOut();
    await store.settle(await store.claim(ids));
    expect(await witnessed()).toEqual([40, 40]);
  });

  it('writes down nothing of one that was settled, given back, or taken again by its own owner', async () => {
    const [first] = await store.claim([ids[0]!]);
    await store.deliveries.settle([settlementOf(first!, { to: 'QUEUED', attempts: [] })]);
    const name = claimName();
    await store.deliveries.claim(ids, 60_000, name);
    const again = await store.deliveries.claim(ids, 60_000, name, new Map([[ids[0]!, name]]));
    expect(again[0]).toMatchObject({ state: 'claimed' });
    await store.db.query('UPDATE push_notifications SET lease = lease WHERE id = $1', [ids[0]]);
    expect(await witnessed()).toEqual([]);
  });

  it('writes down one that the end of its time finds run out, and not the end of one in hand', async () => {
    // As the sweep ends it, and as a worker does that claimed it anew.
    const end = () =>
      store.db.query(
        `UPDATE push_notifications SET status = 'FAILED', lease_until = NULL,
           attempts = attempts || '[{"outcome": "unknown", "reason": "lease-lost"}]'::jsonb WHERE id = $1`,
        [ids[0]],
      );
    await store.claim([ids[0]!]);
    await end();
    expect(await witnessed()).toEqual([]);
    await store.db.query(`UPDATE push_notifications SET status = 'QUEUED' WHERE id = $1`, [ids[0]]);
    await store.claim([ids[0]!]);
    await runOut();
    await end();
    expect(await witnessed()).toEqual([40]);
    // Its operation was told of neither.
    await store.db.query(`UPDATE push_notifications SET status = 'QUEUED' WHERE id = $1`, [ids[0]]);
  });

  it('writes down one that a cancel finds run out, and none of what waits', async () => {
    await store.claim([ids[0]!]);
    await runOut();
    await store.db.query('UPDATE push_notifications SET lease_until = NULL WHERE id = $1', [
      ids[1],
    ]);
    expect(await cancel()).toBe(2);
    expect(await witnessed()).toEqual([40]);
    const all = await store.db.query(`SELECT FROM ${LOST_LEASES} WHERE push_id = $1`, [ids[1]]);
    expect(all).toEqual([]);
  });
});

describe('the look at counters under way', () => {
  const wrong = () => store.db.query<{ id: Uuid }>(WRONG_COUNTERS);

  it('finds none while pushes end, and the operation whose counters are not its rows', async () => {
    const [first] = await store.claim([ids[0]!]);
    expect(await wrong()).toEqual([]);
    await store.settle([first!]);
    expect(await wrong()).toEqual([]);
    // A sum that is right, as PostgreSQL itself wants it.
    await store.db.query('UPDATE operations SET sent = 0, failed = 1 WHERE id = $1', [operationId]);
    const found = await wrong();
    await store.db.query('UPDATE operations SET sent = 1, failed = 0 WHERE id = $1', [operationId]);
    expect(found).toEqual([
      {
        id: operationId,
        counters: { scheduled: 0, queued: 1, sent: 0, failed: 1, canceled: 0 },
        rows: { scheduled: 0, queued: 1, sent: 1, failed: 0, canceled: 0 },
      },
    ]);
  });
});
