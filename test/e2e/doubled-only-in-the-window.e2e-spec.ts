import { afterEach, describe, expect, it } from '@jest/globals';
import { BACKENDS, onFcm, startTestGateway, tokens, type TestGateway } from '../support/gateway.js';
import { forgetQueue } from '../support/forget-queue.js';

/**
 * Promise 3: a push is handed over twice only when it was claimed, handed over, and not committed before its lease
 * ran out.
 */

const PUSHES = 40;

let run: TestGateway | undefined;
afterEach(async () => {
  await run?.close();
  run = undefined;
});

/** All of them on the wire, none answered yet. */
async function sendAndWaitForArrival(gateway: TestGateway, sent: string[]): Promise<string> {
  // APNs begins with one stream, on which the others would wait for the first slow answer.
  const operationId = await gateway.send([], { to: onFcm(sent) });
  await gateway.until(
    'all are on the wire',
    async () => (await gateway.summary()).requests === PUSHES,
  );
  return operationId;
}

const rowsOf = (gateway: TestGateway) =>
  gateway.query(
    `SELECT id, token, status, lease, attempt_count, unknown_count, attempts, settled_at, updated_at
     FROM push_notifications ORDER BY id`,
  );

const countersOf = (gateway: TestGateway) =>
  gateway.query('SELECT total, queued, sent, failed, canceled FROM operations');

describe.each(BACKENDS)('on %s, a push is handed over once', (backend) => {
  it('when the queue forgets everything while its request is in flight', async () => {
    const gateway = await startTestGateway({ backend, env: { REQUEST_TIMEOUT_MS: '4000' } });
    run = gateway;
    await gateway.storeCredentials();
    await gateway.startWorker();
    const operationId = await sendAndWaitForArrival(gateway, tokens(PUSHES, 'slow.2500'));
    const epoch = async () =>
      (await gateway.query(`SELECT value FROM sweep_state WHERE name = 'queue-epoch'`))[0].value;
    const before = await epoch();
    await forgetQueue(gateway);
    await gateway.until('the sweep has noticed', async () => (await epoch()) !== before);
    // Both workers have the jobs again, and the claims hold.
    expect((await countersOf(gateway))[0].queued).toBe(PUSHES);
    const operation = await gateway.settled(operationId);
    expect(operation.stats).toMatchObject({ sent: PUSHES, failed: 0 });
    expect(await gateway.summary()).toMatchObject({ requests: PUSHES, duplicates: 0 });
    const [attempts] = await gateway.query(
      'SELECT max(attempt_count) AS tries, max(unknown_count) AS unknown FROM push_notifications',
    );
    expect(attempts).toEqual({ tries: 1, unknown: 0 });
  }, 120_000);

  it('or twice at most, when its worker was frozen past its lock and lease, whose late word changes nothing', async () => {
    const gateway = await startTestGateway({ backend, env: { REQUEST_TIMEOUT_MS: '3000' } });
    run = gateway;
    await gateway.storeCredentials();
    const operationId = await sendAndWaitForArrival(gateway, tokens(PUSHES, 'slow.1000'));
    gateway.worker.pause();
    expect((await countersOf(gateway))[0].queued).toBe(PUSHES);
    await gateway.startWorker();
    const operation = await gateway.settled(operationId, 60_000);
    expect(operation).toMatchObject({ status: 'COMPLETED', stats: { sent: PUSHES, failed: 0 } });
    const before = [await rowsOf(gateway), await countersOf(gateway)];

    gateway.worker.resume();
    // It ends when everything that it still had to say is committed, or refused by the fence.
    expect(await gateway.worker.stop()).toEqual({ code: 0, signal: null });
    expect([await rowsOf(gateway), await countersOf(gateway)]).toEqual(before);

    // Each was in the frozen hands; each says so, and arrived no more often than that explains.
    const [rows = []] = before;
    const arrived = await gateway.arrived();
    expect(arrived.size).toBe(PUSHES);
    for (const row of rows) {
      expect(row.attempts[0]).toMatchObject({ outcome: 'unknown', reason: 'lease-lost' });
      expect(row.attempts.at(-1)).toMatchObject({ outcome: 'accepted' });
      expect(arrived.get(row.token)).toBeGreaterThan(1);
      expect(arrived.get(row.token)).toBeLessThanOrEqual(1 + row.unknown_count);
    }
  }, 120_000);
});
