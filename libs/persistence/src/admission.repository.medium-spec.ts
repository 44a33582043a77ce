import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId, type Pause, type Uuid } from '@app/domain';
import pg from 'pg';
import { createTestStore, type TestStore } from '../../../test/support/store.js';
import type { Probe } from './admission.repository.js';
import type { ClaimedPush } from './delivery.repository.js';
import { settlementOf, type Tenant } from './testing.js';

let store: TestStore;
let tenant: Tenant;

beforeAll(async () => {
  store = await createTestStore({ window: 50 });
});

afterAll(() => store?.drop());

beforeEach(async () => {
  await store.db.query('DELETE FROM operation_parts');
  await store.db.query('DELETE FROM workers');
  await store.db.query(
    'UPDATE credential_windows SET outstanding = 0, paused_until = NULL, handed_over_at = NULL',
  );
  tenant = await store.tenant();
});

const slowed = (over: Partial<Pause & { version: number }> = {}) => ({
  kind: 'slowed' as const,
  afterMs: 60_000,
  backoff: { leastMs: 0, baseMs: 10_000, capMs: 60_000 },
  jitter: 0.5,
  reason: '(503 UNAVAILABLE)',
  version: 1,
  ...over,
});
const refused = (over: Partial<Pause & { version: number }> = {}) =>
  slowed({ kind: 'refused', afterMs: null, reason: '(403 PERMISSION_DENIED)', ...over });

interface WindowRow {
  window: number;
  outstanding: number;
  pauses: number;
  paused_by: Uuid | null;
  last_probe: Uuid | null;
  probe: Uuid | null;
  pause_reason: string | null;
  left_ms: number | null;
}

async function windowOf(credentialId = tenant.fcm): Promise<WindowRow> {
  const [row] = await store.db.query<WindowRow>(
    `SELECT "window", outstanding, pauses, paused_by, last_probe, probe, pause_reason,
       (extract(epoch FROM paused_until - now()) * 1000)::float8 AS left_ms
     FROM credential_windows WHERE credential_id = $1`,
    [credentialId],
  );
  return row!;
}

/** Settles a claim by an answer that pauses its credential. */
const hear = (claim: ClaimedPush, pause = slowed(), probe: 'refused' | null = null) =>
  store.deliveries.settle([
    settlementOf(claim, {
      to: 'QUEUED',
      dueInMs: 0,
      attempts: [],
      countedAttempts: 0,
      pause,
      probe,
    }),
  ]);

/** The pause has lasted long enough. */
const endPause = (credentialId = tenant.fcm) =>
  store.db.query(
    `UPDATE credential_windows SET paused_until = now() - interval '1 second' WHERE credential_id = $1`,
    [credentialId],
  );

/** `count` pushes handed over, and the first `claimed` of them in hand. */
async function inHand(count: number, claimed: number) {
  const operationId = await store.accept(tenant, count);
  const handedOver = (await store.dispatchAll('small')).map(({ id }) => id);
  return { operationId, ids: handedOver, claims: await store.claim(handedOver.slice(0, claimed)) };
}

