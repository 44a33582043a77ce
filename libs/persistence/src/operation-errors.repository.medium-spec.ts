import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { formatId, newId, NotFound } from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import type { OperationErrorsPage } from './operation-errors.repository.js';
import type { Tenant } from './testing.js';

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore();
  tenant = await store.tenant();
});

afterAll(() => store?.drop());

async function pages(operationId: string, limit: number) {
  const found: unknown[] = [];
  const sizes: number[] = [];
  let before: string | null = null;
  do {
    const page: OperationErrorsPage = await store.errors.list(tenant.accountId, operationId, {
      limit,
      before,
    });
    found.push(...page.items.map(({ to }) => ('userId' in to ? to.userId : to.token)));
    sizes.push(page.items.length);
    before = page.next;
  } while (before !== null);
  return { found, sizes };
}

describe('list', () => {
  it.each([
    [1, [1, 1, 1, 1, 1, 1]],
    [2, [2, 2, 2]],
    [3, [3, 3]],
    [4, [4, 2]],
    [6, [6]],
    [50, [6]],
  ])('failed pushes newest first, then users, %i a page', async (limit, sizes) => {
    const users = ['x', 'y', 'z'].map(() => ({ id: newId(), variables: null }));
    const id = await store.accept(tenant, 4, { recipients: 7, users });
    const claims = await store.claim(await store.idsOf(id));
    await store.settle([claims[0]!, claims[2]!, claims[3]!], true);
    await store.settle([claims[1]!]);
    expect(await pages(id, limit)).toEqual({
      found: ['token-3', 'token-2', 'token-0', ...users.map((user) => formatId('user', user.id))],
      sizes,
    });
  });

  it('says what went wrong and when', async () => {
    const user = { id: newId(), variables: null };
    const id = await store.accept(tenant, 1, { recipients: 2, users: [user] });
    await store.settle(await store.claim(await store.idsOf(id)), true);
    const { items, next } = await store.errors.list(tenant.accountId, id, {
      limit: 5,
      before: null,
    });
    const [pushId] = await store.idsOf(id);
    expect(next).toBeNull();
    expect(items).toEqual([
      {
        pushId,
        to: { provider: 'FCM', token: 'token-0', variables: { name: 'name 0' } },
        code: 71001,
        message: 'gone',
        at: expect.any(Date),
      },
      {
        pushId: null,
        to: { userId: formatId('user', user.id) },
        code: 71012,
        message: expect.stringContaining('user'),
        at: expect.any(Date),
      },
    ]);
  });

  it('is empty where nothing failed, and unknown elsewhere', async () => {
    const id = await store.accept(tenant, 1);
    expect(await pages(id, 5)).toEqual({ found: [], sizes: [0] });
    const page = { limit: 5, before: null };
    await expect(store.errors.list(tenant.accountId, newId(), page)).rejects.toThrow(NotFound);
    await expect(store.errors.list(newId(), id, page)).rejects.toThrow(NotFound);
  });
});
