import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '@app/domain';
import { ApnsTokenRepository, Database, SecretBox } from '@app/persistence';
import type { ApnCredential, Message, Providers } from '@app/providers';
import { parseApnCredential } from '@app/providers/checks';
import { startSimulator, type Simulator } from '../../simulator/src/simulator.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { connectProviders } from './connect-providers.js';

let database: TestDatabase;
let simulator: Simulator;
const workers: { db: Database; providers: Providers }[] = [];

beforeAll(async () => {
  [database, simulator] = await Promise.all([createTestDatabase(), startSimulator()]);
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map(stop));
});

afterAll(async () => {
  await simulator?.stop();
  await database?.drop();
});

/** What of a worker process talks to the providers, with connections of its own. */
async function startWorker(): Promise<{ db: Database; providers: Providers }> {
  const db = new Database({ url: database.appUrl, poolSize: 2, applicationName: 'test' });
  const box = new SecretBox([{ id: 'k1', key: Buffer.alloc(32, 1) }]);
  const providers = await connectProviders(
    {
      mode: 'simulator',
      fcmOrigin: simulator.fcmOrigin,
      googleTokenUrl: simulator.tokenUrl,
      apnsOrigin: simulator.apnsOrigin,
      apnsSandboxOrigin: simulator.apnsSandboxOrigin,
      caFile: simulator.caFile,
      requestTimeoutMs: 5_000,
      pingIntervalMs: 30_000,
      pingTimeoutMs: 5_000,
      maxInFlight: 100,
      credentialMaxInFlight: 100,
      credentialWindow: 500,
    },
    new ApnsTokenRepository(db, box),
    { warn: () => undefined },
  );
  const worker = { db, providers };
  workers.push(worker);
  return worker;
}

async function stop({ db, providers }: { db: Database; providers: Providers }): Promise<void> {
  await Promise.all([providers.APN.close(), providers.FCM.close()]);
  await db.close();
}

async function credential(name: string, type: ApnCredential['type']): Promise<ApnCredential> {
  const parsed = parseApnCredential((await simulator.credentials(name)).apnToken);
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults));
  return { id: newId(), version: 1, type, content: parsed.content };
}

const to = (token: string): Message => ({
  id: newId(),
  token,
  body: 'Hi',
  priority: 'HIGH',
  sound: null,
  expiresAt: new Date(Date.now() + 3_600_000),
  immediate: false,
});

const bearersOf = (token: string) =>
  new Set(simulator.ledger.find({ token }).map(({ request }) => request?.headers['authorization']));

describe('the APNs token of a team and key', () => {
  it('is one for workers that start together, both environments, and one that starts later', async () => {
    const both = await Promise.all([startWorker(), startWorker()]);
    const production = await credential('shared', 'APN');
    const sandbox = await credential('shared', 'APN_SANDBOX');
    const outcomes = await Promise.all(
      both.flatMap(({ providers }) => [
        providers.APN.send(production, to('shared')),
        providers.APN.send(sandbox, to('shared')),
      ]),
    );
    await Promise.all(workers.splice(0).map(stop));
    await new Promise((resolve) => setTimeout(resolve, 1_100 - (Date.now() % 1_000)));
    const restarted = await startWorker();
    outcomes.push(await restarted.providers.APN.send(production, to('shared')));
    // Apple, and the simulator, answer 429 to a second token within 20 minutes.
    expect(outcomes.map(({ kind }) => kind)).toEqual(Array(5).fill('accepted'));
    expect(simulator.ledger.find({ token: 'shared' })).toHaveLength(5);
    expect(bearersOf('shared').size).toBe(1);
  });

  it('is refused by the simulator when a worker keeps its own: the rule above bites', async () => {
    const { providers } = await startWorker();
    const mine = await credential('selfish', 'APN');
    expect(await providers.APN.send(mine, to('selfish'))).toMatchObject({ kind: 'accepted' });
    await new Promise((resolve) => setTimeout(resolve, 1_100 - (Date.now() % 1_000)));
    await workers[0]?.db.query('DELETE FROM apns_tokens');
    const other = await startWorker();
    expect(await other.providers.APN.send(mine, to('selfish'))).toMatchObject({
      kind: 'retry',
      scope: 'credential',
      reason: 'TooManyProviderTokenUpdates',
    });
  });
});
