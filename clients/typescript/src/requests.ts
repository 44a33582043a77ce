import type { Pagination } from './contract.js';
import { Listing } from './listing.js';
import { newIdempotencyKey } from './transport.js';
import type { CallOptions, Transport } from './transport.js';

/** A query with the values that a caller has at hand in place of their spelling. */
export type Query<Q> = {
  [Name in keyof Q]: Name extends 'startDate' | 'endDate'
    ? Q[Name] | Date
    : Name extends 'tags'
      ? Q[Name] | Record<string, string>
      : Q[Name];
};

export interface OnceOptions extends CallOptions {
  /** Left out, each call has a key of its own, so that its repetitions cannot double it. */
  idempotencyKey?: string | undefined;
}

/** The verbs that the resources are made of. */
export class Requests {
  constructor(private readonly transport: Transport) {}

  get<T>(path: string, options?: CallOptions): Promise<T> {
    return this.transport.send({ method: 'GET', path, repeatable: true }, options);
  }

  change<T>(
    method: 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    options?: CallOptions,
  ): Promise<T> {
    return this.transport.send({ method, path, body, repeatable: true }, options);
  }

  /** A POST that may be repeated, for it does nothing or the same again. */
  ask<T>(path: string, body?: unknown, options?: CallOptions): Promise<T> {
    return this.transport.send({ method: 'POST', path, body, repeatable: true }, options);
  }

  /** A POST that makes another one each time. */
  make<T>(path: string, body: unknown, options?: CallOptions): Promise<T> {
    return this.transport.send({ method: 'POST', path, body, repeatable: false }, options);
  }

  /** A POST that the gateway does once for its key. */
  once<T>(path: string, body: unknown, options: OnceOptions = {}): Promise<T> {
    const { idempotencyKey = newIdempotencyKey() } = options;
    return this.transport.send(
      { method: 'POST', path, body, idempotencyKey, repeatable: true },
      options,
    );
  }

  list<Page extends { pagination: Pagination }, Item>(
    path: string,
    query: object,
    itemsOf: (page: Page) => readonly Item[],
    options?: CallOptions,
  ): Listing<Page, Item> {
    return new Listing(
      (pageToken) =>
        this.transport.send(
          // A token carries the filters.
          {
            method: 'GET',
            path,
            query: pageToken === undefined ? query : { pageToken },
            repeatable: true,
          },
          options,
        ),
      itemsOf,
    );
  }
}

/** @param segments of a path, of which only the first is ours. */
export function pathOf(...segments: string[]): string {
  return segments.map((segment) => encodeURIComponent(segment)).join('/');
}
