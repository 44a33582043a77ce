import { afterEach, expect, it } from '@jest/globals';
import pg from 'pg';
import { startTestGateway, tokens, type TestGateway } from '../support/gateway.js';
import { neighbour } from '../support/neighbour.js';

/** ADR 9: a worker slows backlogs while pushes of those who send now and then are tried late, unless it is told not to. */

let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

/** From now on pushes of an account look as if they had been accepted a second before. */
async function makeLate(run: TestGateway, accountId: string): Promise<void> {
  const owner = new pg.Client({ connectionString: run.database.ownerUrl });
  await owner.connect();
  try {
    await owner.query(`
      CREATE FUNCTION a_second_before() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NEW.due_at := NEW.due_at - interval '1 second'; RETURN NEW; END $$;
      CREATE TRIGGER late BEFORE INSERT ON push_notifications FOR EACH ROW
        WHEN (NEW.account_id = '${accountId}') EXECUTE FUNCTION a_second_before()`);
  } finally {
    await owner.end();
  }
}

const PACE = 'fanfare_backlog_pace';

async function metricOf({ ready }: TestGateway['worker'], name: string) {
  const answer = await fetch(`http://127.0.0.1:${ready.metricsPort}/metrics`);
  return new RegExp(`^${name}\\S* (\\S+)$`, 'm').exec(await answer.text())?.[1];
}

it('backlogs are held to a pace while others are late, by a worker that is courteous, and by no other', async () => {
  const run = (gateway = await startTestGateway({ env: { WORKER_CONCURRENCY: '20' } }));
  const full = await run.startWorker({ BACKLOG_PACE: 'full' });
  await run.storeCredentials();
  const { accountId, client } = await neighbour(run);
  let count = 0;
  const single = async () => {
    const token = `sim.ok.single${count++}`;
    const to = [{ token, provider: 'FCM' }];
    await client.post('/v1/PushNotifications', { to, content: { body: 'Hi' } });
    await run.until('it arrives', async () => {
      const { entries } = await run.control('GET', `/ledger?token=${token}`);
      return entries.length > 0;
    });
  };
  const begun = performance.now();
  while (count < 20 || performance.now() - begun < 3_000) await single();
  // Each takes 100 ms: they outlast what follows.
  const names = tokens(5_000, 'slow.100');
  for (let from = 0; from < names.length; from += 100)
    await run.send(names.slice(from, from + 100));
  await single();
  expect(await metricOf(run.worker, PACE)).toBe('+Inf');
  await makeLate(run, accountId);
  const before = count;
  await run.until('the backlog is held to a pace', async () => {
    await single();
    return (await metricOf(run.worker, PACE)) !== '+Inf';
  });
  expect(Number(await metricOf(run.worker, PACE))).toBeGreaterThan(0);
  // The other worker tries half of them, and settles as much.
  for (let more = count - before; more >= 0; more--) await single();
  const settled = Number(await metricOf(full, 'fanfare_settlements_total'));
  expect(settled).toBeGreaterThan(100);
  expect(await metricOf(full, PACE)).toBe('+Inf');
}, 120_000);
