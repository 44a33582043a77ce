import { afterEach, describe, expect, it } from '@jest/globals';
import { MAIN_BACKEND, startTestGateway, tokens, type TestGateway } from '../support/gateway.js';

/** What was accepted can be timed, taken back and sent again; all of it counted at the provider. */

let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

const begin = async (env: Record<string, string> = {}): Promise<TestGateway> => {
  gateway = await startTestGateway({ backend: MAIN_BACKEND, env });
  await gateway.storeCredentials();
  return gateway;
};

const inMs = (ms: number) => ({ sendAt: [new Date(Date.now() + ms).toISOString()] });
const pathOf = (operationId: string) => `/v1/PushNotifications/Operations/${operationId}`;

async function windowsAreEmpty(run: TestGateway): Promise<void> {
  const windows = await run.query('SELECT outstanding FROM credential_windows');
  expect(windows.map(({ outstanding }) => outstanding)).toEqual([0, 0]);
}

describe('schedule', () => {
  it('starts within 2 s of its time, not before, whatever its size', async () => {
    // The interval that a gateway has by default.
    const run = await begin({ SWEEP_INTERVAL_MS: '1000' });
    const sent = tokens(6_000);
    const large = await run.send(sent, { schedule: inMs(3_000) });
    const small = await run.send(tokens(1, 'ok', 9_000), { schedule: inMs(3_000) });
    expect((await run.client.get(pathOf(large))).status).toBe('SCHEDULED');
    expect((await run.summary()).requests).toBe(0);
    const operation = await run.settled(large, 60_000);
    expect(operation.stats).toMatchObject({ sent: 6_000, failed: 0 });
    await run.settled(small);
    const starts = await run.query(
      `SELECT extract(epoch FROM min((p.attempts->0->>'at')::timestamptz) - o.scheduled_for)::float AS late
       FROM push_notifications p JOIN operations o ON o.id = p.operation_id GROUP BY o.id`,
    );
    for (const { late } of starts) {
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThan(2);
    }
    expect(await run.summary()).toMatchObject({ distinctAccepted: 6_001, duplicates: 0 });
    await windowsAreEmpty(run);
  });
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
