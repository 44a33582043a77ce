import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { OperationList, PushNotificationList } from '@app/contract';
import { startGateway, storeCredential } from './gateway.js';
import type { Client, Gateway } from './gateway.js';

let gateway: Gateway;
let client: Client;
const operations: string[] = [];

beforeAll(async () => {
  gateway = await startGateway();
  client = gateway.client;
  await storeCredential(client, 'FCM');
  await storeCredential(client, 'APN');
  for (let i = 0; i < 6; i++) operations.push(await send(4));
});

afterAll(() => gateway?.stop());

let sent = 0;
async function send(count: number): Promise<string> {
  const to = Array.from({ length: count }, (_, i) => ({
    token: `t-${sent++}`,
    provider: i % 2 === 0 ? 'FCM' : 'APN',
  }));
  const { status, body } = await client.post('/v1/PushNotifications', {
    to,
    content: { body: 'B' },
  });
  expect(status).toBe(202);
  return body.operationId;
}

async function pushes(query: Record<string, string> = {}) {
  const { status, body } = await client.get('/v1/PushNotifications', { query });
  expect(status).toBe(200);
  return PushNotificationList.parse(body);
}

async function refusal(path: string, query: Record<string, string>): Promise<string[]> {
  const { status, body } = await client.get(path, { query });
  expect([status, body.code]).toEqual([400, 70002]);
  return body.errors.map(({ context }: { context: string }) => context);
}

describe('pages', () => {
  it('neither skip nor repeat while rows are added', async () => {
    const before = (await pushes({ pageSize: '1000' })).pushNotifications.map(({ id }) => id);
    const seen: string[] = [];
    let query: Record<string, string> = { pageSize: '5' };
    for (;;) {
      const { pushNotifications, pagination } = await pushes(query);
      seen.push(...pushNotifications.map(({ id }) => id));
      if (pagination.next === null) break;
      expect(pushNotifications).toHaveLength(5);
      await send(2);
      query = { pageToken: pagination.next };
    }
    expect(seen).toEqual(before);
  });

  it('come newest first, 50 at a time when nothing is said', async () => {
    await send(60);
    const { pushNotifications, pagination } = await pushes();
    expect(pushNotifications).toHaveLength(50);
    expect(pushNotifications[0]?.to.token).toBe(`t-${sent - 1}`);
    const ids = pushNotifications.map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted().reverse());
    // `self` lists the same page again.
    const [operationId] = operations;
    const first = await pushes({ operationId: operationId!, pageSize: '3' });
    const second = await pushes({ pageToken: first.pagination.next! });
    const again = await pushes({ pageToken: second.pagination.self });
    expect(again.pushNotifications).toEqual(second.pushNotifications);
    expect(pagination.next).not.toBeNull();
  });

  it('keep the filters of their token', async () => {
    const [operationId, other] = operations as [string, string];
    const first = await pushes({ operationId, pageSize: '3' });
    const next = first.pagination.next!;
    const rest = await pushes({ pageToken: next });
    expect(rest.pushNotifications).toHaveLength(1);
    expect(rest.pushNotifications[0]).toMatchObject({ operationId });
    expect(rest.pagination.next).toBeNull();
    expect(await pushes({ pageToken: next, operationId, pageSize: '10' })).toMatchObject({
      pushNotifications: rest.pushNotifications,
    });
    expect(await refusal('/v1/PushNotifications', { pageToken: next, operationId: other })).toEqual(
      ['$.operationId'],
    );
    expect(await refusal('/v1/PushNotifications', { pageToken: next, status: 'SENT' })).toEqual([
      '$.status',
    ]);
  });

  it('refuse a token that is forged, another list’s or another account’s', async () => {
    const { pagination } = await pushes({ pageSize: '2' });
    const next = pagination.next!;
    const forged = Buffer.from(next, 'base64url');
    forged[forged.length - 3]! ^= 1;
    const stranger = await gateway.otherAccount();
    const theirs = await stranger.get('/v1/PushNotifications', { query: { pageToken: next } });
    expect(theirs.status).toBe(400);
    for (const pageToken of [forged.toString('base64url'), 'x', `${next}=`, next.slice(0, 30)]) {
      expect(await refusal('/v1/PushNotifications', { pageToken })).toEqual(['$.pageToken']);
    }
    expect(await refusal('Operations', { pageToken: next })).toEqual(['$.pageToken']);
  });
});

