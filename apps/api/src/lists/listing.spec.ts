import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { InvalidRequest, newId } from '@app/domain';
import { listing } from './listing.js';
import { PageTokens } from './page-tokens.js';

const keys = [{ key: randomBytes(32) }, { key: randomBytes(32) }] as const;
const tokens = new PageTokens(keys);
const account = newId();
const next = newId();
const startDate = new Date('2026-04-20T14:22:00.123Z');

function tokenOf(query: object): string {
  const { pagination } = open(query);
  return pagination.next!;
}

function open(query: object, with_: { account?: string; list?: string; tokens?: PageTokens } = {}) {
  const { filter, page, paginate } = listing(
    with_.tokens ?? tokens,
    with_.account ?? account,
    with_.list ?? 'pushes',
    query as { status?: string; startDate?: Date },
  );
  return { filter, page, pagination: paginate({ items: [], next }) };
}

const refused = (query: object, with_ = {}): string[] => {
  try {
    open(query, with_);
  } catch (error) {
    if (error instanceof InvalidRequest) return error.faults.map(({ context }) => context);
    throw error;
  }
  return [];
};

describe('listing', () => {
  it('without a token: the filters given, 50 a page, from the top', () => {
    expect(open({ status: 'SENT' })).toMatchObject({
      filter: { status: 'SENT' },
      page: { limit: 50, before: null },
    });
    expect(open({ pageSize: 7 }).page.limit).toBe(7);
  });

  it('a token carries place, filters and page size', () => {
    const pageToken = tokenOf({ status: 'SENT', startDate, pageSize: 7 });
    expect(open({ pageToken })).toMatchObject({
      filter: { status: 'SENT', startDate },
      page: { limit: 7, before: next },
    });
    expect(open({ pageToken, pageSize: 9 }).page).toEqual({ limit: 9, before: next });
    const { self } = open({ pageToken }).pagination;
    expect(open({ pageToken: self }).page).toEqual({ limit: 7, before: next });
  });

  it('the last page has no next', () => {
    const { paginate } = listing(tokens, account, 'pushes', {});
    expect(paginate({ items: [], next: null }).next).toBeNull();
  });

  it('the same filters again are fine, others are a fault', () => {
    const pageToken = tokenOf({ status: 'SENT', startDate });
    expect(refused({ pageToken, status: 'SENT', startDate })).toEqual([]);
    expect(refused({ pageToken, status: 'FAILED' })).toEqual(['$.status']);
    expect(refused({ pageToken, startDate: new Date(0) })).toEqual(['$.startDate']);
    expect(refused({ pageToken: tokenOf({}), status: 'SENT' })).toEqual(['$.status']);
  });

  it('a token of another account, list or key is a fault', () => {
    const pageToken = tokenOf({});
    expect(refused({ pageToken }, { account: newId() })).toEqual(['$.pageToken']);
    expect(refused({ pageToken }, { list: 'operations' })).toEqual(['$.pageToken']);
    const others = new PageTokens([{ key: randomBytes(32) }]);
    expect(refused({ pageToken }, { tokens: others })).toEqual(['$.pageToken']);
  });

  it('a changed bit anywhere is a fault', () => {
    const token = Buffer.from(tokenOf({ status: 'SENT' }), 'base64url');
    for (const at of token.keys()) {
      const forged = Buffer.from(token);
      forged[at]! ^= 1;
      expect(refused({ pageToken: forged.toString('base64url') })).toEqual(['$.pageToken']);
    }
    for (const pageToken of ['', 'x', '=', token.subarray(0, 16).toString('base64url')]) {
      expect(refused({ pageToken })).toEqual(['$.pageToken']);
    }
  });

  it('survives a rotation: any key of the ring verifies', () => {
    const rotated = new PageTokens([{ key: randomBytes(32) }, keys[0]]);
    expect(open({ pageToken: tokenOf({}) }, { tokens: rotated }).page.before).toBe(next);
  });
});
