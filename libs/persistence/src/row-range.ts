import type { Uuid } from '@app/domain';
import { idRange } from './paging.js';

const LOWEST = '00000000-0000-0000-0000-000000000000';
const HIGHEST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/**
 * The rows of one account (or of one status or user in it), newest first. The bounds are comparisons of
 * whole rows, `(account_id, id) <= ($1, $2)`, and the order names both columns: of these tables' indexes
 * only the one over both can give it. With `account_id = $1 ORDER BY id` the planner may as well walk an
 * index on the id alone backwards, through everything that other accounts added since, and it did:
 * 150,000 rows for one page. For the same reason no bound is on the id alone, not even where that would
 * leave out partitions; each costs one look into its index.
 */
export interface RowRange {
  condition: string;
  /** For ORDER BY. */
  order: string;
}

/**
 * @param lead the column before the id in the index.
 * @param value of the column, as SQL.
 * @param bounds both dates inclusive, `before` exclusive; `values` gets what the condition needs.
 * @param bounds.within narrows them further: no row is older than `from`; `through` makes the upper end, an
 *   id as SQL, out of the one that holds anyway. One bound at each end: with two, PostgreSQL begins at
 *   either of them and looks at every entry of the index up to the other.
 */
export function rowRange(
  lead: 'account_id' | 'status' | 'user_id',
  value: string,
  bounds: {
    before: Uuid | null;
    startDate?: Date | undefined;
    endDate?: Date | undefined;
    within?: { from: Uuid; through: (end: string) => string } | undefined;
    values: unknown[];
  },
): RowRange {
  const { before, values, within } = bounds;
  const [from, to] = idRange(bounds);
  // UUIDs in lower case sort as text as they do in PostgreSQL.
  const end = to !== null && (before === null || to < before) ? to : before;
  const compare = (operator: string, id: string) => `(${lead}, id) ${operator} (${value}, ${id})`;
  const parameter = (id: Uuid) => `$${values.push(id)}::uuid`;
  const lower = parameter([from ?? LOWEST, within?.from ?? LOWEST].sort().at(-1)!);
  // Inclusive: the planner looks at the first column alone, and takes `<` for "none of this account".
  const upper = parameter(end === null ? HIGHEST : idBefore(end));
  return {
    condition: `${compare('>=', lower)} AND ${compare('<=', within?.through(upper) ?? upper)}`,
    order: `${lead} DESC, id DESC`,
  };
}

/** The next smaller UUID; of the smallest itself. */
function idBefore(id: Uuid): Uuid {
  const value = BigInt(`0x${id.replaceAll('-', '')}`);
  const hex = (value === 0n ? value : value - 1n).toString(16).padStart(32, '0');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
