import { afterEach, describe, expect, it } from '@jest/globals';
import { BACKENDS, startTestGateway, tokens, type TestGateway } from '../support/gateway.js';

/** Promise 11: SIGTERM finishes or hands back what is in flight, loses and duplicates nothing. */

let run: TestGateway | undefined;
afterEach(async () => {
  await run?.close();
  run = undefined;
});

describe.each(BACKENDS)('on %s, SIGTERM of a worker under load', (backend) => {
  it('ends it with exit code 0, burns no attempt, and another one finishes the rest', async () => {
    const gateway = await startTestGateway({ backend, env: { WORKER_CONCURRENCY: '20' } });
    run = gateway;
    await gateway.storeCredentials();
    const sent = tokens(1_500, 'slow.10');
    const operationId = await gateway.send(sent);
    const ended = async () => {
      const [row] = await gateway.query('SELECT sent + failed AS n FROM operations');
      return row.n as number;
    };
    await gateway.until('a part is sent', async () => (await ended()) > 100);
    const exit = await gateway.worker.stop();
    expect(exit).toEqual({ code: 0, signal: null });
    expect(await ended()).toBeLessThan(1_500);
    const [leases] = await gateway.query(
      'SELECT count(*)::int AS n FROM push_notifications WHERE lease_until IS NOT NULL',
    );
    expect(leases.n).toBe(0);
    await gateway.startWorker();
    expect((await gateway.settled(operationId, 60_000)).stats).toMatchObject({ sent: 1_500 });
    const [attempts] = await gateway.query(
      'SELECT max(attempt_count)::int AS most, sum(unknown_count)::int AS unknown FROM push_notifications',
    );
    expect(attempts).toEqual({ most: 1, unknown: 0 });
    expect(await gateway.summary()).toMatchObject({ distinctAccepted: 1_500, duplicates: 0 });
  }, 90_000);
});
