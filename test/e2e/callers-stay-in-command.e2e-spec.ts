import { afterEach, describe, expect, it } from '@jest/globals';
import { parseId } from '@app/domain';
import { forgetQueue } from '../support/forget-queue.js';
import {
  BACKENDS,
  MAIN_BACKEND,
  startTestGateway,
  tokens,
  type QueueBackend,
  type TestGateway,
} from '../support/gateway.js';

/** What was accepted can be timed, taken back and sent again; all of it counted at the provider. */

let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

const begin = async (
  env: Record<string, string> = {},
  backend: QueueBackend = MAIN_BACKEND,
): Promise<TestGateway> => {
  gateway = await startTestGateway({ backend, env });
  await gateway.storeCredentials();
  return gateway;
};

const inMs = (ms: number) => ({ sendAt: [new Date(Date.now() + ms).toISOString()] });
const pathOf = (operationId: string) => `/v1/PushNotifications/Operations/${operationId}`;

async function windowsAreEmpty(run: TestGateway): Promise<void> {
  const windows = await run.query('SELECT outstanding FROM credential_windows');
  expect(windows.map(({ outstanding }) => outstanding)).toEqual([0, 0]);
}

/** The intervals that a gateway has by default. */
const BY_DEFAULT = { SWEEP_INTERVAL_MS: '1000', DISPATCH_INTERVAL_MS: '1000' };

const SAMPLES = 5;

/** Operations of `size` pushes each, so far apart that the timer of a second meets them at different places. */
async function schedule(run: TestGateway, size: number, from: number): Promise<string[]> {
  // All of them are accepted by then.
  const first = Date.now() + 3_000 + (size * SAMPLES) / 2;
  const ids: string[] = [];
  for (let n = 0; n < SAMPLES; n++) {
    const sendAt = [new Date(first + n * 370).toISOString()];
    ids.push(await run.send(tokens(size, 'ok', from + n * size), { schedule: { sendAt } }));
  }
  return ids;
}

/**
 * None before its time, and within 2 s of it. By the database's instants of the first attempts, whoever looks when; the one
 * in the middle, since what a busy machine adds to some of them is not the gateway's. That is seconds at most: the last one
 * shows that none was forgotten until something else came by.
 */
async function expectInTime(run: TestGateway, ids: readonly string[]): Promise<void> {
  const starts = await run.query(
    `SELECT extract(epoch FROM min((p.attempts->0->>'at')::timestamptz) - o.scheduled_for)::float AS late
     FROM push_notifications p JOIN operations o ON o.id = p.operation_id
     WHERE o.id = ANY($1::uuid[]) GROUP BY o.id ORDER BY late`,
    [ids.map((id) => parseId('operation', id))],
  );
  const late = starts.map((start): number => start.late);
  expect(late).toHaveLength(SAMPLES);
  expect(late[0]).toBeGreaterThanOrEqual(0);
  expect(late[(SAMPLES - 1) / 2]).toBeLessThan(2);
  expect(late.at(-1)).toBeLessThan(5);
}

describe('schedule', () => {
  it('starts within 2 s of its time, not before, whatever its size', async () => {
    const run = await begin(BY_DEFAULT);
    const large = await schedule(run, 300, 0);
    const small = await schedule(run, 1, 6_000);
    expect((await run.client.get(pathOf(small.at(-1)!))).status).toBe('SCHEDULED');
    for (const id of large) {
      const operation = await run.settled(id, 60_000);
      expect(operation.stats).toMatchObject({ sent: 300, failed: 0 });
    }
    for (const id of small) await run.settled(id);
    await expectInTime(run, large);
    await expectInTime(run, small);
    expect(await run.summary()).toMatchObject({ distinctAccepted: 1_505, duplicates: 0 });
    await windowsAreEmpty(run);
  });

  const losses: [QueueBackend, string, (run: TestGateway) => Promise<void>][] = [
    ['postgres', 'was emptied', forgetQueue],
    ['redis', 'was emptied', forgetQueue],
    ['redis', 'was restarted and has nothing', async (run) => run.redis?.restart({ empty: true })],
  ];
  it.each(losses.filter(([backend]) => BACKENDS.includes(backend)))(
    'starts within 2 s of its time, not before, when its queue on %s %s meanwhile',
    async (backend, _, lose) => {
      const run = await begin(BY_DEFAULT, backend);
      const queue = async (): Promise<unknown> =>
        (await run.query(`SELECT value FROM sweep_state WHERE name = 'queue-epoch'`))[0]?.value;
      await run.until('the queue is known', async () => (await queue()) !== undefined);
      const known = await queue();
      const ids = await schedule(run, 20, 0);
      await lose(run);
      for (const id of ids)
        expect((await run.settled(id)).stats).toMatchObject({ sent: 20, failed: 0 });
      await expectInTime(run, ids);
      // It is another one.
      expect(await queue()).not.toBe(known);
      expect(await run.summary()).toMatchObject({ distinctAccepted: 100, duplicates: 0 });
      await windowsAreEmpty(run);
    },
  );
});

