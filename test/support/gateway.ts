import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { apiClient, storeCredential } from '../../scripts/client.js';
import { startGateway } from '../../scripts/gateway.js';
import type { ApiClient, Gateway, Json, RunningRedis } from '../../scripts/types.js';
import { checkDocumented } from '../contract/documented.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { startTestRedis } from './redis.js';

export type QueueBackend = 'redis' | 'postgres';

/**
 * Intervals and leases a tenth of their defaults, so that what heals by itself heals within a test; but the sweep a quarter,
 * since ten passes a second cost worker and database an eighth of a core.
 */
const QUICK = {
  LOG_LEVEL: 'warn',
  LEASE_MS: '6000',
  LEASE_MARGIN_MS: '1000',
  REQUEST_TIMEOUT_MS: '1500',
  JOB_LOCK_MS: '3000',
  STALLED_INTERVAL_MS: '3000',
  LOST_AFTER_MS: '9000',
  SWEEP_INTERVAL_MS: '250',
  DISPATCH_INTERVAL_MS: '100',
  REFUSED_PAUSE_MS: '1000',
  PING_INTERVAL_MS: '3000',
  PING_TIMEOUT_MS: '500',
};

export interface Summary {
  requests: number;
  accepted: number;
  distinctAccepted: number;
  duplicates: number;
  connections: number;
}

/** A whole gateway of real processes with its own database, queue and simulator. */
export interface TestGateway extends Gateway {
  client: ApiClient;
  database: TestDatabase;
  redis: RunningRedis | undefined;
  dir: string;
  /** Rows of the gateway's own database, as the role of the service. */
  query(text: string, values?: unknown[]): Promise<Json[]>;
  /** Stores ready-made credentials of the simulator in an App. */
  storeCredentials(appName?: string): Promise<{ fcm: string; apn: string }>;
  /** Sends to `tokens`, and answers the operation's id once it is accepted. */
  send(tokens: readonly string[], more?: Record<string, unknown>): Promise<string>;
  /** Waits until nothing of the operation is left to do. */
  settled(operationId: string, withinMs?: number): Promise<Json>;
  /** Waits until `condition` answers true. */
  until(what: string, condition: () => Promise<boolean>, withinMs?: number): Promise<void>;
  summary(): Promise<Summary>;
  /** Accepted messages by token. */
  arrived(): Promise<Map<string, number>>;
  control(method: string, path: string, body?: unknown): Promise<Json>;
  /** All that the processes have logged. */
  logs(): string;
  close(): Promise<void>;
}

/** FCM for even, APN for odd places. */
export function recipients(tokens: readonly string[]): Json[] {
  return tokens.map((token, at) => ({
    token,
    provider: at % 2 === 0 ? 'FCM' : 'APN',
    variables: { name: `Ada ${at}` },
  }));
}

/** All of them FCM. */
export const onFcm = (names: readonly string[]): Json[] =>
  names.map((token) => ({ token, provider: 'FCM' }));

export const tokens = (count: number, behaviour = 'ok', from = 0): string[] =>
  Array.from({ length: count }, (_, at) => `sim.${behaviour}.${from + at}`);

/** The backends that this machine can run; the one on Redis is left out, saying so, without it. */
export const BACKENDS: readonly QueueBackend[] = await backends();

async function backends(): Promise<QueueBackend[]> {
  const redis = await startTestRedis();
  await redis?.stop();
  return redis === undefined ? ['postgres'] : ['redis', 'postgres'];
}

/** The full suite runs on this one: Redis where there is one. */
export const MAIN_BACKEND: QueueBackend = BACKENDS[0] ?? 'postgres';

