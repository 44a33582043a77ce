import { expect } from '@jest/globals';
import { ErrorBody, ResourceAccepted } from '@app/contract';
import type { Answer, Client } from './gateway.js';

/** A 202 whose `Location` is where the resource is; gives its id. */
export function expectAccepted({ status, headers, body }: Answer): string {
  expect([status, body]).toEqual([202, body]);
  const { resourceId, resourceLocation } = ResourceAccepted.parse(body);
  expect(headers.get('location')).toBe(resourceLocation);
  expect(resourceLocation.endsWith(`/${resourceId}`)).toBe(true);
  return resourceId;
}

const CODES: Record<number, number> = { 400: 70002, 403: 20403, 404: 20404, 409: 20409 };

/** A failure of this status in the contract's form; gives the contexts of its faults. */
export function expectRefused({ status, body }: Answer, expected: number): string[] {
  expect([status, body]).toEqual([expected, body]);
  const { code, errors } = ErrorBody.parse(body);
  expect(code).toBe(CODES[expected]);
  return errors.map(({ context }) => context);
}

let tokens = 0;

/** Registers a token, a new one unless said otherwise; gives registration and user. */
export async function register(
  client: Client,
  over: Record<string, unknown> = {},
): Promise<{ id: string; userId: string; token: string }> {
  const body = { appName: 'shop', provider: 'FCM', token: `token-${tokens++}`, ...over };
  const id = expectAccepted(await client.post('DeviceRegistrations', body));
  const { userId } = (await client.get(`DeviceRegistrations/${id}`)).body;
  return { id, userId, token: body.token };
}

/** Walks a list by its `next` tokens, two items a page. */
export async function everyPage(
  client: Client,
  path: string,
  member: string,
  query: Record<string, string> = {},
): Promise<{ [field: string]: unknown }[]> {
  const all: { [field: string]: unknown }[] = [];
  let pageQuery: Record<string, string> = { ...query, pageSize: '2' };
  for (;;) {
    const { status, body } = await client.get(path, { query: pageQuery });
    expect([status, body]).toEqual([200, body]);
    all.push(...body[member]);
    if (body.pagination.next === null) return all;
    expect(body[member]).toHaveLength(2);
    pageQuery = { pageToken: body.pagination.next };
  }
}
