import type { PoolClient } from 'pg';
import type { Store } from './testing.js';

interface Plan {
  'Node Type': string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Relation Name'?: string;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  'Shared Hit Blocks'?: number;
  'Shared Read Blocks'?: number;
  Plans?: Plan[];
}

/** What a statement did, as PostgreSQL measured it. */
export interface Measured {
  text: string;
  /** Rows looked at, by table; those of partitions are their table's. */
  rows: Record<string, number>;
  /** Tables that were read from end to end; partitions under their own name. */
  sequential: string[];
  /** Pages touched, those of indexes included. */
  pages: number;
}

interface Ran {
  text: string;
  values: unknown[];
}

/** What ran in one transaction, its BEGIN with the settings that it makes; null: a statement by itself. */
interface Together {
  begin: string | null;
  statements: Ran[];
}

const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

/** A statement, as `query` got it. */
function ranOf(args: unknown[]): Ran {
  const [statement, values = []] = args as [string | Partial<Ran>, unknown[]?];
  return typeof statement === 'string'
    ? { text: statement, values }
    : { text: statement.text ?? '', values: statement.values ?? values };
}

/**
 * Watches the statements of a store, those of its transactions too.
 *
 * @returns a function that does some work and then measures each statement that ran for it, in a transaction
 *   that begins as its own did. What they change they change twice.
 */
export function measureStatements(
  store: Store,
): (work: () => Promise<unknown>) => Promise<Measured[]> {
  const ran: Together[] = [];
  const { db } = store;
  const query = db.pool.query.bind(db.pool) as (...args: unknown[]) => unknown;
  const transaction = db.transaction.bind(db);
  Object.assign(db.pool, {
    query: (...args: unknown[]) => {
      ran.push({ begin: null, statements: [ranOf(args)] });
      return query(...args);
    },
  });
  Object.assign(db, {
    transaction: <T>(
      work: (client: PoolClient) => Promise<T>,
      begin: Parameters<typeof transaction>[1] = 'BEGIN',
    ) => {
      const statements: Ran[] = [];
      ran.push({ begin, statements });
      return transaction((client) => {
        const watched = new Proxy(client, {
          get: (of, name) => {
            const value: unknown = Reflect.get(of, name);
            if (typeof value !== 'function') return value;
            return (...args: unknown[]) => {
              if (name === 'query') statements.push(ranOf(args));
              return value.apply(of, args) as unknown;
            };
          },
        });
        return work(watched);
      }, begin);
    },
  });
  return async (work) => {
    ran.length = 0;
    await work();
    const measured: Measured[] = [];
    for (const { begin, statements } of [...ran]) {
      const client = await db.pool.connect();
      try {
        if (begin !== null) await client.query(begin);
        for (const { text, values } of statements) {
          const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
            `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
            values,
          );
          measured.push({ text, ...summed(rows[0]!['QUERY PLAN'][0].Plan) });
        }
      } finally {
        if (begin !== null) await client.query('COMMIT');
        client.release();
      }
    }
    return measured;
  };
}

function summed(root: Plan): Omit<Measured, 'text'> {
  const rows: Record<string, number> = {};
  const sequential: string[] = [];
  for (const node of nodes(root)) {
    const relation = node['Relation Name'];
    if (relation === undefined) continue;
    const table = relation.replace(/_\d{8}$/, '');
    const removed =
      (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
    rows[table] = (rows[table] ?? 0) + (node['Actual Rows'] + removed) * node['Actual Loops'];
    if (node['Node Type'] === 'Seq Scan') sequential.push(relation);
  }
  return {
    rows,
    sequential,
    pages: (root['Shared Hit Blocks'] ?? 0) + (root['Shared Read Blocks'] ?? 0),
  };
}
