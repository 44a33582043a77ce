import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { newId } from '@app/domain';
import { ApnsTokenRepository, Database, DatabaseClock, SecretBox } from '@app/persistence';
import { loadConfig } from '@app/platform';
import type { ApnCredential, FcmCredential, Message, Providers } from '@app/providers';
import { parseApnCredential, parseFcmCredential } from '@app/providers/checks';
import { startSimulator, type Simulator } from '../../simulator/src/simulator.js';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { moveClocks } from '../../../test/support/moved-clocks.js';
import { connectProviders } from './connect-providers.js';

let database: TestDatabase;
let simulator: Simulator;
interface Worker {
  db: Database;
  clock: DatabaseClock;
  providers: Providers;
}
const workers: Worker[] = [];

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

/**
 * What of a worker process talks to the providers, with connections of its own.
 *
 * @param env on top of what a worker of the simulator needs
 */
async function startWorker(env: Record<string, string> = {}): Promise<Worker> {
  const db = new Database({ url: database.appUrl, poolSize: 2, applicationName: 'test' });
  const box = new SecretBox([{ id: 'k1', key: Buffer.alloc(32, 1) }]);
  const config = loadConfig({
    DATABASE_URL: database.appUrl,
    ENCRYPTION_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64')}`,
    PROVIDERS: 'simulator',
    FCM_ORIGIN: simulator.fcmOrigin,
    GOOGLE_TOKEN_URL: simulator.tokenUrl,
    APNS_ORIGIN: simulator.apnsOrigin,
    APNS_SANDBOX_ORIGIN: simulator.apnsSandboxOrigin,
    PROVIDER_CA_FILE: simulator.caFile,
    ...env,
  });
  const tokens = new ApnsTokenRepository(db, box);
  const clock = await DatabaseClock.start(db);
  const silent = { warn: () => undefined };
  const providers = await connectProviders(config.providers, tokens, clock, silent);
  const worker = { db, clock, providers };
  workers.push(worker);
  return worker;
}

async function stop({ db, clock, providers }: Worker): Promise<void> {
  await Promise.all([providers.APN.close(), providers.FCM.close(), clock.stop()]);
  await db.close();
}

async function credential(name: string, type: ApnCredential['type']): Promise<ApnCredential> {
  const parsed = parseApnCredential((await simulator.credentials(name)).apnToken);
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults));
  return { id: newId(), version: 1, type, content: parsed.content };
}

async function account(name: string): Promise<FcmCredential> {
  const parsed = parseFcmCredential((await simulator.credentials(name)).fcm);
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults));
  return { id: newId(), version: 1, type: 'FCM', content: parsed.content };
}

const to = (token: string): Message => ({
  id: newId(),
  token,
  body: 'Hi',
  priority: 'HIGH',
  sound: null,
  expiresAt: new Date(Date.now() + 3_600_000),
  attemptAt: new Date(),
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

describe('the limits of the configuration', () => {
  it.each([
    ['CREDENTIAL_MAX_IN_FLIGHT', { CREDENTIAL_MAX_IN_FLIGHT: '3' }, { fcm: 3, apns: 3, all: 6 }],
    ['MAX_IN_FLIGHT', { MAX_IN_FLIGHT: '5' }, { fcm: 5, apns: 5, all: 5 }],
    ['both', { CREDENTIAL_MAX_IN_FLIGHT: '3', MAX_IN_FLIGHT: '5' }, { fcm: 3, apns: 3, all: 5 }],
  ])('hold on the wire: %s', async (name, env, limits) => {
    const { providers } = await startWorker(env);
    const google = await account('limits');
    const apple = await credential('limits', 'APN');
    const send = (token: string) => [
      providers.FCM.send(google, to(token)),
      providers.APN.send(apple, to(token)),
    ];
    // APNs allows one stream until it has answered.
    await Promise.all(send('first'));

    const most = { fcm: 0, apns: 0, all: 0 };
    let isOver = false;
    const watch = async (): Promise<void> => {
      while (!isOver) {
        const { fcm, apns } = simulator.connections();
        const active = (counts: typeof fcm) =>
          counts.open.reduce((sum, one) => sum + one.active, 0);
        most.fcm = Math.max(most.fcm, active(fcm));
        most.apns = Math.max(most.apns, active(apns));
        most.all = Math.max(most.all, active(fcm) + active(apns));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const watching = watch();
    // Others would keep the room that one of them needs to fill it: one after the other, then both.
    const slow = (part: string) =>
      Array.from({ length: 8 }, (_, i) => `sim.slow.80.${name}.${part}.${i}`);
    const outcomes = [
      ...(await Promise.all(slow('f').map((token) => providers.FCM.send(google, to(token))))),
      ...(await Promise.all(slow('a').map((token) => providers.APN.send(apple, to(token))))),
      ...(await Promise.all(slow('b').flatMap(send))),
    ];
    isOver = true;
    await watching;
    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['accepted']));
    expect(most).toEqual(limits);
  });
});

describe('a worker whose clock is wrong', () => {
  afterAll(() => {
    jest.restoreAllMocks();
  });

  it('shows Google and Apple the time of the database, which all workers share', async () => {
    // `Date.now`, the simulator's clock, goes with the database; `new Date()`, the worker's and its libraries', does not.
    const clocks = await moveClocks(database.ownerUrl);
    for (const ms of [600_000, -600_000]) {
      await clocks.moveTo(ms);
      const { db, providers } = await startWorker();
      const [google, apple] = [await account(`at${ms}`), await credential(`at${ms}`, 'APN')];
      expect(await providers.FCM.send(google, to('now'))).toMatchObject({ kind: 'accepted' });
      expect(await providers.APN.send(apple, to('now'))).toMatchObject({ kind: 'accepted' });
      const [row] = await db.query<{ offMs: number }>(
        `SELECT min(abs(extract(epoch FROM signed_at - now())) * 1000)::float8 AS "offMs" FROM apns_tokens`,
      );
      expect(row?.offMs).toBeLessThan(5_000);
    }
    await clocks.close();
  });
});
