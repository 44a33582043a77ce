import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { newId } from '@app/domain';
import pg from 'pg';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { REWOUND_AT_ONCE } from './sweep.repository.js';
import type { Tenant } from './testing.js';

/** Of one push each, handed over to the last. */
const OPERATIONS = 20_000;

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore();
  tenant = await store.tenant();
  await store.db.query(
    `WITH made AS MATERIALIZED (
       SELECT (left(at, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid AS id,
         (left(at, 14) || '8' || substr(gen_random_uuid()::text, 16))::uuid AS push_id
       FROM (SELECT lowest_id_at(now() - make_interval(secs => n * 0.05))::text AS at FROM generate_series(1, $3) n) times
     ), operations AS (
       INSERT INTO operations (id, account_id, content, priority, ttl_seconds, recipients, unaddressable_users,
         total, unaddressable, scheduled, queued, last_push_id)
       SELECT id, $1, '{}', 'HIGH', 60, 1, '{}', 1, 0, 0, 1, push_id FROM made
     ), parts AS (
       INSERT INTO operation_parts (operation_id, provider, account_id, credential_id, lane, pending)
       SELECT id, 'FCM', $1, $2, 'small', false FROM made
     )
     INSERT INTO push_notifications (id, account_id, operation_id, provider, credential_id, token, status, due_at, expires_at)
     SELECT push_id, $1, id, 'FCM', $2, 't', 'QUEUED', now(), now() + interval '1 day' FROM made`,
    [tenant.accountId, tenant.fcm, OPERATIONS],
  );

  // As autovacuum would: nothing reads the partitions from end to end for each operation.
  const owner = new pg.Client({ connectionString: store.database.ownerUrl });
  await owner.connect();
  await owner.query('ANALYZE operations, operation_parts, push_notifications');
  await owner.end();
});

afterAll(() => store?.drop());

/** All of them, to the last push. */
async function handOver(): Promise<void> {
  await store.db.query(
    `UPDATE operation_parts q SET pending = false, open = true, dispatched_through = o.last_push_id, dispatched_at = now()
     FROM operations o WHERE o.id = q.operation_id`,
  );
  await store.db.query(
    `UPDATE credential_windows SET outstanding = $2, paused_until = NULL, probe = NULL WHERE credential_id = $1`,
    [tenant.fcm, OPERATIONS],
  );
}

beforeEach(handOver);

/** Parts that are to be dispatched from their start, and what counts as handed over, by its parts and by its window. */
async function state() {
  const [parts] = await store.db.query<{ rewound: number; handedOver: number }>(
    `SELECT count(*) FILTER (WHERE pending AND dispatched_through IS NULL)::int AS rewound,
       count(p.id)::int AS "handedOver"
     FROM operation_parts q LEFT JOIN push_notifications p
       ON p.id = q.dispatched_through AND p.status = 'QUEUED'`,
  );
  return { ...parts, outstanding: await store.outstanding(tenant.fcm) };
}

/** Runs `work`, which dies after so many transactions; how long each took, in milliseconds. */
async function timed(work: () => Promise<unknown>, transactions = Infinity): Promise<number[]> {
  const times: number[] = [];
  const transaction = store.db.transaction.bind(store.db);
  const spy = jest.spyOn(store.db, 'transaction').mockImplementation(async (...args) => {
    if (times.length === transactions) throw new Error('died');
    const begin = performance.now();
    const result = await transaction(...args);
    times.push(performance.now() - begin);
    return result;
  });
  try {
    await (transactions === Infinity ? work() : expect(work()).rejects.toThrow('died'));
  } finally {
    spy.mockRestore();
  }
  return times;
}

const BATCHES = OPERATIONS / REWOUND_AT_ONCE;
const ALL = { rewound: OPERATIONS, handedOver: 0, outstanding: 0 };
const after = (batches: number) => {
  const rewound = batches * REWOUND_AT_ONCE;
  return { rewound, handedOver: OPERATIONS - rewound, outstanding: OPERATIONS - rewound };
};