describe('a pause', () => {
  it('begins with the settlement that asks for it: nothing is claimed or handed over any more', async () => {
    const { ids, claims } = await inHand(3, 1);
    const settled = await hear(claims[0]!);
    expect(settled.paused).toEqual(new Set([tenant.fcm]));
    const window = await windowOf();
    expect(window).toMatchObject({ window: 25, pauses: 1, paused_by: ids[0] });
    expect(window.pause_reason).toBe('(503 UNAVAILABLE)');
    expect(window.left_ms).toBeGreaterThan(58_000);
    // Their jobs end.
    expect(await store.deliveries.claim(ids, 60_000)).toEqual(ids.map(() => ({ state: 'over' })));
    await store.accept(tenant, 2);
    expect(await store.dispatchAll('small')).toEqual([]);
  });

  it('holds up neither another credential of the account nor another account', async () => {
    const { claims } = await inHand(1, 1);
    await hear(claims[0]!);
    const apn = await store.accept(tenant, 2, {
      pushes: [1, 2].map((n) => ({ provider: 'APN', token: `t${n}`, variables: null })),
    });
    const other = await store.accept(await store.tenant(), 2);
    const ids = (await store.dispatchAll('small')).map(({ id }) => id);
    expect(new Set(ids)).toEqual(
      new Set([...(await store.idsOf(apn)), ...(await store.idsOf(other))]),
    );
    expect(await store.claim(ids)).toHaveLength(4);
  });

  it('counts once what was on the wire together: one halving, the longest wish', async () => {
    const { claims } = await inHand(4, 4);
    await hear(claims[0]!, slowed({ afterMs: 10_000 }));
    await hear(claims[1]!, slowed({ afterMs: 90_000 }));
    await hear(claims[2]!, slowed({ afterMs: 1_000 }));
    await hear(claims[3]!, refused());
    const window = await windowOf();
    expect(window).toMatchObject({ window: 25, pauses: 1, paused_by: claims[0]!.id });
    expect(window.left_ms).toBeGreaterThan(85_000);
  });

  it('lets the longest wish of one batch speak', async () => {
    const { claims } = await inHand(2, 2);
    await store.deliveries.settle(
      claims.map((claim, at) =>
        settlementOf(claim, {
          to: 'QUEUED',
          pause: slowed({ afterMs: at === 0 ? 5_000 : 50_000 }),
        }),
      ),
    );
    expect((await windowOf()).left_ms).toBeGreaterThan(45_000);
    expect((await windowOf()).pauses).toBe(1);
  });

  it.each([
    ['refused', refused()],
    ['not even tried', refused({ kind: 'held' })],
  ])('leaves the window of a credential that is %s as it is', async (_what, pause) => {
    const { claims } = await inHand(1, 1);
    await hear(claims[0]!, pause);
    const window = await windowOf();
    expect(window.window).toBe(50);
    // Full jitter: half of the base.
    expect(window.left_ms).toBeGreaterThan(4_000);
    expect(window.left_ms).toBeLessThanOrEqual(5_001);
  });

  it('lasts for the first interval that the provider names at least', async () => {
    const { claims } = await inHand(1, 1);
    const backoff = { leastMs: 10_000, baseMs: 10_000, capMs: 60_000 };
    await hear(claims[0]!, slowed({ afterMs: null, backoff, jitter: 0 }));
    const { left_ms: leftMs } = await windowOf();
    expect(leftMs).toBeGreaterThan(9_000);
    expect(leftMs).toBeLessThanOrEqual(10_001);
    await store.db.query(
      'UPDATE credential_windows SET paused_until = NULL, pauses = 20 WHERE credential_id = $1',
      [tenant.fcm],
    );
    const { claims: later } = await inHand(1, 1);
    await hear(later[0]!, slowed({ afterMs: null, backoff, jitter: 1 }));
    expect((await windowOf()).left_ms).toBeGreaterThan(59_000);
    expect((await windowOf()).left_ms).toBeLessThanOrEqual(60_001);
  });

  it('never makes a window smaller than one push', async () => {
    await store.db.query('UPDATE credential_windows SET "window" = 1 WHERE credential_id = $1', [
      tenant.fcm,
    ]);
    const { claims } = await inHand(1, 1);
    await hear(claims[0]!);
    expect((await windowOf()).window).toBe(1);
  });

  it('does not begin by a settlement that was no longer valid', async () => {
    const { claims } = await inHand(1, 1);
    await store.settle(claims);
    expect((await hear(claims[0]!)).paused.size).toBe(0);
    expect((await windowOf()).left_ms).toBeNull();
  });

  it('does not begin when the secret that was refused is an older one', async () => {
    const { claims } = await inHand(1, 1);
    await store.credentials.rotate(tenant.accountId, tenant.fcm, {
      secret: { kind: 'test' },
      fingerprint: 'cd',
      expiresAt: null,
    });
    expect((await hear(claims[0]!, refused({ version: 1 }))).paused.size).toBe(0);
    expect((await windowOf()).left_ms).toBeNull();
  });

  it('does not begin when the credential is deleted: what waits fails at once', async () => {
    const { claims } = await inHand(1, 1);
    await store.credentials.delete(tenant.accountId, tenant.fcm);
    expect((await hear(claims[0]!)).paused.size).toBe(0);
    expect((await windowOf()).left_ms).toBeNull();
  });

  it('is what the status of the credential says, until it is over', async () => {
    const find = async () => store.credentials.find(tenant.accountId, tenant.fcm);
    expect(await find()).toMatchObject({ status: 'OK', statusReason: null });
    const { claims } = await inHand(1, 1);
    await hear(claims[0]!, refused());
    const failing = { status: 'FAILING', statusReason: '(403 PERMISSION_DENIED)' };
    expect(await find()).toMatchObject(failing);
    const listed = await store.credentials.list(tenant.accountId, {}, { before: null, limit: 5 });
    expect(listed.items.find(({ id }) => id === tenant.fcm)).toMatchObject(failing);
    expect(listed.items.find(({ id }) => id === tenant.apn)).toMatchObject({ status: 'OK' });
    await store.admissions.resume(tenant.fcm, null);
    expect(await find()).toMatchObject({ status: 'OK', statusReason: null });
  });
});

