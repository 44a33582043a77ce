import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ErrorBody, Operation, OperationErrorList, ResourceAccepted } from '@app/contract';
import { parseId } from '@app/domain';
import { Store } from '../../libs/persistence/src/testing.js';
import { startGateway, storeCredential } from './gateway.js';
import type { Answer, Client, Gateway } from './gateway.js';

let gateway: Gateway;
let client: Client;
/** Stands in for the worker: dispatches, claims and settles. */
let store: Store;

const USER = 'comms_pushnotificationuser_01h2xcejqtf2nbrexx3vqjhp41';

beforeAll(async () => {
  gateway = await startGateway();
  client = gateway.client;
  await storeCredential(client, 'FCM');
  store = new Store(gateway.database.appUrl, { poolSize: 3 });
});

afterAll(async () => {
  await store?.db.close();
  await gateway?.stop();
});

// Counters and windows add up after each.
afterEach(async () => expect(await store.discrepancies()).toEqual([]));

async function send(count: number, more: object = {}): Promise<string> {
  const to = Array.from({ length: count }, (_, i) => ({ token: `t-${i}`, provider: 'FCM' }));
  const { status, body } = await client.post('/v1/PushNotifications', {
    to,
    content: { body: 'B' },
    ...more,
  });
  expect(status).toBe(202);
  return body.operationId;
}

const tomorrow = () => ({ sendAt: [new Date(Date.now() + 86_400_000).toISOString()] });
const operation = async (id: string) =>
  Operation.parse((await client.get(`Operations/${id}`)).body);
const uuid = (id: string) => parseId('operation', id)!;

async function pushIds(operationId: string, status?: string): Promise<string[]> {
  const { body } = await client.get('/v1/PushNotifications', {
    query: { operationId, pageSize: '1000', ...(status === undefined ? {} : { status }) },
  });
  return body.pushNotifications.map(({ id }: { id: string }) => id).reverse();
}

/** Hands everything over and settles those of the operation at `places`. */
async function settle(operationId: string, places: readonly number[], failing: boolean) {
  await store.dispatchAll('small');
  const ids = await store.idsOf(uuid(operationId));
  await store.settle(await store.claim(places.map((at) => ids[at]!)), failing);
}

function accepted(answer: Answer, path: string, resourceId: string): void {
  expect(answer.status).toBe(202);
  const body = ResourceAccepted.parse(answer.body);
  expect(body.resourceId).toBe(resourceId);
  expect(new URL(body.resourceLocation).pathname).toBe(`/v1/PushNotifications/${path}`);
  expect(answer.headers.get('location')).toBe(body.resourceLocation);
}

function refused({ status, body }: Answer, expected: number): void {
  expect(status).toBe(expected);
  expect(ErrorBody.parse(body)).toMatchObject({ status: expected, code: 20_000 + expected });
}

describe('a scheduled send', () => {
  it('waits, says for when, and keeps the instant of its zone', async () => {
    const at = new Date(Math.floor(Date.now() / 1_000) * 1_000 + 3_600_000);
    const utc = at.toISOString().replace('.000', '');
    const local = new Date(at.getTime() + 7_200_000).toISOString().replace('.000Z', '+02:00');
    for (const sendAt of [[utc], utc, [utc.slice(0, -1)], local]) {
      const id = await send(2, { schedule: { sendAt } });
      expect(await operation(id)).toMatchObject({
        status: 'SCHEDULED',
        scheduledFor: utc,
        completedAt: null,
        stats: { scheduled: 2, queued: 0 },
      });
      const [push] = await pushIds(id, 'SCHEDULED');
      expect((await client.get(push!)).body).toMatchObject({ scheduledFor: utc });
    }
  });

  it.each([
    ['in the past', () => new Date(Date.now() - 1_000).toISOString()],
    ['over 30 days ahead', () => new Date(Date.now() + 30 * 86_400_000 + 5_000).toISOString()],
    ['a bare date', () => '2999-01-01'],
    ['no date', () => 'tomorrow'],
    ['two of them', () => ['2999-01-01T00:00:00Z', '2999-01-02T00:00:00Z']],
    ['none of them', () => []],
    ['a number', () => 5],
  ])('%s → 400', async (_, sendAt) => {
    const { status, body } = await client.post('/v1/PushNotifications', {
      to: [{ token: 't', provider: 'FCM' }],
      content: { body: 'B' },
      schedule: { sendAt: sendAt() },
    });
    expect(status).toBe(400);
    expect(ErrorBody.parse(body).errors.map(({ context }) => context)).toEqual([
      '$.schedule.sendAt',
    ]);
  });
});

