import { z } from 'zod';
import { parseSpan } from './instants.js';
import { LIMITS } from './limits.js';

export const MAX_PAGE_SIZE = LIMITS.pageSize.max;
export const DEFAULT_PAGE_SIZE = 50;

/** Query parameters of every list. */
export const paging = {
  pageSize: z
    .string()
    .regex(/^\d{1,4}$/, `Expected a whole number from 1 to ${MAX_PAGE_SIZE}.`)
    .transform(Number)
    .refine(
      (size) => size >= 1 && size <= MAX_PAGE_SIZE,
      `Expected a whole number from 1 to ${MAX_PAGE_SIZE}.`,
    )
    .optional()
    .meta({
      type: 'integer',
      minimum: 1,
      maximum: MAX_PAGE_SIZE,
      default: DEFAULT_PAGE_SIZE,
      // It arrives as text; to a caller it is a number.
      pattern: undefined,
      description: 'Items a page.',
    }),
  pageToken: z.string().min(1).optional().meta({
    description:
      '`pagination.next` or `pagination.self` of an earlier answer; carries its filters.',
  }),
};

const NO_DATE = 'Expected a date or a date-time such as 2026-04-20T14:22:00Z.';

/** Query parameters of a list that is filtered by creation; both ends are inclusive. */
export const creation = {
  startDate: dateFilter('first', 'From this date-time, or from 00:00:00Z of this date.'),
  endDate: dateFilter('last', 'To this date-time, or to the end of this date.'),
};

function dateFilter(end: 'first' | 'last', description: string) {
  return z
    .string()
    .transform((value, ctx): Date => {
      const span = parseSpan(value);
      if (span !== null) return span[end];
      ctx.issues.push({ code: 'custom', message: NO_DATE, input: undefined });
      return z.NEVER;
    })
    .optional()
    .meta({ description, examples: ['2026-04-20T14:22:00Z'] });
}

/** A filter that is `true` or `false`; in the query it is text. */
export function booleanFilter(description: string) {
  return z
    .enum(['true', 'false'])
    .transform((value) => value === 'true')
    .optional()
    .meta({ type: 'boolean', enum: undefined, description });
}

/** `endDate` before `startDate` is a fault. To be called with `EVEN_WHEN_BROKEN`. */
export function datesInOrder(
  { startDate, endDate }: { startDate?: unknown; endDate?: unknown },
  ctx: z.core.$RefinementCtx,
): void {
  if (startDate instanceof Date && endDate instanceof Date && endDate < startDate) {
    ctx.addIssue({ code: 'custom', message: 'endDate is before startDate.', path: ['endDate'] });
  }
}

/** For endpoints that take no query parameter: any is a fault. */
export const NoQuery = z.strictObject({});
export type NoQuery = z.output<typeof NoQuery>;

/** For endpoints that take no body: none, or an object without fields. The document has none. */
export const NoBody = z.strictObject({}).optional().meta({ id: 'NoBody' });
export type NoBody = z.output<typeof NoBody>;

export const Pagination = z
  .strictObject({
    next: z.string().nullable().meta({ description: 'Token of the next page, null on the last.' }),
    self: z.string().meta({ description: 'Token of this page.' }),
  })
  .meta({ id: 'Pagination' });
export type Pagination = z.output<typeof Pagination>;
