import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { formatAccountId, newId } from '@app/domain';
import pg from 'pg';
import { RateLimit } from '../../apps/api/src/rate-limits/rate-limit.js';
import type { RunningRedis } from '../../scripts/types.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startTestRedis } from '../support/redis.js';
import { clientOf, startGateway, storeCredential } from './gateway.js';
import type { Client } from './gateway.js';

const MAIN = new URL('../../dist/apps/api/src/main.js', import.meta.url).pathname;
/** Requests a second. */
const LIMIT = 40;
/** A second that ends between two requests, or a busy machine, makes another round. */
const ROUNDS = 30;

/** Where the two processes meet, and how that goes away and comes back. */
interface Meeting {
  redisUrl?: string;
  away: () => Promise<void>;
  back: () => Promise<void>;
}

// Not the Redis of REDIS_URL: it must go away and come back.
const redis = ownOf(await startTestRedis());
let database: TestDatabase;
let owner: pg.Client;

beforeAll(async () => {
  database = await createTestDatabase();
  owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
});

afterAll(async () => {
  await redis?.stop();
  await owner?.end();
  await database?.drop();
});

function ownOf(started: RunningRedis | undefined): RunningRedis | undefined {
  if (started === undefined || started.pid !== undefined) return started;
  process.stderr.write(
    'The Redis of REDIS_URL cannot be stopped: rate limits are not tried on it.\n',
  );
  return undefined;
}

const inPostgres: Meeting = {
  away: async () => void (await owner.query('ALTER TABLE rate_limits RENAME TO rate_limits_away')),
  back: async () => void (await owner.query('ALTER TABLE rate_limits_away RENAME TO rate_limits')),
};

const inRedis: [string, Meeting][] =
  redis === undefined
    ? []
    : [['Redis', { redisUrl: redis.url, away: () => redis.kill9(), back: () => redis.restart() }]];

describe.each<[string, Meeting]>([['PostgreSQL', inPostgres], ...inRedis])(
  'two api processes that meet in %s',
  (_, meeting) => {
    const children: ChildProcess[] = [];
    let one: Client;
    let other: Client;

    beforeAll(async () => {
      const sid = formatAccountId(newId());
      const token = randomBytes(24).toString('hex');
      const env = {
        PORT: '0',
        METRICS_PORT: '0',
        SHUTDOWN_DRAIN_SECONDS: '0',
        HOST: '127.0.0.1',
        LOG_LEVEL: 'fatal',
        DATABASE_URL: database.appUrl,
        ENCRYPTION_KEYS: `test:${randomBytes(32).toString('base64')}`,
        BOOTSTRAP_ACCOUNT_SID: sid,
        BOOTSTRAP_AUTH_TOKEN: token,
        RATE_LIMIT_REQUESTS: String(LIMIT),
        EXIT_WITH_PARENT: 'true',
        ...(meeting.redisUrl === undefined ? {} : { REDIS_URL: meeting.redisUrl }),
      };
      const start = async () => {
        const child = fork(MAIN, {
          env,
          execArgv: [],
          stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        });
        children.push(child);
        const [ready] = (await once(child, 'message')) as [{ port: number }];
        return clientOf(`http://127.0.0.1:${ready.port}`, sid, token);
      };
      one = await start();
      other = await start();
    });

    afterAll(async () => {
      for (const child of children) {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        await exited;
      }
    });

    /**
     * Has the second process refuse and wait for the end of its second: what it has counted itself before shall refuse
     * nothing.
     */
    async function beginsAnew(): Promise<void> {
      const ask = async () => (await other.get('Operations')).status;
      while (!(await Promise.all(Array.from({ length: 2 * LIMIT }, ask))).includes(429));
      while ((await ask()) === 429);
    }

    /**
     * Uses up the second at the first process, then asks the second one until it refuses.
     *
     * @returns how many it answered before.
     */
    async function answeredByTheOther(): Promise<number> {
      await beginsAnew();
      const answers = await Promise.all(Array.from({ length: LIMIT }, () => one.get('Operations')));
      expect(new Set(answers.map(({ status }) => status))).not.toContain(500);
      for (let answered = 0; ; answered++) {
        const { status, headers } = await other.get('Operations');
        if (status === 429) {
          expect(headers.get('retry-after')).toBe('1');
          return answered;
        }
        expect(status).toBe(200);
        // The second is over, and it never was refused.
        if (answered > 3 * LIMIT) return answered;
      }
    }

    /** Alone a process answers all of its own second before it refuses. */
    const isAlone = (answered: number) => answered >= LIMIT / 2;

    /** Whether within so many rounds there is one that shows it. */
    async function comesToBe(alone: boolean): Promise<boolean> {
      for (let round = 0; round < ROUNDS; round++)
        if (isAlone(await answeredByTheOther()) === alone) return true;
      return false;
    }

    it('refuse together what is beyond the limit of a key', async () => {
      expect(await comesToBe(false)).toBe(true);
    });

    it('count for themselves while that is away, and together again afterwards', async () => {
      const { away, back } = meeting;
      await away();
      try {
        expect(await comesToBe(true)).toBe(true);
        // Still limited: each has its own memory.
        await beginsAnew();
        const burst = await Promise.all(
          Array.from({ length: 4 * LIMIT }, () => other.get('Operations')),
        );
        expect(new Set(burst.map(({ status }) => status))).toEqual(new Set([200, 429]));
      } finally {
        await back();
      }
      expect(await comesToBe(false)).toBe(true);
    });
  },
);

describe('rate limits', () => {
  it('cost a single send little', async () => {
    const gateway = await startGateway();
    try {
      await storeCredential(gateway.client, 'FCM');
      const send = async () => {
        const begin = performance.now();
        const { status } = await gateway.client.post('/v1/PushNotifications', {
          to: [{ token: 't', provider: 'FCM' }],
          content: { body: 'B' },
        });
        expect(status).toBe(202);
        return performance.now() - begin;
      };
      const times: Record<'with' | 'without', number[]> = { with: [], without: [] };
      for (let n = 0; n < 20; n++) await send();
      for (let n = 0; n < 150; n++) {
        times.with.push(await send());
        const off = jest.spyOn(RateLimit.prototype, 'charge').mockResolvedValue(undefined);
        times.without.push(await send());
        off.mockRestore();
      }
      const median = (all: number[]) => all.toSorted((a, b) => a - b)[all.length >> 1]!;
      const [withLimits, without] = [median(times.with), median(times.without)];
      const ratio = withLimits / without;
      process.stderr.write(
        `A single send with rate limits ÷ without, medians of 150: ${ratio.toFixed(2)} (${withLimits.toFixed(2)} ÷ ${without.toFixed(2)} ms)\n`,
      );
      // It waits for nothing; the rest is what a busy machine adds.
      expect(ratio).toBeLessThan(1.5);
    } finally {
      await gateway.stop();
    }
  });
});