describe('a probe', () => {
  it('is due when the pause has lasted long enough, and is one push that others pass by', async () => {
    const { ids, claims } = await inHand(4, 1);
    await hear(claims[0]!);
    expect(await store.admissions.due()).toEqual([]);
    await endPause();
    expect(await store.admissions.due()).toEqual([tenant.fcm]);
    const probe = await store.admissions.beginProbe(tenant.fcm, 60_000);
    // Never the push that caused the pause.
    expect(probe).toEqual({ id: ids[1], provider: 'FCM', lane: 'small' });
    expect(await store.admissions.due()).toEqual([]);
    expect(await store.admissions.beginProbe(tenant.fcm, 60_000)).toBe('taken');
    const [claim, ...others] = await store.claim(ids);
    expect(claim).toMatchObject({ id: ids[1], probing: true });
    expect(others).toEqual([]);
  });

  it('is taken by one of many workers', async () => {
    const { claims } = await inHand(4, 1);
    await hear(claims[0]!);
    await endPause();
    const begun = await Promise.all(
      [1, 2, 3, 4].map(() => store.admissions.beginProbe(tenant.fcm, 60_000)),
    );
    expect(begun.filter((probe) => probe !== 'taken')).toHaveLength(1);
  });

  it('is looked for by one worker, and by another one when that is gone', async () => {
    const { claims } = await inHand(1, 1);
    await hear(claims[0]!);
    await endPause();
    expect(await store.admissions.beginProbe(tenant.fcm, 60_000)).toBeNull();
    expect(await store.admissions.due()).toEqual([]);
    expect(await store.admissions.beginProbe(tenant.fcm, 60_000)).toBe('taken');
    expect((await windowOf()).left_ms).toBeLessThanOrEqual(10_001);
    await endPause();
    expect(await store.admissions.due()).toEqual([tenant.fcm]);
  });

  it('prefers a push without overrides, and takes also what was never handed over', async () => {
    const { claims } = await inHand(1, 1);
    await hear(claims[0]!);
    await store.accept(tenant, 2, {
      settings: {
        content: { body: 'Hi' },
        priority: 'HIGH',
        sound: null,
        ttlSeconds: 60,
        collapseKey: null,
        badge: null,
        overrides: { fcm: { android: { ttl: '1s' } } },
      },
    });
    const plain = await store.accept(tenant, 1);
    await endPause();
    expect(await store.admissions.beginProbe(tenant.fcm, 60_000)).toMatchObject({
      id: (await store.idsOf(plain))[0],
    });
  });

  it('that was never handed over is not counted off when it ends, however late its word comes', async () => {
    const { claims } = await inHand(1, 1);
    await hear(claims[0]!);
    await store.accept(tenant, 3);
    await endPause();
    const counted = await store.outstanding(tenant.fcm);
    const probe = (await store.admissions.beginProbe(tenant.fcm, 60_000)) as Probe;
    const [claim] = await store.claim([probe.id]);
    // The pause is over meanwhile, and it is a push as any other.
    await store.admissions.resume(tenant.fcm, probe.id);
    await store.deliveries.settle([settlementOf(claim!)]);
    // What was handed over before the pause waits to be dispatched again.
    expect([counted, await store.outstanding(tenant.fcm)]).toEqual([1, 0]);
  });

  it('passes by what is not due yet', async () => {
    const { ids, claims } = await inHand(3, 2);
    await store.deliveries.settle([settlementOf(claims[1]!, { to: 'QUEUED', dueInMs: 60_000 })]);
    await hear(claims[0]!);
    await endPause();
    expect(await store.admissions.beginProbe(tenant.fcm, 60_000)).toMatchObject({ id: ids[2] });
  });

  it('pauses again, for longer, when it is refused too', async () => {
    const { claims, ids } = await inHand(3, 1);
    await hear(claims[0]!, refused());
    await endPause();
    await store.admissions.beginProbe(tenant.fcm, 60_000);
    const [probe] = await store.claim(ids);
    await hear(probe!, refused(), 'refused');
    const window = await windowOf();
    expect(window).toMatchObject({
      pauses: 2,
      probe: null,
      paused_by: ids[0],
      last_probe: ids[1],
    });
    // Twice the first.
    expect(window.left_ms).toBeGreaterThan(9_000);
    expect(window.left_ms).toBeLessThanOrEqual(10_001);
  });

  it('is another push each time, and never the one that caused the pause', async () => {
    const { claims, ids } = await inHand(3, 1);
    await hear(claims[0]!, refused());
    for (const at of [1, 2, 1, 2]) {
      await endPause();
      expect(await store.admissions.beginProbe(tenant.fcm, 60_000)).toMatchObject({ id: ids[at] });
      const [probe] = await store.claim(ids);
      await hear(probe!, refused(), 'refused');
      expect(await windowOf()).toMatchObject({ paused_by: ids[0], last_probe: ids[at] });
    }
    // In the next pause each of them may be it.
    await store.admissions.resume(tenant.fcm, null);
    expect(await windowOf()).toMatchObject({ paused_by: null, last_probe: null });
    const [third] = await store.claim([ids[2]!]);
    await hear(third!, refused());
    await endPause();
    expect(await store.admissions.beginProbe(tenant.fcm, 60_000)).toMatchObject({ id: ids[0] });
  });

  it('is found behind however many operations whose push waits for a retry of its own', async () => {
    await store.db.query('UPDATE credential_windows SET "window" = 500 WHERE credential_id = $1', [
      tenant.fcm,
    ]);
    for (let n = 0; n < 120; n++) await store.accept(tenant, 1);
    const ids = (await store.dispatchAll('small')).map(({ id }) => id);
    const waiting = await store.claim(ids);
    expect(waiting).toHaveLength(120);
    await store.deliveries.settle(
      waiting.map((claim) => settlementOf(claim, { to: 'QUEUED', dueInMs: 60_000 })),
    );
    const { ids: due, claims } = await inHand(2, 1);
    await hear(claims[0]!);
    await endPause();
    expect(await store.admissions.beginProbe(tenant.fcm, 60_000)).toMatchObject({ id: due[1] });
  });

  it('speaks for its credential when others of the same batch hear something too', async () => {
    const { claims, ids } = await inHand(4, 2);
    await hear(claims[0]!, refused());
    await endPause();
    await store.admissions.beginProbe(tenant.fcm, 60_000);
    const [probe] = await store.claim(ids);
    await store.deliveries.settle([
      settlementOf(claims[1]!, { to: 'QUEUED', pause: slowed({ afterMs: 30_000 }) }),
      settlementOf(probe!, { to: 'QUEUED', pause: refused(), probe: 'refused' }),
    ]);
    expect(await windowOf()).toMatchObject({ pauses: 2, last_probe: probe!.id });
  });

  it('is followed by another one when nothing is heard of it, never by the one that caused the pause', async () => {
    const { claims, ids } = await inHand(3, 1);
    await hear(claims[0]!);
    await endPause();
    await store.admissions.beginProbe(tenant.fcm, 60_000);
    await endPause();
    expect(await store.admissions.beginProbe(tenant.fcm, 60_000)).toMatchObject({ id: ids[2] });
  });

  it('comes again after a while when it could not tell', async () => {
    const { claims, ids } = await inHand(3, 1);
    await hear(claims[0]!);
    await endPause();
    await store.admissions.beginProbe(tenant.fcm, 60_000);
    await store.admissions.probeAgain(tenant.fcm, ids[1]!, 5_000);
    // The column keeps whole milliseconds.
    expect((await windowOf()).left_ms).toBeLessThanOrEqual(5_001);
    await store.admissions.probeAgain(tenant.fcm, ids[2]!, 50_000);
    expect((await windowOf()).left_ms).toBeLessThanOrEqual(5_001);
  });

  it('is none when nothing else is due, also after one that vanished', async () => {
    const { claims } = await inHand(1, 1);
    await hear(claims[0]!);
    await endPause();
    expect(await store.admissions.beginProbe(tenant.fcm, 60_000)).toBeNull();
    await store.db.query('UPDATE credential_windows SET probe = $2 WHERE credential_id = $1', [
      tenant.fcm,
      claims[0]!.id,
    ]);
    await endPause();
    expect(await store.admissions.beginProbe(tenant.fcm, 60_000)).toBeNull();
    expect(await store.admissions.resume(tenant.fcm, null)).toBe(true);
  });
});

