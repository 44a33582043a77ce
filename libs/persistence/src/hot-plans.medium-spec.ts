import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Uuid } from '@app/domain';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { WHOLE } from './credential-windows.js';
import type { Dispatch } from './dispatch.repository.js';
import { settlementOf, Store, type Tenant } from './testing.js';

/** PostgreSQL plans a named statement for arrays of ten elements or so, and then keeps that plan for any number. */
const BATCH = 500;
const PUSHES = 10_000;

let database: TestDatabase;
let owner: pg.Client;
let store: Store;
let tenant: Tenant;

beforeAll(async () => {
  database = await createTestDatabase();
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  // The plan that knows no values, also where PostgreSQL would choose otherwise; one connection has them all.
  const url = new URL(database.appUrl);
  url.searchParams.set('options', '-c plan_cache_mode=force_generic_plan');
  store = new Store(url.href, { poolSize: 1, window: 5_000 });
  tenant = await store.tenant();
  for (let n = 0; n < 3; n++) await store.accept(tenant, PUSHES);
  await owner.query('ANALYZE push_notifications, operations, operation_parts');
});

afterAll(async () => {
  await owner?.end();
  await store?.db.close();
  await database?.drop();
});

type Scalar = string | number | boolean | Date | null;

interface Ran {
  name: string;
  values: (Scalar | Scalar[])[];
}

interface Plan {
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Join Filter'?: number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: Plan[];
}

/** The named statements of `work`, as they ran. */
async function named(work: () => Promise<unknown>): Promise<Ran[]> {
  const query = jest.spyOn(pg.Client.prototype, 'query');
  try {
    await work();
    return query.mock.calls.flatMap(([statement]) => {
      const { name, values } = statement as unknown as Partial<Ran>;
      return name === undefined || values === undefined ? [] : [{ name, values }];
    });
  } finally {
    query.mockRestore();
  }
}

function literal(value: Scalar | Scalar[]): string {
  if (value === null) return 'NULL';
  if (value instanceof Date) return pg.escapeLiteral(value.toISOString());
  if (!Array.isArray(value)) return pg.escapeLiteral(String(value));
  const element = (each: Scalar) =>
    each === null
      ? 'NULL'
      : `"${(each instanceof Date ? each.toISOString() : String(each)).replace(/[\\"]/g, '\\$&')}"`;
  return pg.escapeLiteral(`{${value.map(element).join(',')}}`);
}

const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

/** Runs the kept plan of a statement: the most rows that one step went through, and all pages. */
async function cost({ name, values }: Ran): Promise<{ rows: number; pages: number }> {
  const [row] = await store.db.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
    `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE "${name}" (${values.map(literal).join(', ')})`,
  );
  const plan = row!['QUERY PLAN'][0].Plan;
  const rows = nodes(plan).map(
    (node) =>
      node['Actual Loops'] *
      (node['Actual Rows'] +
        (node['Rows Removed by Filter'] ?? 0) +
        (node['Rows Removed by Join Filter'] ?? 0)),
  );
  return {
    rows: Math.max(...rows),
    pages: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
  };
}

/** Costs of the kept plans of `work`, by name; `undo` puts back what it changed, so that they find the same again. */
async function costs(work: () => Promise<unknown>, undo: () => Promise<unknown>) {
  const ran = await named(work);
  await undo();
  const measured = new Map<string, { rows: number; pages: number }>();
  for (const each of ran) measured.set(each.name, await cost(each));
  return measured;
}

const rewind = (ids: readonly Uuid[]) =>
  owner.query(
    `UPDATE push_notifications SET status = 'QUEUED', lease = 0, lease_until = NULL, attempts = '[]'
     WHERE id = ANY($1::uuid[])`,
    [ids],
  );

describe('the kept plan of a named statement', () => {
  it('claims and settles a batch by its rows, not by their square', async () => {
    const ids = (
      await store.db.query<{ id: Uuid }>(
        `SELECT id FROM push_notifications ORDER BY md5(id::text) LIMIT ${BATCH}`,
      )
    ).map(({ id }) => id);
    const measured = await costs(
      async () => {
        const claims = await store.claim(ids);
        const settled = await store.deliveries.settle(claims.map((claim) => settlementOf(claim)));
        expect(settled.changed.size).toBe(BATCH);
      },
      () => rewind(ids),
    );
    expect([...measured.keys()]).toEqual(
      expect.arrayContaining(['claim', 'lock-operations', 'settle']),
    );
    for (const [name, { rows, pages }] of measured) {
      expect([name, rows, rows <= 3 * BATCH]).toEqual([name, rows, true]);
      expect([name, pages, pages <= 15 * BATCH]).toEqual([name, pages, true]);
    }
  });

  it('reads a turn’s pushes and no more', async () => {
    const taken: Dispatch[] = [];
    const measured = await costs(
      () =>
        store.dispatches.takeTurns('bulk', BATCH, async ({ deliveries }) => {
          taken.push(...deliveries);
        }),
      async () => {
        await owner.query('UPDATE operation_parts SET dispatched_through = NULL, pending = true');
        await owner.query('UPDATE credential_windows SET outstanding = 0');
      },
    );
    expect(taken).toHaveLength(BATCH);
    expect([...measured.keys()]).toEqual(
      expect.arrayContaining(['next-turns', 'lock-next-parts', 'next-pushes', 'advance']),
    );
    for (const [name, { rows, pages }] of measured) {
      expect([name, rows, rows <= 2 * BATCH + 2]).toEqual([name, rows, true]);
      expect([name, pages, pages <= 4 * BATCH]).toEqual([name, pages, true]);
    }
  });
});

