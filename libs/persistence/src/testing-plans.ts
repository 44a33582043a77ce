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

const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

/**
 * Watches the statements of a store.
 *
 * @returns a function that does some work and then measures each statement that ran for it.
 */
export function measureStatements(
  store: Store,
): (work: () => Promise<unknown>) => Promise<Measured[]> {
  const ran: { text: string; values: unknown[] }[] = [];
  const query = store.db.pool.query.bind(store.db.pool) as (...args: unknown[]) => unknown;
  Object.assign(store.db.pool, {
    query: (...args: unknown[]) => {
      const [text, values] = args as [string | { text: string; values: unknown[] }, unknown[]];
      ran.push(typeof text === 'string' ? { text, values } : text);
      return query(...args);
    },
  });
  return async (work) => {
    ran.length = 0;
    await work();
    const measured: Measured[] = [];
    for (const { text, values } of [...ran]) {
      const [row] = await store.db.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`,
        values,
      );
      measured.push({ text, ...summed(row!['QUERY PLAN'][0].Plan) });
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
