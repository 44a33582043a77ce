import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId, type Uuid } from '@app/domain';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import { WHOLE, type Shares } from './credential-windows.js';
import {
  SPARSE_BURST,
  NOBODY_SLOWED,
  type Dispatch,
  type DispatchChunk,
  type DispatchLane,
  type Slowed,
} from './dispatch.repository.js';
import { settlementOf, type Tenant } from './testing.js';

let store: TestStore;

beforeAll(async () => {
  store = await createTestStore({ window: 50 });
});

afterAll(() => store?.drop());

let tenant: Tenant;
beforeEach(async () => {
  // What earlier tests left unfinished is nobody's work any more.
  await store.db.query('DELETE FROM operation_parts');
  await store.db.query('UPDATE credential_windows SET outstanding = 0');
  tenant = await store.tenant();
});

const idsOf = async (operationId: Uuid): Promise<Uuid[]> =>
  (
    await store.db.query<{ id: Uuid }>(
      'SELECT id FROM push_notifications WHERE operation_id = $1 ORDER BY id',
      [operationId],
    )
  ).map(({ id }) => id);

/** Settles what was handed over, so that the windows have room again. */
async function deliver(dispatches: readonly Dispatch[]): Promise<void> {
  const claims = await store.claim(dispatches.map(({ id }) => id));
  await store.deliveries.settle(claims.map((claim) => settlementOf(claim)));
}

const take = async (lane: 'small' | 'bulk', limit: number) => {
  const taken: Dispatch[] = [];
  const turn = await store.dispatches.takeTurns(lane, limit, ({ deliveries }) => {
    taken.push(...deliveries);
    return Promise.resolve();
  });
  return { turn, taken, ids: taken.map(({ id }) => id) };
};

describe('lanesWithWork', () => {
  const lanes = (shares?: Shares) => store.dispatches.lanesWithWork(shares);

  it('names the lanes of what is not handed over yet', async () => {
    expect(await lanes()).toEqual([]);
    await store.accept(tenant, 3);
    expect(await lanes()).toEqual(['small']);
    await store.accept(tenant, 120);
    expect((await lanes()).toSorted()).toEqual(['bulk', 'small']);
    while ((await take('small', 500)).turn !== null);
    expect(await lanes()).toEqual(['bulk']);
  });

  it('names none where the window or the share has no room, or all of it is paused', async () => {
    await store.accept(tenant, 80);
    const { taken } = await take('small', 500);
    expect(await lanes()).toEqual([]);
    await deliver(taken.slice(0, 10));
    expect(await lanes()).toEqual(['small']);
    // It is FCM's.
    expect(await lanes({ FCM: 40, APN: 5_000 })).toEqual([]);
    expect(await lanes({ FCM: 5_000, APN: 40 })).toEqual(['small']);
    await store.db.query(`UPDATE credential_windows SET paused_until = now() + interval '1 hour'`);
    expect(await lanes()).toEqual([]);
  });
});

describe('credentials that are slowed', () => {
  const slowed = (small: Uuid[], bulk: Uuid[], most = 0): Slowed => ({
    small: { credentialIds: small, most },
    bulk: { credentialIds: bulk, most },
  });
  const turnSlowed = async (lane: DispatchLane, some: Slowed) => {
    const taken: Dispatch[] = [];
    const keep = ({ deliveries }: DispatchChunk) => Promise.resolve(void taken.push(...deliveries));
    await store.dispatches.takeTurns(lane, 500, keep, WHOLE, some);
    return taken;
  };
  const takeSlowed = async (lane: DispatchLane, some: Slowed) =>
    (await turnSlowed(lane, some)).length;
  const lanes = async (some: Slowed) =>
    (await store.dispatches.lanesWithWork(WHOLE, some)).toSorted();

  it('have no turn in their lane while they rest, and are no work of it', async () => {
    await store.accept(tenant, 3);
    await store.accept(tenant, 120);
    expect(await lanes(slowed([tenant.apn], [tenant.apn]))).toEqual(['bulk', 'small']);
    expect(await lanes(slowed([], [tenant.fcm]))).toEqual(['small']);
    expect(await lanes(slowed([tenant.fcm], []))).toEqual(['bulk']);
    expect(await takeSlowed('bulk', slowed([], [tenant.fcm]))).toBe(0);
    expect(await takeSlowed('small', slowed([], [tenant.fcm]))).toBe(3);
    expect(await takeSlowed('bulk', slowed([tenant.fcm], []))).toBeGreaterThan(0);
  });

  it('have small turns otherwise', async () => {
    await store.accept(tenant, 120);
    const some = slowed([], [tenant.fcm], 7);
    expect(await lanes(some)).toEqual(['bulk']);
    expect(await takeSlowed('bulk', some)).toBe(7);
  });

  it('have nothing go first of what they have left', async () => {
    await store.accept(tenant, 3);
    const sparse = async (some: Slowed) =>
      (await turnSlowed('small', some)).filter((push) => push.sparse).length;
    expect(await sparse(slowed([tenant.fcm], [], 2))).toBe(0);
    expect(await sparse(slowed([tenant.fcm], [], 2))).toBe(0);
    await store.accept(tenant, 1);
    expect(await sparse(slowed([], [tenant.fcm], 2))).toBe(1);
  });
});