describe('a plan that was kept when the tables were empty', () => {
  const MANY = 6_000;
  const FEW = 40;
  let small: Store;

  beforeAll(async () => {
    // PostgreSQL looks at no table by itself within a test's time; here it may not.
    for (const table of ['operations', 'operation_parts', ...(await partitions())])
      await owner.query(`ALTER TABLE ${table} SET (autovacuum_enabled = false)`);
  });

  afterAll(() => small?.db.close());

  const partitions = async () =>
    (
      await owner.query<{ name: string }>(
        `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'push_notifications'::regclass`,
      )
    ).rows.map(({ name }) => name);

  it('costs no more when thousands of operations of one have come', async () => {
    await owner.query('TRUNCATE push_notifications, operations, operation_parts');
    await owner.query('UPDATE credential_windows SET outstanding = 0');
    small = new Store(database.appUrl, { poolSize: 1, window: 5_000 });
    const one = await small.tenant();
    const round = async (pushes: number) => {
      const taken: Dispatch[] = [];
      await small.dispatches.lanesWithWork();
      await small.dispatches.takeTurns('small', pushes, async ({ deliveries }) => {
        taken.push(...deliveries);
      });
      const claims = await small.claim(taken.map(({ id }) => id));
      await small.deliveries.settings(claims.map(({ operationId }) => operationId));
      await small.settle(claims);
      await small.sweeps.pass((pass) => pass.closeParts(10_000));
      return claims.length;
    };
    // More often than PostgreSQL asks before it keeps a plan.
    for (let n = 0; n < 8; n++) {
      await small.accept(one, 1);
      expect(await round(FEW)).toBe(1);
    }
    const accept = async () => {
      for (let n = 0; n < MANY / 8; n++) await store.accept(one, 1);
    };
    await Promise.all(Array.from({ length: 8 }, accept));
    const before = await rowsRead();
    expect(await round(FEW)).toBe(FEW);
    const rows = (await rowsRead()) - before;
    expect([rows, rows < 60 * FEW]).toEqual([rows, true]);
  });

  it('sweeps what is open, and no more, whatever was open when the tables were looked at', async () => {
    const handOver = async (pushes: number) => {
      const taken: Dispatch[] = [];
      await small.dispatches.takeTurns('small', pushes, async ({ deliveries }) => {
        taken.push(...deliveries);
      });
      return taken.map(({ id }) => id);
    };
    const sweep = async () => {
      await small.sweeps.pass(async (pass) => {
        expect(await pass.auditWindows()).toBe(0);
        await pass.closeParts(10_000);
      });
      await small.audits.parts(null, FEW);
      // Each worker asks once a second.
      await owner.query('UPDATE credential_windows SET waiting = 1');
      await small.admissions.countWaiting(WHOLE);
    };
    const many = await handOver(MANY / 2);
    await owner.query('ANALYZE');
    await small.settle(await small.claim(many));
    await sweep();
    const few = await handOver(FEW);
    await small.settle(await small.claim(few.slice(1)));
    const before = await rowsRead('idx_tup_fetch');
    await sweep();
    const rows = (await rowsRead('idx_tup_fetch')) - before;
    expect([rows, rows < 60 * FEW]).toEqual([rows, true]);
    expect(await small.db.query('SELECT FROM operation_parts WHERE open')).toHaveLength(1);
  });

  /**
   * Rows of tables, and entries of their indexes or the rows that these led to, by the one connection of `small`. Entries of
   * dead rows are read as long as a transaction anywhere in the cluster may want them.
   */
  async function rowsRead(
    byIndex: 'idx_tup_read' | 'idx_tup_fetch' = 'idx_tup_read',
  ): Promise<number> {
    await small.db.query('SELECT pg_stat_force_next_flush()');
    await small.db.query('SELECT 1');
    const { rows } = await owner.query<{ rows: number }>(
      `SELECT sum(seq_tup_read +
         (SELECT coalesce(sum(${byIndex}), 0) FROM pg_stat_user_indexes i WHERE i.relid = t.relid))::int AS rows
       FROM pg_stat_user_tables t WHERE relname IN ('operations', 'operation_parts') OR relname LIKE 'push_notifications_%'`,
    );
    return rows[0]!.rows;
  }
});