describe('filters', () => {
  it('by operation, status and provider', async () => {
    const [operationId] = operations as [string];
    const all = await pushes({ operationId });
    expect(all.pushNotifications).toHaveLength(4);
    const apn = await pushes({ operationId, provider: 'APN', status: 'QUEUED' });
    expect(apn.pushNotifications.map(({ to }) => to.provider)).toEqual(['APN', 'APN']);
    expect((await pushes({ operationId, status: 'SENT' })).pushNotifications).toEqual([]);
    const unknown = 'comms_operation_01h2xcejqtf2nbrexx3vqjhp41';
    expect((await pushes({ operationId: unknown })).pushNotifications).toEqual([]);
  });

  it('by creation: both ends inclusive, also with the second that answers show', async () => {
    const { pushNotifications } = await pushes({ pageSize: '1' });
    const [newest] = pushNotifications;
    const at = newest!.createdAt;
    const sameSecond = await pushes({ startDate: at, endDate: at });
    expect(sameSecond.pushNotifications.map(({ id }) => id)).toContain(newest!.id);
    const day = at.slice(0, 10);
    expect((await pushes({ startDate: day, endDate: day })).pushNotifications).not.toEqual([]);
    expect((await pushes({ endDate: '2020-01-01' })).pushNotifications).toEqual([]);
    expect((await pushes({ startDate: '2999-01-01' })).pushNotifications).toEqual([]);
    const { body } = await client.get('Operations', { query: { startDate: at, endDate: day } });
    expect(OperationList.parse(body).operations.length).toBeGreaterThan(0);
  });

  it.each([
    [{ pageSize: '0' }, ['$.pageSize']],
    [{ pageSize: '1001' }, ['$.pageSize']],
    [{ pageSize: '1e2' }, ['$.pageSize']],
    [{ pageSize: '' }, ['$.pageSize']],
    [{ status: 'sent' }, ['$.status']],
    [{ provider: 'HMS' }, ['$.provider']],
    [{ operationId: 'nope' }, ['$.operationId']],
    [{ startDate: '2026-02-30' }, ['$.startDate']],
    [{ startDate: 'yesterday' }, ['$.startDate']],
    [{ startDate: '2026-02-02', endDate: '2026-02-01' }, ['$.endDate']],
    [{ tags: 'a', user: 'x' }, ['$.tags', '$.user']],
    [{ errorCode: '0' }, ['$.errorCode']],
    [{ errorCode: 'EXPIRED' }, ['$.errorCode']],
  ])('%j → 400', async (query, expected) => {
    expect(await refusal('/v1/PushNotifications', query as Record<string, string>)).toEqual(
      expected,
    );
  });

  it('given twice → 400', async () => {
    expect(await refusal('/v1/PushNotifications?status=SENT&status=FAILED', {})).toEqual([
      '$.status',
    ]);
  });
});

describe('operations', () => {
  it('are listed newest first, by status, in pages', async () => {
    const { body } = await client.get('Operations', {
      query: { pageSize: '2', status: 'PROCESSING' },
    });
    const page = OperationList.parse(body);
    const second = await client.get('Operations', { query: { pageToken: page.pagination.next! } });
    const ids = [...page.operations, ...OperationList.parse(second.body).operations].map(
      ({ id }) => id,
    );
    expect(ids).toHaveLength(4);
    expect(ids).toEqual(ids.toSorted().reverse());
    const done = await client.get('Operations', { query: { status: 'COMPLETED' } });
    expect(OperationList.parse(done.body)).toMatchObject({
      operations: [],
      pagination: { next: null },
    });
  });
});