describe('a backlog of which some was canceled', () => {
  const alternating = async () => {
    for (let n = 0; n < 15; n++) {
      await store.accept(tenant, 1);
      const operationId = await store.accept(tenant, 1);
      await store.cancels.cancel(tenant.accountId, { operationId });
    }
  };

  it('is one where the first that a turn leaves is a push', async () => {
    await alternating();
    expect((await take('small', 10)).turn).toMatchObject({ handedOver: 5, passed: 10 });
    expect((await take('small', 4)).turn?.backlogs).toEqual(new Set([tenant.fcm]));
  });

  it('stays one while it is slowed, until nothing is left', async () => {
    await alternating();
    const slowed = { ...NOBODY_SLOWED, small: { credentialIds: [tenant.fcm], most: 11 } };
    const backlogs = [];
    for (let n = 0; n < 3; n++) {
      const turn = await store.dispatches.takeTurns(
        'small',
        500,
        () => Promise.resolve(),
        WHOLE,
        slowed,
      );
      backlogs.push(turn?.backlogs.has(tenant.fcm));
    }
    expect(backlogs).toEqual([true, true, false]);
  });
});

describe('takeTurns', () => {
  it('has nothing go first of a credential that it left some of', async () => {
    await store.accept(tenant, 30);
    const sparse = (taken: readonly Dispatch[]) => taken.filter((each) => each.sparse).length;
    const { taken } = await take('small', 20);
    expect(sparse(taken)).toBe(0);
    await deliver(taken);
    expect(sparse((await take('small', 20)).taken)).toBe(SPARSE_BURST);
  });

  it('says how many it handed over of which credentials, and of which it left some', async () => {
    await store.accept(tenant, 30);
    const turn = async () => (await take('small', 20)).turn;
    expect(await turn()).toMatchObject({
      counts: new Map([[tenant.fcm, 20]]),
      backlogs: new Set([tenant.fcm]),
      passed: 0,
    });
    expect(await turn()).toMatchObject({
      counts: new Map([[tenant.fcm, 10]]),
      backlogs: new Set(),
      passed: 1,
    });
  });

  it('calls parts without pushes no backlog, and says that it passed them', async () => {
    for (let n = 0; n < 30; n++) {
      const operationId = await store.accept(tenant, 1);
      await store.cancels.cancel(tenant.accountId, { operationId });
    }
    const single = await store.accept(tenant, 1);
    const passing = await take('small', 20);
    expect(passing.turn).toMatchObject({ handedOver: 0, passed: 20, backlogs: new Set() });
    const { ids, turn } = await take('small', 20);
    expect(ids).toEqual(await idsOf(single));
    expect(turn).toMatchObject({ passed: 11, backlogs: new Set() });
  });

  it('hands every push over once, in order, chunk by chunk', async () => {
    const operationId = await store.accept(tenant, 45);
    const chunks: Uuid[][] = [];
    for (;;) {
      const { ids, turn } = await take('small', 20);
      if ((turn?.handedOver ?? 0) === 0) break;
      chunks.push(ids);
    }
    expect(chunks.map(({ length }) => length)).toEqual([20, 20, 5]);
    expect(chunks.flat()).toEqual(await idsOf(operationId));
  });

  it('hands over no more than the window of the credential, and goes on when room comes free', async () => {
    await store.accept(tenant, 80);
    const first = await take('small', 500);
    expect(first.ids).toHaveLength(50);
    expect((await take('small', 500)).turn).toBeNull();
    expect(await store.outstanding(tenant.fcm)).toBe(50);
    await deliver(first.taken);
    expect((await take('small', 500)).ids).toHaveLength(30);
    expect(await store.outstanding(tenant.fcm)).toBe(30);
  });

  it('calls the few of a credential sparse that has no more than that outstanding', async () => {
    const sparse = async () => (await take('small', 500)).taken.map((push) => push.sparse);
    await store.accept(tenant, 1);
    const first = await take('small', 500);
    expect(first.taken).toMatchObject([{ sparse: true }]);
    await store.accept(tenant, SPARSE_BURST);
    const more = Array.from({ length: SPARSE_BURST }, (_, at) => at < SPARSE_BURST - 1);
    expect(await sparse()).toEqual(more);
    const other = await store.tenant();
    await store.accept(tenant, 1);
    await store.accept(other, 1);
    const [theirs] = await idsOf(await store.accept(other, 1));
    const both = (await take('small', 500)).taken;
    expect(both.map((push) => push.sparse).sort()).toEqual([false, true, true]);
    expect(both.find(({ id }) => id === theirs)?.sparse).toBe(true);
    // What waits for a retry of its own is in nobody's way.
    await store.db.query('UPDATE credential_windows SET waiting = outstanding');
    await store.accept(tenant, 1);
    expect(await sparse()).toEqual([true]);
  });

  it('waits for an eighth of a window to come free before the next turn of a credential, or a moment', async () => {
    const handedOver = (when: string) =>
      store.db.query(`UPDATE credential_windows SET handed_over_at = now() + interval '${when}'`);
    await store.accept(tenant, 80);
    const { taken } = await take('small', 500);
    await handedOver('1 hour');
    await deliver(taken.slice(0, 6));
    expect(await store.dispatches.lanesWithWork()).toEqual([]);
    expect((await take('small', 500)).turn).toBeNull();
    await deliver(taken.slice(6, 7));
    expect((await take('small', 500)).ids).toHaveLength(7);
    await deliver(taken.slice(7, 8));
    await handedOver('1 hour');
    expect((await take('small', 500)).turn).toBeNull();
    await handedOver('-60 milliseconds');
    expect((await take('small', 500)).ids).toHaveLength(1);
    // A window of one is all free or not at all.
    await store.db.query('UPDATE credential_windows SET outstanding = 1, "window" = 1');
    expect((await take('small', 500)).turn).toBeNull();
    await store.db.query('UPDATE credential_windows SET outstanding = 0');
    await handedOver('1 hour');
    expect((await take('small', 500)).ids).toHaveLength(1);
    await store.db.query('UPDATE credential_windows SET "window" = 50');
  });

  it('lets a full window of one credential hold up no other of the account', async () => {
    await store.accept(tenant, 60);
    await take('small', 500);
    const apn = await store.accept(tenant, 3, {
      pushes: [1, 2, 3].map((n) => ({ provider: 'APN', token: `t${n}`, variables: null })),
    });
    expect((await take('small', 500)).ids).toEqual(await idsOf(apn));
  });

  it('gives each account an equal part of a turn, however many operations one of them has', async () => {
    const other = await store.tenant();
    for (let n = 0; n < 6; n++) await store.accept(tenant, 10);
    const single = await store.accept(other, 1);
    const { ids, turn } = await take('small', 10);
    expect(new Set(turn?.accountIds)).toEqual(new Set([tenant.accountId, other.accountId]));
    expect(ids).toHaveLength(6);
    expect(ids).toContain((await store.idsOf(single))[0]);
    // Alone again it has all of it.
    expect((await take('small', 10)).ids).toHaveLength(10);
  });

  it('takes those that wait longest when there are more accounts than a turn holds', async () => {
    const others = await Promise.all(Array.from({ length: 39 }, () => store.tenant()));
    for (const one of [tenant, ...others]) await store.accept(one, 2);
    const first = await take('small', 32);
    expect(first.turn?.accountIds).toHaveLength(32);
    expect(first.ids).toHaveLength(32);
    const second = await take('small', 32);
    const served = new Set(first.turn?.accountIds);
    expect(second.turn?.accountIds.filter((id) => !served.has(id))).toHaveLength(8);
  });

  it('lets what waits for a retry of its own keep nothing else out of a window', async () => {
    await store.accept(tenant, 80);
    const claims = await store.claim((await take('small', 500)).ids);
    await store.deliveries.settle(
      claims.map((claim) => settlementOf(claim, { to: 'QUEUED', dueInMs: 600_000 })),
    );
    expect((await take('small', 500)).turn).toBeNull();
    await store.admissions.countWaiting(WHOLE);
    expect((await take('small', 500)).ids).toHaveLength(30);
    expect(await store.outstanding(tenant.fcm)).toBe(80);
    // All of it together stays within the largest window.
    await store.db.query('UPDATE credential_windows SET outstanding = 4999, waiting = 4990');
    await store.accept(tenant, 5);
    expect((await take('small', 500)).ids).toHaveLength(1);
  });

  it('moves nothing when handing over fails', async () => {
    const operationId = await store.accept(tenant, 5);
    await expect(
      store.dispatches.takeTurns('small', 10, () => Promise.reject(new Error('queue away'))),
    ).rejects.toThrow('queue away');
    expect(await store.outstanding(tenant.fcm)).toBe(0);
    expect((await take('small', 10)).ids).toEqual(await idsOf(operationId));
  });

  it('counts right what ends by jobs of a turn that failed after they were added', async () => {
    await store.accept(tenant, 5);
    let ids: Uuid[] = [];
    const late = store.dispatches.takeTurns('small', 10, ({ deliveries }) => {
      ids = deliveries.map(({ id }) => id);
      return Promise.reject(new Error('the answer came too late'));
    });
    await expect(late).rejects.toThrow('too late');
    await store.settle(await store.claim(ids.slice(0, 3)));
    expect(await store.discrepancies()).toEqual([]);
    await deliver((await take('small', 10)).taken);
    expect(await store.discrepancies()).toEqual([]);
  });

  it('passes by the account that another dispatcher is busy with', async () => {
    const other = await store.tenant();
    await store.accept(tenant, 5);
    let second: Awaited<ReturnType<typeof take>> | undefined;
    const first = await store.dispatches.takeTurns('small', 10, async () => {
      await store.accept(other, 5);
      second = await take('small', 10);
    });
    expect([first?.accountIds, second?.turn?.accountIds]).toEqual([
      [tenant.accountId],
      [other.accountId],
    ]);
  });

  it('is not waited for by an accept of the same account', async () => {
    await store.accept(tenant, 5);
    await store.dispatches.takeTurns('small', 10, async () => {
      await store.accept(tenant, 5);
    });
    expect((await take('small', 10)).ids).toHaveLength(5);
  });

  it('reads rows that are due later too, with their delay', async () => {
    await store.accept(tenant, 1);
    const first = await take('small', 10);
    const [claim] = await store.claim(first.ids);
    await store.deliveries.settle([settlementOf(claim!, { to: 'QUEUED', dueInMs: 60_000 })]);
    await store.sweeps.rewindAll(newId());
    const { taken } = await take('small', 10);
    expect(taken[0]?.delayMs).toBeGreaterThan(55_000);
    expect(taken[0]?.delayMs).toBeLessThanOrEqual(60_000);
  });

  it('keeps small and bulk apart', async () => {
    const bulk = await store.accept(tenant, 120);
    const small = await store.accept(tenant, 3);
    expect((await take('small', 40)).ids).toEqual(await idsOf(small));
    expect((await take('bulk', 40)).ids).toEqual((await idsOf(bulk)).slice(0, 40));
  });
});

