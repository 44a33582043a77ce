import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Json } from '../../scripts/types.js';
import { startTestGateway, type TestGateway } from '../support/gateway.js';

/** Promise 4: when a push is tried again, when it is not, and what counts, through all processes. */

let run: TestGateway;
beforeAll(async () => {
  run = await startTestGateway({ env: { UNKNOWN_OUTCOMES: 'at-most-once' } });
  await run.storeCredentials();
});
afterAll(() => run?.close());

const path = '/v1/PushNotifications';
const pushesOf = async (operationId: string): Promise<Json[]> =>
  (await run.client.get(`${path}?operationId=${operationId}`)).pushNotifications;
const fetched = async (operationId: string): Promise<Json> =>
  run.client.get(`${path}/${(await pushesOf(operationId))[0].id}`);
const ledger = async (token: string): Promise<Json[]> =>
  (await run.control('GET', `/ledger?token=${encodeURIComponent(token)}`)).entries;
const attemptsOf = (push: Json): Json[] =>
  push.timeline.filter(({ event }: { event: string }) => event === 'attempt');
const sendTo = async (token: string, provider: 'FCM' | 'APN', more: object = {}): Promise<string> =>
  (
    await run.client.post(path, {
      to: [{ token, provider }],
      content: { title: 'Hello', body: 'Hello' },
      ...more,
    })
  ).operationId;

