import type { Pagination } from './contract.js';

/**
 * A list that was asked for: awaited it is its first page, iterated it is every item of every page.
 * Nothing is sent before one of both, and a page only when it is needed.
 */
export class Listing<Page extends { pagination: Pagination }, Item>
  implements PromiseLike<Page>, AsyncIterable<Item>
{
  constructor(
    /** @param pageToken of the page to get; undefined for the first. */
    private readonly fetchPage: (pageToken?: string) => Promise<Page>,
    private readonly itemsOf: (page: Page) => readonly Item[],
  ) {}

  then<Fulfilled = Page, Rejected = never>(
    onFulfilled?: ((page: Page) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    return this.fetchPage().then(onFulfilled, onRejected);
  }

  /** Page after page; with rare filters one may be short or even empty, and others still follow. */
  async *pages(): AsyncGenerator<Page, void, undefined> {
    for (let page = await this.fetchPage(); ;) {
      yield page;
      const { next } = page.pagination;
      if (next === null) return;
      page = await this.fetchPage(next);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    for await (const page of this.pages()) yield* this.itemsOf(page);
  }
}