export async function startTestGateway(
  options: {
    backend?: QueueBackend;
    env?: Record<string, string>;
    /** Changes DATABASE_URL, for a test that stands between a process and its database. */
    through?: (url: string) => Promise<string>;
  } = {},
): Promise<TestGateway> {
  if (!existsSync(join(import.meta.dirname, '../../dist/apps/worker/src/main.js'))) {
    throw new Error('There is no build: run `npm run setup` first.');
  }
  const backend = options.backend ?? MAIN_BACKEND;
  const dir = mkdtempSync(join(tmpdir(), 'fanfare-e2e-'));
  const database = await createTestDatabase();
  const redis = backend === 'redis' ? await startTestRedis() : undefined;
  const urls = {
    ownerUrl: database.ownerUrl,
    appUrl: (await options.through?.(database.appUrl)) ?? database.appUrl,
  };
  const clean = async () => {
    await redis?.stop();
    await database.drop();
    rmSync(dir, { recursive: true, force: true });
  };
  let gateway: Gateway;
  try {
    gateway = await startGateway({
      dir,
      database: urls,
      simulator: true,
      ...(redis === undefined ? {} : { redisUrl: redis.url }),
      env: { ...QUICK, QUEUE_PREFIX: `t${randomBytes(6).toString('hex')}`, ...options.env },
    });
  } catch (error) {
    await clean();
    throw error;
  }
  const pool = new pg.Pool({ connectionString: database.appUrl, max: 2 });
  pool.on('error', () => undefined);
  // What only a real worker makes an api answer is nowhere else held against the document.
  const client = apiClient(gateway.url, gateway.account, checkDocumented);
  const controlOrigin = gateway.simulator?.ready.controlOrigin ?? '';

  const control: TestGateway['control'] = async (method, path, body) => {
    const answer = await fetch(controlOrigin + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };

  const until: TestGateway['until'] = async (what, condition, withinMs = 30_000) => {
    const begun = performance.now();
    while (!(await condition())) {
      const waitedMs = performance.now() - begun;
      if (waitedMs > withinMs) {
        throw new Error(`${what}: not within ${withinMs} ms.\n${logsOf(dir).slice(-4_000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs(waitedMs)));
    }
  };

  return {
    ...gateway,
    client,
    database,
    redis,
    dir,
    query: async (text, values) => (await pool.query(text, values)).rows,
    async storeCredentials(appName = 'news') {
      const ready = await control('GET', '/credentials');
      const store = (credentialType: 'FCM' | 'APN', content: Record<string, string>) =>
        storeCredential(client, { appName, credentialType, content });
      return { fcm: await store('FCM', ready.fcm), apn: await store('APN', ready.apnToken) };
    },
    async send(to, more = {}) {
      const body = {
        to: recipients(to),
        content: { title: 'Hello', body: 'Hello {{name}}' },
        ...more,
      };
      return (await client.post('/v1/PushNotifications', body)).operationId;
    },
    async settled(operationId, withinMs) {
      let operation: Json;
      await until(
        `${operationId} settles`,
        async () => {
          operation = await client.get(`/v1/PushNotifications/Operations/${operationId}`);
          return operation.stats.queued + operation.stats.scheduled === 0;
        },
        withinMs,
      );
      return operation;
    },
    until,
    summary: () => control('GET', '/ledger/summary'),
    async arrived() {
      const answer = await fetch(`${controlOrigin}/ledger/accepted`);
      const counts = new Map<string, number>();
      for (const line of (await answer.text()).split('\n').filter((text) => text !== '')) {
        const [, token] = JSON.parse(line) as [string, string];
        counts.set(token, (counts.get(token) ?? 0) + 1);
      }
      return counts;
    },
    control,
    logs: () => logsOf(dir),
    async close() {
      await pool.end();
      await gateway.stop();
      await clean();
    },
  };
}

/** A look costs api, database and test some milliseconds of a core each: a long wait is worth fewer of them. */
const pauseMs = (waitedMs: number): number => Math.min(Math.max(20, waitedMs / 20), 100);

function logsOf(dir: string): string {
  const logs = join(dir, 'logs');
  return readdirSync(logs)
    .map((file) => readFileSync(join(logs, file), 'utf8'))
    .join('');
}