describe('DELETE of an operation', () => {
  it('cancels what waits for its time', async () => {
    const id = await send(3, { schedule: tomorrow() });
    accepted(await client.delete(`Operations/${id}`), `Operations/${id}`, id);
    const canceled = await operation(id);
    expect(canceled).toMatchObject({ status: 'CANCELED', stats: { canceled: 3, scheduled: 0 } });
    expect(canceled.completedAt).not.toBeNull();
    refused(await client.delete(`Operations/${id}`), 409);
  });

  it('cancels what is not sent yet, and leaves what is sent and in flight', async () => {
    const id = await send(5);
    await settle(id, [0], false);
    const [, inFlight] = await store.idsOf(uuid(id));
    const claims = await store.claim([inFlight!]);
    accepted(await client.delete(`Operations/${id}`), `Operations/${id}`, id);
    expect(await operation(id)).toMatchObject({
      status: 'PROCESSING',
      stats: { sent: 1, queued: 1, canceled: 3 },
    });
    refused(await client.delete(`Operations/${id}`), 409);
    await store.settle(claims);
    expect(await operation(id)).toMatchObject({ status: 'COMPLETED', stats: { sent: 2 } });
    refused(await client.delete(`Operations/${id}`), 409);
  });
});

describe('DELETE of a push', () => {
  it('cancels it alone', async () => {
    const id = await send(3);
    const [, push] = await pushIds(id);
    accepted(await client.delete(push!), push!, push!);
    expect((await client.get(push!)).body).toMatchObject({ status: 'CANCELED', error: null });
    expect((await operation(id)).stats).toMatchObject({ canceled: 1, queued: 2 });
    refused(await client.delete(push!), 409);
  });
});

describe('Redrive', () => {
  it('of an operation: sends what failed again as the same resources', async () => {
    const id = await send(4);
    await settle(id, [0, 2], true);
    await settle(id, [1, 3], false);
    const failed = await pushIds(id, 'FAILED');
    expect((await operation(id)).completedAt).not.toBeNull();
    accepted(await client.post(`Operations/${id}/Redrive`, undefined), `Operations/${id}`, id);
    expect(await operation(id)).toMatchObject({
      status: 'PROCESSING',
      completedAt: null,
      stats: { queued: 2, sent: 2, failed: 0 },
    });
    expect(await pushIds(id, 'QUEUED')).toEqual(failed);
    expect((await client.get(failed[0]!)).body).toMatchObject({ attempts: 0, error: null });
    refused(await client.post(`Operations/${id}/Redrive`, undefined), 409);
    await settle(id, [0, 2], false);
    expect(await operation(id)).toMatchObject({ status: 'COMPLETED', stats: { sent: 4 } });
  });

  it('of a push: that one alone', async () => {
    const id = await send(2);
    await settle(id, [0, 1], true);
    const [push, other] = await pushIds(id, 'FAILED');
    accepted(await client.post(`${push}/Redrive`, undefined), push!, push!);
    expect(await pushIds(id, 'FAILED')).toEqual([other]);
    refused(await client.post(`${push}/Redrive`, undefined), 409);
  });

  it('happens once under one key; a refused one leaves the key free', async () => {
    const id = await send(2);
    const [push] = await pushIds(id);
    const redrive = (path: string) =>
      client.post(`${path}/Redrive`, undefined, {
        headers: { 'idempotency-key': `redrive ${id}` },
      });
    refused(await redrive(push!), 409);
    await settle(id, [0, 1], true);
    const answers = await Promise.all([redrive(push!), redrive(push!)]);
    for (const answer of answers) accepted(answer, push!, push!);
    expect(answers.map(({ headers }) => headers.get('idempotent-replayed')).sort()).toEqual(
      [null, 'true'].sort(),
    );
    await settle(id, [0], true);
    accepted(await redrive(push!), push!, push!);
    expect((await operation(id)).stats.failed).toBe(2);
    refused(await redrive(`Operations/${id}`), 422);
    const headers = { 'idempotency-key': `redrive ${id}` };
    const other = await client.post(`${push}/Redrive`, { force: true }, { headers });
    expect([other.status, other.body.errors]).toMatchObject([400, [{ context: '$.force' }]]);
    accepted(await client.post(`${push}/Redrive`, {}, { headers }), push!, push!);
  });
});