describe('cancel', () => {
  it('of what waits for its time: nothing of it is ever sent', async () => {
    const run = await begin();
    const canceled = await run.send(tokens(50), { schedule: inMs(1_000) });
    const later = await run.send(tokens(1, 'ok', 100), { schedule: inMs(1_500) });
    const { status } = await run.client.call('DELETE', pathOf(canceled));
    expect(status).toBe(202);
    await run.settled(later);
    expect((await run.client.get(pathOf(canceled))).status).toBe('CANCELED');
    expect([...(await run.arrived()).keys()]).toEqual(tokens(1, 'ok', 100));
  });

  it('in mid-run: what is sent is sent once, what is canceled never', async () => {
    const run = await begin({
      WORKER_CONCURRENCY: '20',
      REQUEST_TIMEOUT_MS: '4000',
      LEASE_MS: '15000',
    });
    // In flight when the cancel comes; each would be taken at its second try.
    const hanging = tokens(6, 'timeout.x1', 3_000);
    const sent = [...tokens(40, 'slow.10'), ...hanging, ...tokens(1_954, 'slow.10', 40)];
    const operationId = await run.send(sent);
    await run.until('a part is sent', async () => (await run.summary()).accepted > 100);
    const { status } = await run.client.call('DELETE', pathOf(operationId));
    expect(status).toBe(202);
    const { stats } = await run.settled(operationId);
    expect(stats.canceled).toBeGreaterThan(0);
    expect(stats.sent).toBeGreaterThan(100);
    expect(stats.sent + stats.canceled).toBe(2_000);
    expect(
      await run.query(
        `SELECT status, attempt_count, count(*)::int AS n FROM push_notifications
         WHERE token = ANY($1) GROUP BY 1, 2`,
        [hanging],
      ),
    ).toEqual([{ status: 'CANCELED', attempt_count: 1, n: 6 }]);
    // Another send passes through what is left of the canceled one's jobs.
    await run.settled(await run.send(tokens(20, 'ok', 5_000)));
    expect(await run.summary()).toMatchObject({ distinctAccepted: stats.sent + 20, duplicates: 0 });
    await windowsAreEmpty(run);
  });
});

describe('redrive', () => {
  it('sends again what failed, and nothing else', async () => {
    const run = await begin();
    // One attempt each, which fails; the next one is taken. A 500 is about one push: nothing else waits for it.
    const failing = tokens(40, 'internal.1');
    const operationId = await run.send([...tokens(40, 'ok', 100), ...failing], { ttlSeconds: 0 });
    expect((await run.settled(operationId)).stats).toMatchObject({ sent: 40, failed: 40 });
    const { errors } = await run.client.get(`${pathOf(operationId)}/Errors`);
    expect(errors).toHaveLength(40);
    const [first] = errors;
    const one = await run.client.call(
      'POST',
      `/v1/PushNotifications/${first.pushNotificationId}/Redrive`,
    );
    expect(one.status).toBe(202);
    expect((await run.settled(operationId)).stats).toMatchObject({ sent: 41, failed: 39 });
    const all = await run.client.call('POST', `${pathOf(operationId)}/Redrive`);
    expect(all.status).toBe(202);
    const operation = await run.settled(operationId);
    expect(operation).toMatchObject({ status: 'COMPLETED', stats: { sent: 80, failed: 0 } });
    expect(await run.summary()).toMatchObject({ distinctAccepted: 80, duplicates: 0 });
    await windowsAreEmpty(run);
  });
});
