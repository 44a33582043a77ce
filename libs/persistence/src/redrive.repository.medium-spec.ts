import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Conflict, KeyReused, newId, NotFound, type Uuid } from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { once, type Tenant } from './testing.js';

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

const operationOf = async (id: Uuid) => (await store.operations.find(tenant.accountId, id))!;
const redrive = (operationId: Uuid) => store.redrives.redrive(tenant.accountId, { operationId });
const dispatch = async () => (await store.dispatchAll('small')).map((push) => push.id);

/** An operation whose pushes at `failing` have failed; the others are sent. */
async function ended(count: number, failing: readonly number[]): Promise<Uuid> {
  const id = await store.accept(tenant, count);
  const claims = await store.claim(await dispatch());
  await store.settle(
    claims.filter((_, at) => failing.includes(at)),
    true,
  );
  await store.settle(claims.filter((_, at) => !failing.includes(at)));
  return id;
}

describe('redrive', () => {
  it('queues what failed again, as the same rows, fresh', async () => {
    const id = await ended(5, [1, 3]);
    const failed = await store.idsOf(id, 'FAILED');
    await store.sweeps.pass((pass) => pass.closeParts(100));
    await store.db.query(
      `UPDATE push_notifications SET expires_at = now() - interval '1 day' WHERE operation_id = $1`,
      [id],
    );
    expect(await redrive(id)).toEqual({ id, replayed: false });
    expect(await operationOf(id)).toMatchObject({
      status: 'PROCESSING',
      completedAt: null,
      stats: { queued: 2, sent: 3, failed: 0 },
    });
    expect(await dispatch()).toEqual(failed);
    const claims = await store.claim(failed);
    for (const claim of claims) {
      expect(claim).toMatchObject({ attemptCount: 0, unknownCount: 0, firstAttemptAt: null });
      expect(claim.leaseLost).toBe(false);
      expect(claim.expiresAt.getTime()).toBeGreaterThan(Date.now() + 3_500_000);
    }
    await store.settle(claims);
    expect(await operationOf(id)).toMatchObject({ status: 'COMPLETED', stats: { sent: 5 } });
    const [tried] = await store.db.query<{ n: number }>(
      'SELECT jsonb_array_length(attempts) AS n FROM push_notifications WHERE id = $1',
      [failed[0]],
    );
    expect(tried).toEqual({ n: 2 });
  });

  it('takes one push alone', async () => {
    const id = await ended(4, [0, 2]);
    const [first, second] = await store.idsOf(id, 'FAILED');
    const one = (pushId: Uuid) => store.redrives.redrive(tenant.accountId, { pushId });
    expect(await one(second!)).toEqual({ id: second, replayed: false });
    expect(await store.idsOf(id, 'FAILED')).toEqual([first]);
    await expect(one(second!)).rejects.toThrow(Conflict);
    await expect(one(newId())).rejects.toThrow(NotFound);
    expect(await dispatch()).toEqual([second]);
  });

  it('is refused when nothing failed, and unknown to other accounts', async () => {
    const id = await ended(2, []);
    await expect(redrive(id)).rejects.toThrow(Conflict);
    await expect(redrive(newId())).rejects.toThrow(NotFound);
    const other = await store.tenant();
    await expect(store.redrives.redrive(other.accountId, { operationId: id })).rejects.toThrow(
      NotFound,
    );
  });

  it('keeps the windows right for what is in flight, waiting and not dispatched meanwhile', async () => {
    const id = await store.accept(tenant, 70);
    const ids = await dispatch();
    const claims = await store.claim(ids.slice(0, 20));
    await store.settle(claims.slice(2, 4), true);
    await redrive(id);
    expect(await store.discrepancies()).toEqual([]);
    // The two below the lowest failed one are counted still, all above are not.
    expect(await store.outstanding(tenant.fcm)).toBe(2);
    await store.settle(claims.slice(0, 10).filter((_, at) => at < 2 || at > 3));
    expect(await store.outstanding(tenant.fcm)).toBe(0);
    expect(await store.discrepancies()).toEqual([]);
    expect(await dispatch()).toHaveLength(50);
    await store.settle(claims.slice(10));
    expect(await store.discrepancies()).toEqual([]);
    for (;;) {
      const rest = await store.claim(await store.idsOf(id, 'QUEUED'));
      if (rest.length === 0) break;
      await store.settle(rest);
      await dispatch();
    }
    expect((await operationOf(id)).stats).toMatchObject({ sent: 70, queued: 0, failed: 0 });
    expect(await store.outstanding(tenant.fcm)).toBe(0);
  });

  it('happens once under one key', async () => {
    const id = await ended(2, [0, 1]);
    const target = { operationId: id };
    const go = (request?: string) =>
      store.redrives.redrive(tenant.accountId, target, once('k', request));
    const [left, right] = await Promise.all([go(), go()]);
    expect([left.replayed, right.replayed].sort()).toEqual([false, true]);
    await store.settle(await store.claim(await dispatch()), true);
    expect(await go()).toEqual({ id, replayed: true });
    expect((await operationOf(id)).stats.failed).toBe(2);
    await expect(go('another')).rejects.toThrow(KeyReused);
  });

  it('leaves a key free that came with a request which was refused', async () => {
    const id = await store.accept(tenant, 1);
    const go = () => store.redrives.redrive(tenant.accountId, { operationId: id }, once('free'));
    await expect(go()).rejects.toThrow(Conflict);
    await store.settle(await store.claim(await dispatch()), true);
    expect(await go()).toEqual({ id, replayed: false });
  });
});

describe('races', () => {
  it('two at once: one of them finds nothing', async () => {
    const id = await ended(6, [0, 1, 2]);
    const results = await Promise.allSettled([redrive(id), redrive(id)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await operationOf(id)).stats).toMatchObject({ queued: 3, failed: 0 });
  });

  it('against the end of the operation: its parts stay pending', async () => {
    for (let round = 0; round < 10; round++) {
      const id = await ended(3, [0]);
      await Promise.all([redrive(id), store.sweeps.pass((pass) => pass.closeParts(100))]);
      expect(await dispatch()).toEqual(await store.idsOf(id, 'QUEUED'));
    }
  });

  it('against dispatch, claims, settlements and cancels, all at once', async () => {
    for (let round = 0; round < 8; round++) {
      const id = await store.accept(tenant, 60);
      // A worker gets no push that dispatch did not hand over.
      const jobs: Uuid[] = [];
      const deliver = async (failing: boolean) => {
        for (let turn = 0; turn < 3; turn++) {
          jobs.push(...(await store.dispatchAll('small', 20)).map((push) => push.id));
          await store.settle(await store.claim(jobs.splice(turn * 5, 25)), failing);
        }
      };
      const again = async () => {
        for (let n = 0; n < 4; n++) await redrive(id).catch(onlyConflict);
      };
      await Promise.all([deliver(true), again(), deliver(false), again()]);
      if (round % 2 === 0) {
        await store.cancels.cancel(tenant.accountId, { operationId: id }).catch(onlyConflict);
      }
      expect(await store.discrepancies()).toEqual([]);
      expect(await store.sweeps.pass((pass) => pass.auditWindows())).toBe(0);
    }
  });
});

function onlyConflict(error: unknown): void {
  expect(error).toBeInstanceOf(Conflict);
}