describe('Errors', () => {
  it('lists failed pushes, newest first, then users, in pages of one kind of token', async () => {
    const to = [
      ...Array.from({ length: 3 }, (_, i) => ({ token: `e-${i}`, provider: 'FCM' })),
      { userId: USER },
      { userId: USER },
    ];
    const id = await send(0, { to });
    await settle(id, [0, 2], true);
    const pages: OperationErrorList['errors'][] = [];
    let query: Record<string, string> = { pageSize: '3' };
    for (;;) {
      const { status, body } = await client.get(`Operations/${id}/Errors`, { query });
      expect(status).toBe(200);
      const page = OperationErrorList.parse(body);
      pages.push(page.errors);
      if (page.pagination.next === null) break;
      query = { pageToken: page.pagination.next };
    }
    expect(pages.map(({ length }) => length)).toEqual([3, 1]);
    const failed = await pushIds(id, 'FAILED');
    expect(pages.flat()).toMatchObject([
      { pushNotificationId: failed[1], to: { token: 'e-2', provider: 'FCM' }, code: 71001 },
      { pushNotificationId: failed[0], to: { token: 'e-0', provider: 'FCM' }, message: 'gone' },
      { pushNotificationId: null, to: { userId: USER }, code: 71012 },
      { pushNotificationId: null, to: { userId: USER }, code: 71012 },
    ]);
    // Good for this operation's list only.
    const other = await send(1);
    const first = await client.get(`Operations/${id}/Errors`, { query: { pageSize: '1' } });
    const foreign = await client.get(`Operations/${other}/Errors`, {
      query: { pageToken: first.body.pagination.next },
    });
    expect(foreign.status).toBe(400);
  });
});

describe('what is not there', () => {
  const calls = (operationId: string, push: string): [string, string][] => [
    ['DELETE', `Operations/${operationId}`],
    ['DELETE', push],
    ['POST', `Operations/${operationId}/Redrive`],
    ['POST', `${push}/Redrive`],
    ['GET', `Operations/${operationId}/Errors`],
  ];
  const call = (who: Client, [method, path]: [string, string], query = {}) =>
    method === 'DELETE'
      ? who.delete(path, { query })
      : method === 'GET'
        ? who.get(path, { query })
        : who.post(path, undefined, { query });

  it('answers 404: unknown, malformed, or another account’s', async () => {
    const id = await send(1);
    const [push] = await pushIds(id);
    const stranger = await gateway.otherAccount();
    for (const one of calls(id, push!)) refused(await call(stranger, one), 404);
    const unknown = calls(
      'comms_operation_01h2xcejqtf2nbrexx3vqjhp41',
      'comms_pushnotification_01h2xcejqtf2nbrexx3vqjhp41',
    );
    for (const one of [...unknown, ...calls('nope', 'nope')]) refused(await call(client, one), 404);
    expect((await operation(id)).stats).toMatchObject({ queued: 1 });
  });

  it('answers 400 for query parameters that nobody knows', async () => {
    const id = await send(1);
    const [push] = await pushIds(id);
    for (const one of calls(id, push!)) {
      const { status, body } = await call(client, one, { force: '1' });
      expect(status).toBe(400);
      expect(body.errors).toMatchObject([{ context: '$.force' }]);
    }
  });
});