async function pause(probe: string): Promise<void> {
  await store.db.query(
    `UPDATE credential_windows SET paused_until = now() - interval '1 second', probe = $2, pauses = 3 WHERE credential_id = $1`,
    [tenant.fcm, probe],
  );
}

const batches = (limit?: number) => (limit === undefined ? {} : { limit });

describe('with very many open operations', () => {
  it.each<[string, (limit?: number) => Promise<unknown>]>([
    ['the end of a pause', (limit) => resumed(limit)],
    ['a queue that lost its memory', (limit) => store.sweeps.rewindAll(newId(), batches(limit))],
  ])('%s holds none for as long as all of them take', async (_, rewind) => {
    const parts = await timed(() => rewind());
    expect(parts).toHaveLength(BATCHES + 1);
    expect(await state()).toEqual(ALL);
    await handOver();
    const [whole] = await timed(() => rewind(OPERATIONS + 1));
    // A fortieth each, and what a busy machine adds.
    expect(Math.max(...parts)).toBeLessThan(whole! / 3);
  });

  const resumed = async (limit?: number) => {
    const probe = newId();
    await pause(probe);
    expect(await store.admissions.resume(tenant.fcm, probe, batches(limit))).toBe(true);
  };

  it('a worker that dies while it ends a pause leaves the rest of it to the next probe', async () => {
    const probe = newId();
    await pause(probe);
    await timed(() => store.admissions.resume(tenant.fcm, probe), 7);
    expect(await state()).toEqual(after(7));
    // Nothing is handed over yet, and another probe comes.
    expect(await store.dispatches.takeTurns('small', 10, () => Promise.resolve())).toBeNull();
    expect(await store.admissions.due()).toEqual([tenant.fcm]);
    const next = await store.admissions.beginProbe(tenant.fcm, 60_000);
    if (next === null || next === 'taken') throw new Error('no probe');
    // Its time has come late: the one before says nothing any more.
    expect(await store.admissions.resume(tenant.fcm, probe)).toBe(false);
    expect(await timed(() => store.admissions.resume(tenant.fcm, next.id))).toHaveLength(
      BATCHES - 7 + 1,
    );
    expect(await state()).toEqual(ALL);
    const [window] = await store.db.query(
      'SELECT paused_until, probe, pauses FROM credential_windows WHERE credential_id = $1',
      [tenant.fcm],
    );
    expect(window).toEqual({ paused_until: null, probe: null, pauses: 0 });
  });

  it('a worker that is stopped ends neither a pause nor a rewind, after the transaction that it is at', async () => {
    const probe = newId();
    await pause(probe);
    let asked = 0;
    const isStopped = () => ++asked === 2;
    expect(await store.admissions.resume(tenant.fcm, probe, { isStopped })).toBe(false);
    expect(await state()).toEqual(after(2));
    asked = 0;
    const epoch = newId();
    expect(await store.sweeps.rewindAll(epoch, { isStopped })).toBeNull();
    expect(await store.sweeps.pass((pass) => pass.knowsQueue(epoch))).toBe(false);
    // The next worker has the rest.
    await store.sweeps.rewindAll(epoch);
    expect(await store.admissions.resume(tenant.fcm, probe)).toBe(true);
    expect(await state()).toEqual(ALL);
  });

  it('a worker that dies while it rewinds for a queue leaves the rest of it to the next pass', async () => {
    const epoch = newId();
    await store.sweeps.rewindAll('before');
    await handOver();
    await timed(() => store.sweeps.rewindAll(epoch), 9);
    expect(await state()).toEqual(after(9));
    expect(await store.sweeps.pass((pass) => pass.knowsQueue(epoch))).toBe(false);
    let rewound: unknown;
    const times = await timed(async () => (rewound = await store.sweeps.rewindAll(epoch)));
    expect(times).toHaveLength(BATCHES - 9 + 1);
    expect(rewound).toEqual({ parts: OPERATIONS - 9 * REWOUND_AT_ONCE, before: 'before' });
    expect(await state()).toEqual(ALL);
    expect(await store.sweeps.pass((pass) => pass.knowsQueue(epoch))).toBe(true);
    expect(await store.sweeps.rewindAll(epoch)).toEqual({ parts: 0, before: epoch });
  });
});
