import { lowestIdAt, type Uuid } from '@app/domain';
import type { Page } from './ports.js';

/**
 * A page out of rows that were read newest first, one more than the page holds.
 *
 * @param limit items a page.
 */
export function pageOf<R extends { id: Uuid }, T>(
  rows: readonly R[],
  limit: number,
  toItem: (row: R) => T,
): Page<T> {
  const items = rows.slice(0, limit);
  const more = rows.length > limit;
  return { items: items.map(toItem), next: more ? (items.at(-1)?.id ?? null) : null };
}

/** Dates as a half-open id range, since an id carries its creation to the millisecond. */
export function idRange(filter: {
  startDate?: Date | undefined;
  endDate?: Date | undefined;
}): [from: Uuid | null, to: Uuid | null] {
  return [
    filter.startDate === undefined ? null : lowestIdAt(filter.startDate),
    filter.endDate === undefined ? null : lowestIdAt(new Date(filter.endDate.getTime() + 1)),
  ];
}
