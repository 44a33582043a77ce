import { afterEach, describe, expect, it } from '@jest/globals';
import { BACKENDS, onFcm, startTestGateway, tokens, type TestGateway } from '../support/gateway.js';

/** Promise 5: small sends pass bulk, and do not keep it waiting for ever. */

let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

const BULK = 150;
const SMALL = 20;
/** More than the window of their credential holds, so that what comes free is wanted at once. */
const WAITING = 120;

describe.each(BACKENDS)('on %s, beside small sends that never end', (backend) => {
  it('a bulk operation is sent, and the small ones go before it', async () => {
    const run = (gateway = await startTestGateway({
      backend,
      // A hundred a second, through a window that the small ones alone can fill.
      env: { WORKER_CONCURRENCY: '20', CREDENTIAL_WINDOW: '60' },
    }));
    await run.storeCredentials();
    const one = async (sql: string) => (await run.query(sql))[0].n as number;
    const smallLeft = () =>
      one(`SELECT coalesce(sum(queued), 0)::int AS n FROM operations WHERE total = ${SMALL}`);
    let isOver = false;
    let least = Infinity;
    let sent = 0;
    const stream = (async () => {
      while (!isOver) {
        const left = await smallLeft();
        if (sent > WAITING) least = Math.min(least, left);
        if (left >= WAITING) continue;
        await run.send([], { to: onFcm(tokens(SMALL, 'slow.200', sent)) });
        sent += SMALL;
      }
    })();
    try {
      await run.until('the small ones fill everything', async () => (await smallLeft()) >= WAITING);
      const smallSent = () =>
        one(`SELECT coalesce(sum(sent), 0)::int AS n FROM operations WHERE total = ${SMALL}`);
      const before = await smallSent();
      const bulk = await run.send([], { to: onFcm(tokens(BULK, 'slow.200', 1_000_000)) });
      const { stats } = await run.settled(bulk, 60_000);
      expect(stats).toMatchObject({ sent: BULK, failed: 0 });
      // They never let up, and passed: of a fair line they would have got as much as it.
      expect(least).toBeGreaterThan(WAITING / 3);
      expect((await smallSent()) - before).toBeGreaterThan(BULK);
    } finally {
      isOver = true;
      await stream;
    }
  }, 120_000);

  it('small ones are sent, and soon, beside bulk that waits with a slow provider', async () => {
    const run = (gateway = await startTestGateway({
      backend,
      env: {
        ...{ WORKER_CONCURRENCY: '20', CREDENTIAL_WINDOW: '140' },
        ...{ REQUEST_TIMEOUT_MS: '8000', LEASE_MS: '20000' },
      },
    }));
    await run.storeCredentials();
    const one = async (sql: string) => (await run.query(sql))[0].n as number;
    const sent = (which: string) =>
      one(`SELECT coalesce(sum(sent), 0)::int AS n FROM operations WHERE total ${which}`);
    const inHand = `SELECT count(*)::int AS n FROM push_notifications WHERE lease_until > now()`;
    // Twenty in hand at once, two and a half seconds long: between their ends nothing is taken, whatever waits.
    await run.send([], { to: onFcm(tokens(110, 'slow.2500')) });
    await run.until('bulk is in all hands', async () => (await one(inHand)) >= 20);
    for (const n of [1, 2]) await run.send([], { to: onFcm(tokens(20, 'slow.2500', n * 1_000)) });
    await run.until('three times all hands', async () => (await sent('> 0')) >= 60, 60_000);
    // All that waited when the hands of bulk came free, and not after what bulk has besides.
    expect(await sent('= 20')).toBeGreaterThanOrEqual(30);
  }, 120_000);
});