describe('the end of a pause', () => {
  it('hands over again what had been handed over, and counts it right', async () => {
    const { ids, claims, operationId } = await inHand(10, 4);
    await store.settle(claims.slice(0, 2));
    await hear(claims[2]!);
    await endPause();
    const probe = await store.admissions.beginProbe(tenant.fcm, 60_000);
    const [probing] = await store.claim(ids.slice(4));
    expect(probe).toMatchObject({ id: probing!.id });
    await store.settle([probing!]);
    expect(await store.admissions.resume(tenant.fcm, probing!.id)).toBe(true);
    expect(await store.discrepancies()).toEqual([]);
    const again = (await store.dispatchAll('small')).map(({ id }) => id);
    // All that is QUEUED, the one in hand too: its job is still there.
    expect(again).toEqual(await store.idsOf(operationId, 'QUEUED'));
    expect(again).toHaveLength(7);
    await store.settle([claims[3]!, ...(await store.claim(again))]);
    expect(await store.discrepancies()).toEqual([]);
    expect(await windowOf()).toMatchObject({ outstanding: 0, pauses: 0, paused_by: null });
  });

  it('counts right what was in hand and ends before it is handed over again', async () => {
    const { claims } = await inHand(5, 2);
    await hear(claims[0]!);
    await store.admissions.resume(tenant.fcm, null);
    await store.settle([claims[1]!]);
    expect(await store.discrepancies()).toEqual([]);
    await store.settle(await store.claim((await store.dispatchAll('small')).map(({ id }) => id)));
    expect(await store.discrepancies()).toEqual([]);
  });

  it('comes once, and not by a probe of an earlier pause', async () => {
    const { claims, ids } = await inHand(3, 1);
    await hear(claims[0]!);
    await endPause();
    await store.admissions.beginProbe(tenant.fcm, 60_000);
    expect(await store.admissions.resume(tenant.fcm, ids[2]!)).toBe(false);
    expect(await store.admissions.resume(tenant.fcm, null)).toBe(false);
    const both = await Promise.all([1, 2].map(() => store.admissions.resume(tenant.fcm, ids[1]!)));
    expect(both.toSorted()).toEqual([false, true]);
  });

  it('clears the run of pauses only by a probe that worked, or by an hour', async () => {
    const { claims, ids } = await inHand(3, 2);
    await hear(claims[0]!, refused());
    await store.admissions.resume(tenant.fcm, null);
    expect((await windowOf()).pauses).toBe(1);
    await hear(claims[1]!, refused());
    expect((await windowOf()).pauses).toBe(2);
    await store.admissions.resume(tenant.fcm, null);
    await store.db.query(`UPDATE credential_windows SET paused_at = now() - interval '61 minutes'`);
    const [third] = await store.claim(ids);
    await hear(third!, refused());
    expect((await windowOf()).pauses).toBe(1);
  });

  it('touches the parts that had something handed over only', async () => {
    const { claims } = await inHand(2, 1);
    await hear(claims[0]!);
    for (let n = 0; n < 30; n++) await store.accept(tenant, 1);
    const places = () =>
      store.db.query<{ at: string }>(
        'SELECT ctid::text AS at FROM operation_parts ORDER BY operation_id',
      );
    // A row that is written anew gets a new place.
    const before = (await places()).map(({ at }) => at);
    await store.admissions.resume(tenant.fcm, null);
    const after = (await places()).map(({ at }) => at);
    expect(after.filter((at, n) => at !== before[n])).toHaveLength(1);
  });

  it('is near for a credential that was rotated or deleted', async () => {
    const { claims } = await inHand(2, 1);
    await hear(claims[0]!);
    await store.credentials.rotate(tenant.accountId, tenant.fcm, {
      secret: { kind: 'test' },
      fingerprint: 'cd',
      expiresAt: null,
    });
    expect(await store.admissions.due()).toEqual([tenant.fcm]);
    expect(await windowOf()).toMatchObject({ pauses: 0, paused_by: null });
    await store.db.query(`UPDATE credential_windows SET paused_until = now() + interval '1 hour'`);
    await store.credentials.delete(tenant.accountId, tenant.fcm);
    expect(await store.admissions.due()).toEqual([tenant.fcm]);
  });

  it('is near also when it commits while the secret is changed', async () => {
    const pausing = new pg.Client({ connectionString: store.database.appUrl });
    await pausing.connect();
    await pausing.query('BEGIN');
    await pausing.query(
      `UPDATE credential_windows SET paused_until = now() + interval '1 hour' WHERE credential_id = $1`,
      [tenant.fcm],
    );
    const rotated = store.credentials.rotate(tenant.accountId, tenant.fcm, {
      secret: { kind: 'test' },
      fingerprint: 'cd',
      expiresAt: null,
    });
    await Promise.race([rotated, store.untilWaiting(1)]);
    await pausing.query('COMMIT');
    await pausing.end();
    await rotated;
    expect(await store.admissions.due()).toEqual([tenant.fcm]);
  });

  it.each([
    ['in one transaction', {}],
    ['in several', { limit: 3 }],
  ])(
    '%s, deadlocks with nothing that settles, dispatches, rewinds or cancels at the same time',
    async (_, batches) => {
      const operations = await Promise.all(
        Array.from({ length: 8 }, () => store.accept(tenant, 5)),
      );
      const claims = await store.claim((await store.dispatchAll('small')).map(({ id }) => id));
      await hear(claims[0]!);
      const rest = claims.slice(1);
      const epoch = newId();
      const rewind = async () => {
        // The audit beside it has the sweep's lock for a moment.
        while ((await store.sweeps.rewindAll(epoch, batches)) === null);
      };
      await Promise.all([
        ...[0, 1, 2].map((n) => store.settle(rest.filter((_, at) => at % 3 === n))),
        store.admissions.resume(tenant.fcm, null, batches),
        rewind(),
        store.dispatchAll('small'),
        ...operations.map((operationId) =>
          store.cancels.cancel(tenant.accountId, { operationId }).catch(() => 0),
        ),
        store.sweeps.pass((pass) => pass.auditWindows()),
        store.admissions.grow(50),
      ]);
      await store.sweeps.pass((pass) => pass.auditWindows());
      expect(await store.discrepancies()).toEqual([]);
    },
  );
});