describe('sweep', () => {
  it('hands everything unfinished over again after a rewind, and nothing that ended', async () => {
    const operationId = await store.accept(tenant, 10);
    const first = await take('small', 10);
    await deliver(first.taken.slice(0, 4));
    await store.sweeps.rewindAll(newId());
    expect(await store.outstanding(tenant.fcm)).toBe(0);
    expect((await take('small', 10)).ids).toEqual((await idsOf(operationId)).slice(4));
    expect(await store.outstanding(tenant.fcm)).toBe(6);
  });

  it('finds pushes that were handed over, are due and that nobody holds', async () => {
    const operationId = await store.accept(tenant, 6);
    await store.accept(tenant, 1);
    const { ids } = await take('small', 6);
    expect(ids).toEqual(await idsOf(operationId));
    const lost = async (lostAfterMs: number) =>
      (await store.sweeps.pass((pass) => pass.lostPushes(lostAfterMs, 100)))?.map(({ id }) => id);
    expect(await lost(60_000)).toEqual([]);
    await store.claim(ids.slice(0, 2));
    await deliver([{ id: ids[2]!, provider: 'FCM', delayMs: 0, sparse: false }]);
    expect(await lost(-1_000)).toEqual(ids.slice(3));
  });

  it('finds those of one account after another, however many some have lost', async () => {
    // Before and behind those of the one with many, whatever the order of reading.
    const [before, behind] = [await store.tenant(), await store.tenant()];
    const few = [await store.accept(before, 1)];
    for (let n = 0; n < 2; n++) await store.accept(tenant, 20);
    few.push(await store.accept(behind, 1));
    expect(await store.dispatchAll('small')).toHaveLength(42);
    const lost = await store.sweeps.pass((pass) => pass.lostPushes(-1_000, 5));
    expect(lost).toHaveLength(5);
    expect(lost?.map(({ operationId }) => operationId)).toEqual(expect.arrayContaining(few));
  });

  it('calls nothing lost that was handed over a moment ago, however long it was due before', async () => {
    await store.accept(tenant, 3);
    await store.db.query(
      `UPDATE push_notifications SET due_at = now() - interval '1 hour' WHERE account_id = $1`,
      [tenant.accountId],
    );
    const { ids } = await take('small', 3);
    const lost = () => store.sweeps.pass((pass) => pass.lostPushes(60_000, 100));
    expect(await lost()).toEqual([]);
    await store.db.query(`UPDATE operation_parts SET dispatched_at = now() - interval '2 minutes'`);
    const found = (await lost()) ?? [];
    expect(found.map(({ id }) => id)).toEqual(ids);
    // They have a job again: not called lost a second time while that waits.
    await store.sweeps.handedOverAgain(found);
    expect(await lost()).toEqual([]);
  });

  it('counts what was on the wire during a rewind neither twice nor never', async () => {
    await store.accept(tenant, 100);
    const first = await take('small', 500);
    const claims = await store.claim(first.ids.slice(0, 20));
    await store.sweeps.rewindAll(newId());
    const settle = (from: number, to: number) =>
      store.deliveries.settle(claims.slice(from, to).map((claim) => settlementOf(claim)));
    // Ended before dispatch came by again: counted no more.
    await settle(0, 10);
    expect(await store.outstanding(tenant.fcm)).toBe(0);
    // Passed again while still on the wire: counted, and counted off when it ends.
    await take('small', 500);
    await settle(10, 20);
    expect(await store.sweeps.pass((pass) => pass.auditWindows())).toBe(0);
  });

  it('does not count off what a turn handed over that failed all the same', async () => {
    await store.accept(tenant, 6);
    const handedOver: Uuid[] = [];
    const failing = store.dispatches.takeTurns('small', 4, ({ deliveries }) => {
      handedOver.push(...deliveries.map(({ id }) => id));
      return Promise.reject(new Error('The queue has them, and answered too late'));
    });
    await expect(failing).rejects.toThrow('too late');
    const claims = await store.claim(handedOver);
    const settle = (from: number, to: number) =>
      store.deliveries.settle(claims.slice(from, to).map((claim) => settlementOf(claim)));
    // Before the turn is repeated, and after.
    await settle(0, 2);
    expect(await store.outstanding(tenant.fcm)).toBe(0);
    await take('small', 10);
    expect(await store.outstanding(tenant.fcm)).toBe(4);
    await settle(2, 4);
    expect(await store.outstanding(tenant.fcm)).toBe(2);
  });

  it('takes back by a rewind what it rewinds, and nothing else that is counted', async () => {
    await store.accept(tenant, 4);
    await take('small', 10);
    // What another dispatcher has handed over of an operation that was accepted meanwhile.
    await store.db.query(
      'UPDATE credential_windows SET outstanding = outstanding + 3 WHERE credential_id = $1',
      [tenant.fcm],
    );
    await store.sweeps.rewindAll(newId());
    expect(await store.outstanding(tenant.fcm)).toBe(3);
  });

  it('never hands over more than a window, even when the count is below zero', async () => {
    await store.accept(tenant, 100);
    await store.db.query(
      'UPDATE credential_windows SET outstanding = -20 WHERE credential_id = $1',
      [tenant.fcm],
    );
    expect((await take('small', 500)).ids).toHaveLength(50);
  });

  it('closes the parts of finished operations', async () => {
    await store.accept(tenant, 2);
    await deliver((await take('small', 10)).taken);
    await store.sweeps.pass((pass) => pass.closeParts(100));
    const open = await store.db.query(
      'SELECT FROM operation_parts WHERE open AND account_id = $1',
      [tenant.accountId],
    );
    expect(open).toEqual([]);
  });

  it('corrects an outstanding count that does not match the rows', async () => {
    await store.accept(tenant, 5);
    await deliver((await take('small', 3)).taken.slice(0, 1));
    await store.db.query(
      'UPDATE credential_windows SET outstanding = 44 WHERE credential_id = $1',
      [tenant.fcm],
    );
    expect(await store.sweeps.pass((pass) => pass.auditWindows())).toBe(1);
    expect(await store.outstanding(tenant.fcm)).toBe(2);
    expect(await store.sweeps.pass((pass) => pass.auditWindows())).toBe(0);
  });

  it('keeps the mark of a pass, and what its other rules did, when one fails', async () => {
    const isDue = () => store.sweeps.pass((pass) => pass.isDue(3_600_000));
    await store.db.query(`DELETE FROM sweep_state WHERE name = 'pass'`);
    const failed = await store.sweeps.pass(async (pass) => {
      expect(await pass.isDue(3_600_000)).toBe(true);
      await pass.apart(() => pass.remember('before', 'kept'));
      const failing = pass.apart(async () => {
        await pass.remember('within', 'not kept');
        await pass.remember('bad', null as unknown as string);
      });
      await expect(failing).rejects.toThrow('null value');
      return pass.apart(() => pass.remember('after', 'kept'));
    });
    expect(failed).toBeNull();
    expect(await isDue()).toBe(false);
    const names = ['after', 'bad', 'before', 'within'];
    const kept = await store.db.query<{ name: string }>(
      'SELECT name FROM sweep_state WHERE name = ANY($1) ORDER BY name',
      [names],
    );
    expect(kept.map(({ name }) => name)).toEqual(['after', 'before']);
    await store.db.query(`DELETE FROM sweep_state WHERE name = ANY($1)`, [[...names, 'pass']]);
  });

  it('remembers a value between passes', async () => {
    const remember = (value: string) =>
      store.sweeps.pass((pass) => pass.remember('test-epoch', value));
    expect(await remember('a')).toBeNull();
    expect(await remember('b')).toBe('a');
    expect(await remember('b')).toBe('b');
  });

  it('is due so long after the last pass, whoever made it, and when that lies in the future', async () => {
    const isDue = () => store.sweeps.pass((pass) => pass.isDue(60_000));
    const passedIn = (time: string) =>
      store.db.query(
        `UPDATE sweep_state SET value = (now() + $1::interval)::text WHERE name = 'pass'`,
        [time],
      );
    expect([await isDue(), await isDue()]).toEqual([true, false]);
    await passedIn('-59 seconds');
    expect(await isDue()).toBe(false);
    await passedIn('-61 seconds');
    expect([await isDue(), await isDue()]).toEqual([true, false]);
    await passedIn('1 hour');
    expect([await isDue(), await isDue()]).toEqual([true, false]);
  });

  it('lets one worker at a time pass', async () => {
    const inner = await store.sweeps.pass(() => store.sweeps.pass(() => Promise.resolve('in')));
    expect(inner).toBeNull();
    expect(await store.sweeps.pass(() => Promise.resolve('in'))).toBe('in');
  });
});