describe('a push', () => {
  // First, while this worker has no access token yet.
  it('of a ttl of 0 keeps its one attempt while the token endpoint fails', async () => {
    await run.control('PUT', '/behaviour', {
      tokenEndpoint: { status: 503, error: 'unavailable' },
    });
    const operationId = await sendTo('sim.ok.first', 'FCM', { ttlSeconds: 0 });
    await run.until('it has met the token endpoint', async () => {
      return attemptsOf(await fetched(operationId)).length > 0;
    });
    const waiting = await fetched(operationId);
    expect(waiting).toMatchObject({ status: 'QUEUED', attempts: 0 });
    expect(attemptsOf(waiting)[0]).toMatchObject({ outcome: 'retry', counted: false });
    expect(await ledger('sim.ok.first')).toEqual([]);
    await run.control('PUT', '/behaviour', { tokenEndpoint: null });
    expect((await run.settled(operationId, 90_000)).stats).toMatchObject({ sent: 1 });
    expect(await fetched(operationId)).toMatchObject({ status: 'SENT', attempts: 1 });
    expect(await ledger('sim.ok.first')).toHaveLength(1);
  }, 120_000);

  it('waits until the date that its provider names, and alone', async () => {
    const throttled = await sendTo('sim.throttle.1.1.d2.date', 'APN');
    await run.until('it was throttled', async () => {
      return attemptsOf(await fetched(throttled)).length === 1;
    });
    const neighbour = await sendTo('sim.ok.neighbour', 'APN');
    await run.settled(neighbour);
    await run.settled(throttled);
    const [first, second] = attemptsOf(await fetched(throttled));
    const answeredAt = Date.parse(first.at) + first.latencyMs;
    expect(first).toMatchObject({ outcome: 'retry', httpStatus: 429, counted: true });
    // The simulator's date is cut to the second, upwards.
    expect(Date.parse(second.at) - answeredAt).toBeGreaterThanOrEqual(1_950);
    const [other] = attemptsOf(await fetched(neighbour));
    expect(Date.parse(other.at)).toBeLessThan(Date.parse(second.at));
  });

  it('is given up after an unknown outcome where the operator chose at-most-once', async () => {
    const operationId = await sendTo('sim.timeout.once', 'APN');
    expect((await run.settled(operationId)).stats).toMatchObject({ failed: 1 });
    const push = await fetched(operationId);
    expect(push).toMatchObject({ status: 'FAILED', attempts: 1, error: { code: 71010 } });
    expect(await ledger('sim.timeout.once')).toHaveLength(1);
  });

  it('lives from the time that it is scheduled for', async () => {
    const sendAt = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 2_000);
    const schedule = { sendAt: [sendAt.toISOString()] };
    // Counted from its acceptance it would be over before it begins.
    const operationId = await sendTo('sim.ok.later', 'APN', { schedule, ttlSeconds: 1 });
    expect((await run.settled(operationId)).stats).toMatchObject({ sent: 1 });
    const [{ request }] = (await ledger('sim.ok.later')) as [Json];
    expect(Number(request.headers['apns-expiration'])).toBe(sendAt.getTime() / 1_000 + 1);
  });

  it('lives anew from its last redrive', async () => {
    const operationId = await sendTo('sim.badtoken.x1.anew', 'APN', { ttlSeconds: 1 });
    expect((await run.settled(operationId)).stats).toMatchObject({ failed: 1 });
    const [{ id, createdAt }] = (await pushesOf(operationId)) as [Json];
    const expiresAt = Date.parse(createdAt) + 2_000;
    await run.until('it would have expired', () => Promise.resolve(Date.now() > expiresAt));
    await run.client.post(`${path}/${id}/Redrive`, undefined);
    expect((await run.settled(operationId)).stats).toMatchObject({ sent: 1 });
    const { timeline, attempts } = await fetched(operationId);
    expect(attempts).toBe(1);
    expect(timeline).toMatchObject([
      { event: 'accepted' },
      { event: 'dispatched' },
      { event: 'attempt', outcome: 'invalid-token' },
      { event: 'redriven' },
      { event: 'attempt', outcome: 'accepted' },
      { event: 'settled', status: 'SENT' },
    ]);
  });

  it.each([300_000, -300_000])(
    'lives, waits and tells by the clock of the database when its worker’s is wrong by %i ms',
    async (aheadMs) => {
      await run.worker.stop();
      const file = join(run.dir, `clock-${aheadMs}`);
      writeFileSync(file, String(aheadMs));
      const shifted = new URL('../../bench/chaos/shifted-clock.js', import.meta.url).href;
      const worker = await run.startWorker({
        NODE_OPTIONS: `--import=${shifted}`,
        SHIFTED_CLOCK_FILE: file,
      });
      const token = (behaviour: string) => `sim.${behaviour}.clock${aheadMs}`;
      const began = Date.now();
      const ids = [
        await sendTo(token('ok'), 'FCM', { ttlSeconds: 600 }),
        await sendTo(token('ok.apn'), 'APN', { ttlSeconds: 600 }),
        await sendTo(token('throttle.1.1.d2.date'), 'APN', { ttlSeconds: 600 }),
      ];
      for (const id of ids)
        expect((await run.settled(id, 90_000)).stats).toMatchObject({ sent: 1 });
      const seconds = (Date.now() - began) / 1_000;
      const within = (value: unknown, most: number) => {
        expect(Number(value)).toBeLessThanOrEqual(most);
        expect(Number(value)).toBeGreaterThanOrEqual(most - seconds - 1);
      };
      const [toFcm] = await ledger(token('ok'));
      const { message } = JSON.parse(toFcm.request.body);
      within(message.android.ttl.replace('s', ''), 600);
      within(message.webpush.headers.TTL, 600);
      const [toApn] = await ledger(token('ok.apn'));
      const expiresAt = Math.floor((began + (seconds + 600) * 1_000) / 1_000);
      within(message.apns.headers['apns-expiration'], expiresAt);
      within(toApn.request.headers['apns-expiration'], expiresAt);
      const throttled = await fetched(ids[2] as string);
      const [first, second] = attemptsOf(throttled);
      expect(Date.parse(second.at) - Date.parse(first.at)).toBeGreaterThanOrEqual(1_950);
      const [accepted, dispatched] = throttled.timeline;
      expect(dispatched.event).toBe('dispatched');
      // The database's clock is read now and then, and carried on in between.
      expect(Date.parse(dispatched.at)).toBeGreaterThan(Date.parse(accepted.at) - 1_000);
      expect(Date.parse(dispatched.at)).toBeLessThanOrEqual(Date.parse(first.at));
      await worker.stop();
    },
    120_000,
  );

  // Last: it ends the worker.
  it('that a killed worker had in hand is never sent again, with at-most-once', async () => {
    const worker = await run.startWorker();
    const operationId = await sendTo('sim.slow.1400.killed', 'APN');
    await run.until('it is on the wire', async () => {
      return (await ledger('sim.slow.1400.killed')).length === 1;
    });
    await worker.kill9();
    await run.startWorker();
    expect((await run.settled(operationId, 60_000)).stats).toMatchObject({ failed: 1 });
    const push = await fetched(operationId);
    expect(push).toMatchObject({ attempts: 1, error: { code: 71010 } });
    expect(attemptsOf(push)).toMatchObject([{ outcome: 'unknown', reason: 'lease-lost' }]);
    expect(await ledger('sim.slow.1400.killed')).toHaveLength(1);
  }, 90_000);
});