describe('windows', () => {
  const quiet = () =>
    store.db.query(
      `UPDATE credential_windows SET window_changed_at = now() - interval '11 seconds'`,
    );

  it('grow by a tenth of the start after ten quiet seconds, when they are used', async () => {
    await inHand(30, 0);
    await store.admissions.grow(50);
    expect((await windowOf()).window).toBe(50);
    await quiet();
    await store.admissions.grow(50);
    expect((await windowOf()).window).toBe(55);
    expect((await windowOf(tenant.apn)).window).toBe(50);
    await store.admissions.grow(50);
    expect((await windowOf()).window).toBe(55);
  });

  it('grow neither while paused nor beyond 5,000', async () => {
    const { claims } = await inHand(30, 1);
    await hear(claims[0]!);
    await quiet();
    await store.admissions.grow(50);
    expect((await windowOf()).window).toBe(25);
    await store.admissions.resume(tenant.fcm, null);
    await store.db.query('UPDATE credential_windows SET "window" = 4999, outstanding = 4000');
    await quiet();
    await store.admissions.grow(50);
    expect((await windowOf()).window).toBe(5_000);
  });

  it('begin anew after ten quiet minutes', async () => {
    await inHand(1, 0);
    await store.db.query('UPDATE credential_windows SET "window" = 400');
    await store.admissions.grow(50);
    expect((await windowOf()).window).toBe(400);
    await store.db.query(
      `UPDATE credential_windows SET handed_over_at = now() - interval '11 minutes' WHERE credential_id = $1`,
      [tenant.fcm],
    );
    await store.admissions.grow(50);
    expect((await windowOf()).window).toBe(50);
  });

  it('give a credential no more than its share while others have work', async () => {
    await store.accept(tenant, 40);
    const taken: Uuid[] = [];
    await store.dispatches.takeTurns(
      'small',
      500,
      ({ deliveries }) => {
        taken.push(...deliveries.map(({ id }) => id));
        return Promise.resolve();
      },
      { FCM: 12, APN: 30 },
    );
    expect(taken).toHaveLength(12);
    const next = () =>
      store.dispatches.takeTurns('small', 500, () => Promise.resolve(), { FCM: 12, APN: 30 });
    expect(await next()).toBeNull();
  });
});

