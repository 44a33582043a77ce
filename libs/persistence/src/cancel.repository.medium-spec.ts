import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Conflict, newId, NotFound } from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import type { ClaimedPush, PushSettlement } from './delivery.repository.js';
import { settlementOf, type Tenant } from './testing.js';

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore({ window: 50, poolSize: 12 });
});

afterAll(() => store?.drop());

beforeEach(async () => {
  await store.db.query('DELETE FROM operation_parts');
  await store.db.query('UPDATE credential_windows SET outstanding = 0');
  tenant = await store.tenant();
});

afterEach(async () => expect(await store.discrepancies()).toEqual([]));

const statsOf = async (id: string) => (await store.operations.find(tenant.accountId, id))!;
const cancel = (operationId: string) => store.cancels.cancel(tenant.accountId, { operationId });

describe('cancel of an operation', () => {
  it('takes what is scheduled', async () => {
    const id = await store.accept(tenant, 3, { scheduledFor: new Date(Date.now() + 60_000) });
    expect(await cancel(id)).toBe(3);
    const operation = await statsOf(id);
    expect(operation).toMatchObject({ status: 'CANCELED', stats: { canceled: 3, scheduled: 0 } });
    expect(operation.completedAt).not.toBeNull();
  });

  it('takes what is queued, gives its room back and leaves what is in flight', async () => {
    const id = await store.accept(tenant, 80);
    const handedOver = await store.dispatchAll('small');
    expect(await store.outstanding(tenant.fcm)).toBe(50);
    const claims = await store.claim(handedOver.slice(0, 4).map((push) => push.id));
    expect(await cancel(id)).toBe(76);
    expect(await store.outstanding(tenant.fcm)).toBe(4);
    expect(await statsOf(id)).toMatchObject({
      status: 'PROCESSING',
      completedAt: null,
      stats: { canceled: 76, queued: 4 },
    });
    expect(await store.dispatchAll('small')).toEqual([]);
    await store.settle(claims);
    expect(await statsOf(id)).toMatchObject({ status: 'COMPLETED', stats: { sent: 4 } });
  });

  it('keeps when a push was handed over, and says so of no other', async () => {
    const id = await store.accept(tenant, 51);
    const later = await store.accept(tenant, 1, {
      scheduledFor: new Date(Date.now() + 60_000),
    });
    await store.dispatchAll('small');
    const historyOf = async (pushId: string) =>
      (await store.pushes.find(tenant.accountId, pushId))!.history;
    const ids = await store.idsOf(id);
    const { dispatchedAt } = await historyOf(ids[49]!);
    expect(dispatchedAt).not.toBeNull();
    await cancel(id);
    await cancel(later);
    expect((await historyOf(ids[49]!)).dispatchedAt).toEqual(dispatchedAt);
    for (const never of [ids[50]!, ...(await store.idsOf(later))])
      expect((await historyOf(never)).dispatchedAt).toBeNull();
  });

  it('takes a push whose lease ran out', async () => {
    const id = await store.accept(tenant, 1);
    const [push] = await store.dispatchAll('small');
    await store.claim([push!.id], -1);
    expect(await cancel(id)).toBe(1);
    // The provider may have it: nobody will ever tell, and whoever counts arrivals has to know.
    const rows = await store.db.query(
      'SELECT lease_lost FROM push_notifications WHERE operation_id = $1',
      [id],
    );
    expect(rows).toEqual([{ lease_lost: true }]);
  });

  it('is refused when everything is in flight, over, or not there', async () => {
    const id = await store.accept(tenant, 2);
    const claims = await store.claim((await store.dispatchAll('small')).map((push) => push.id));
    await expect(cancel(id)).rejects.toThrow(Conflict);
    await store.settle(claims);
    await expect(cancel(id)).rejects.toThrow(Conflict);
    await expect(cancel(newId())).rejects.toThrow(NotFound);
    const other = await store.tenant();
    await expect(store.cancels.cancel(other.accountId, { operationId: id })).rejects.toThrow(
      NotFound,
    );
  });

  it('leaves a canceled push alone for good: neither claimed, dispatched nor settled', async () => {
    const id = await store.accept(tenant, 2);
    const ids = (await store.dispatchAll('small')).map((push) => push.id);
    const [claim] = await store.claim(ids.slice(0, 1), -1);
    await cancel(id);
    expect(await store.deliveries.claim(ids, 1_000)).toEqual([
      { state: 'over' },
      { state: 'over' },
    ]);
    await store.settle([claim!]);
    expect(await statsOf(id)).toMatchObject({
      status: 'CANCELED',
      stats: { canceled: 2, sent: 0 },
    });
  });
});

