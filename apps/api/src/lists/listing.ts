import { DEFAULT_PAGE_SIZE } from '@app/contract';
import type { Pagination } from '@app/contract';
import { InvalidRequest } from '@app/domain';
import type { Fault, Uuid } from '@app/domain';
import type { Page, PageRequest } from '@app/persistence';
import type { z } from 'zod';
import { AlsoTells } from '../errors/all-faults.interceptor.js';
import type { BrokenRequest } from '../errors/all-faults.interceptor.js';
import { PageTokens } from './page-tokens.js';
import type { PagePlace } from './page-tokens.js';

type FilterValue = string | boolean | Date | undefined;

/** The query of a list, validated: filters and the two parameters of paging. */
export type ListQuery = { pageSize?: number | undefined; pageToken?: string | undefined } & Record<
  string,
  FilterValue | number
>;

export interface Listing<F> {
  filter: F;
  page: PageRequest;
  /** The `pagination` of the answer. */
  paginate: (page: Page<unknown>) => Pagination;
}

const DATES = ['startDate', 'endDate'];
const BOOLEANS = ['isDefault'];

/**
 * What a list request asks for: with a page token its filters are those of the token, and naming
 * other ones is a fault.
 *
 * @throws InvalidRequest
 */
export function listing<F extends object>(
  tokens: PageTokens,
  accountId: Uuid,
  list: string,
  query: ListQuery & F,
): Listing<F> {
  const { pageSize, pageToken, ...given } = query;
  const filters = toText(given as Record<string, FilterValue>);
  const place: PagePlace =
    pageToken === undefined
      ? { list, before: null, pageSize: DEFAULT_PAGE_SIZE, filters }
      : tokens.open(accountId, list, pageToken);
  const others = otherFilters(filters, place.filters);
  if (others.length > 0) throw new InvalidRequest(others);

  const here = { ...place, pageSize: pageSize ?? place.pageSize };
  return {
    filter: fromText(place.filters) as F,
    page: { limit: here.pageSize, before: here.before },
    paginate: ({ next }) => ({
      next: next === null ? null : tokens.seal(accountId, { ...here, before: next }),
      self: tokens.seal(accountId, here),
    }),
  };
}

/**
 * For the handler of a list: a query that breaks its schema hears of its page token too.
 *
 * @param list its name, or how it comes of the request's path.
 */
export function AlsoTellsOfToken(
  list: string | ((params: BrokenRequest['params']) => string),
  schema: z.ZodObject,
): MethodDecorator {
  return AlsoTells(({ accountId, query, params, named }, of) => {
    const given = Object.entries((query ?? {}) as Record<string, unknown>);
    const shape = schema.shape as Readonly<Record<string, z.ZodType>>;
    const good = given.flatMap(([name, value]) => {
      const parsed = named.has(`$.${name}`) ? undefined : shape[name]?.safeParse(value);
      return parsed?.success === true ? [[name, parsed.data] as const] : [];
    });
    const name = typeof list === 'string' ? list : list(params);
    listing(of(PageTokens), accountId, name, Object.fromEntries(good) as ListQuery);
  });
}

function otherFilters(given: Record<string, string>, sealed: Record<string, string>): Fault[] {
  return Object.entries(given)
    .filter(([name, value]) => sealed[name] !== value)
    .map(([name]) => ({
      message: 'The page token carries another value of this filter.',
      context: `$.${name}`,
    }));
}

function toText(filters: Record<string, FilterValue>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(filters).flatMap(([name, value]) =>
      value === undefined
        ? []
        : [[name, value instanceof Date ? value.toISOString() : String(value)] as const],
    ),
  );
}

function fromText(filters: Record<string, string>): Record<string, FilterValue> {
  return Object.fromEntries(
    Object.entries(filters).map(([name, value]): [string, FilterValue] => {
      if (DATES.includes(name)) return [name, new Date(value)];
      return [name, BOOLEANS.includes(name) ? value === 'true' : value];
    }),
  );
}