describe('the crew', () => {
  it('is the workers that were seen a moment ago, and the credentials that had work', async () => {
    const [a, b] = [newId(), newId()];
    expect(await store.admissions.seen(a, 200)).toEqual({
      slots: 200,
      credentials: { FCM: { active: 0, busy: 0 }, APN: { active: 0, busy: 0 } },
    });
    expect(await store.admissions.seen(b, 100)).toMatchObject({ slots: 300 });
    await inHand(3, 0);
    expect(await store.admissions.seen(a, 200)).toEqual({
      slots: 300,
      credentials: { FCM: { active: 1, busy: 1 }, APN: { active: 0, busy: 0 } },
    });
    await store.db.query(
      `UPDATE workers SET seen_at = now() - interval '20 seconds' WHERE id = $1`,
      [b],
    );
    expect(await store.admissions.seen(a, 200)).toMatchObject({ slots: 200 });
    await store.admissions.gone(a);
    expect(await store.db.query('SELECT FROM workers WHERE id = $1', [a])).toEqual([]);
  });
});

describe('a warning', () => {
  it('stands beside a status that is OK, for a day or until the secret is a new one', async () => {
    const find = async () => store.credentials.find(tenant.accountId, tenant.fcm);
    await store.admissions.warn(tenant.fcm, 'No APNs key.');
    expect(await find()).toMatchObject({ status: 'OK', statusReason: 'No APNs key.' });
    await store.db.query(`UPDATE credential_windows SET warned_at = now() - interval '25 hours'`);
    expect(await find()).toMatchObject({ statusReason: null });
    await store.admissions.warn(tenant.fcm, 'No APNs key.');
    await store.credentials.rotate(tenant.accountId, tenant.fcm, {
      secret: { kind: 'test' },
      fingerprint: 'cd',
      expiresAt: null,
    });
    expect(await find()).toMatchObject({ statusReason: null });
  });
});