describe('what was in flight when all of its operation was canceled', () => {
  async function inFlight(): Promise<{ id: string; claims: ClaimedPush[] }> {
    const id = await store.accept(tenant, 6);
    const ids = (await store.dispatchAll('small')).map((push) => push.id);
    return { id, claims: await store.claim(ids.slice(0, 4)) };
  }
  const settle = (claims: ClaimedPush[], over: Partial<PushSettlement>) =>
    store.deliveries.settle(claims.map((claim) => settlementOf(claim, over)));

  it('is canceled when it would come back, and ends as it did otherwise', async () => {
    const { id, claims } = await inFlight();
    expect(await cancel(id)).toBe(2);
    const [back, again] = claims;
    const over = { to: 'QUEUED', dueInMs: 60_000 } as const;
    expect(await settle([back!, again!], over)).toMatchObject({
      changed: new Set([back!.id, again!.id]),
      canceled: new Set([back!.id, again!.id]),
    });
    // As a worker does that has not heard of its commit.
    expect(await settle([back!], over)).toMatchObject({
      changed: new Set(),
      canceled: new Set([back!.id]),
    });
    const sent = await settle(claims.slice(2, 3), { to: 'SENT' });
    expect(sent.canceled).toEqual(new Set());
    await settle(claims.slice(3), { to: 'FAILED', errorCode: 71001, errorMessage: 'gone' });
    const operation = await statsOf(id);
    expect(operation).toMatchObject({
      status: 'COMPLETED',
      stats: { canceled: 4, sent: 1, failed: 1, queued: 0 },
    });
    expect(operation.completedAt).not.toBeNull();
    expect(await store.outstanding(tenant.fcm)).toBe(0);
    expect(await store.deliveries.claim([back!.id], 1_000)).toEqual([{ state: 'over' }]);
  });

  it('is not sent again when its worker vanished', async () => {
    const { id, claims } = await inFlight();
    await cancel(id);
    await store.db.query(
      `UPDATE push_notifications SET lease_until = now() - interval '1 s' WHERE id = $1`,
      [claims[0]!.id],
    );
    const [again] = await store.claim([claims[0]!.id]);
    expect(again).toMatchObject({ leaseLost: true, isCanceled: true });
    await settle([again!, ...claims.slice(1)], { to: 'QUEUED' });
    expect(await statsOf(id)).toMatchObject({ status: 'CANCELED', stats: { canceled: 6 } });
  });

  it('comes back when another try of the operation was asked for since', async () => {
    const { id, claims } = await inFlight();
    await cancel(id);
    await settle(claims.slice(0, 1), { to: 'FAILED', errorCode: 71001, errorMessage: 'gone' });
    await store.redrives.redrive(tenant.accountId, { operationId: id });
    await settle(claims.slice(1), { to: 'QUEUED' });
    expect((await statsOf(id)).stats).toMatchObject({ canceled: 2, queued: 4 });
  });

  it('comes back when only another push was canceled, or the cancel was refused', async () => {
    const { id, claims } = await inFlight();
    const [other] = (await store.idsOf(id)).slice(5);
    await store.cancels.cancel(tenant.accountId, { pushId: other! });
    const rest = (await store.idsOf(id)).slice(4, 5);
    claims.push(...(await store.claim(rest)));
    await expect(cancel(id)).rejects.toThrow(Conflict);
    await settle(claims, { to: 'QUEUED' });
    expect((await statsOf(id)).stats).toMatchObject({ canceled: 1, queued: 5 });
  });
});

describe('cancel of one push', () => {
  it('takes it alone, once', async () => {
    const id = await store.accept(tenant, 3);
    const [first, second] = (await store.dispatchAll('small')).map((push) => push.id);
    const one = (pushId: string) => store.cancels.cancel(tenant.accountId, { pushId });
    expect(await one(second!)).toBe(1);
    expect(await store.idsOf(id, 'CANCELED')).toEqual([second]);
    await expect(one(second!)).rejects.toThrow(Conflict);
    await store.claim([first!]);
    await expect(one(first!)).rejects.toThrow(Conflict);
    await expect(one(newId())).rejects.toThrow(NotFound);
    const other = await store.tenant();
    await expect(store.cancels.cancel(other.accountId, { pushId: first! })).rejects.toThrow(
      NotFound,
    );
  });
});

describe('races', () => {
  it('cancel against dispatch: a turn that waits for the cancel hands over nothing of it', async () => {
    const id = await store.accept(tenant, 20);
    const blocker = await store.db.pool.connect();
    await blocker.query('BEGIN');
    // Cancel stands behind this with operation, parts and rows in its hands.
    await blocker.query('SELECT FROM credential_windows WHERE credential_id = $1 FOR UPDATE', [
      tenant.fcm,
    ]);
    const [push] = await store.idsOf(id);
    await store.db.query(
      'UPDATE operation_parts SET dispatched_through = $1 WHERE operation_id = $2',
      [push, id],
    );
    await blocker.query('UPDATE credential_windows SET outstanding = 1 WHERE credential_id = $1', [
      tenant.fcm,
    ]);
    const canceling = cancel(id);
    await store.untilWaiting(1);
    const dispatching = store.dispatchAll('small');
    await store.untilWaiting(2);
    await blocker.query('COMMIT');
    blocker.release();
    expect(await canceling).toBe(20);
    expect(await dispatching).toEqual([]);
    expect(await store.outstanding(tenant.fcm)).toBe(0);
  });

  it('cancel against dispatch, claims and settlements, all at once', async () => {
    for (let round = 0; round < 8; round++) {
      const id = await store.accept(tenant, 60);
      const deliver = async () => {
        for (let turn = 0; turn < 3; turn++) {
          const handedOver = await store.dispatchAll('small', 15);
          const claims = await store.claim(handedOver.map((push) => push.id).reverse());
          await store.settle(claims, turn === 1);
        }
      };
      const results = await Promise.allSettled([deliver(), cancel(id), deliver(), cancel(id)]);
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(Conflict);
      }
      await deliver();
      await deliver();
      const { stats } = await statsOf(id);
      expect(stats.queued).toBe(0);
      expect(await store.sweeps.pass((pass) => pass.auditWindows())).toBe(0);
    }
  });
});
