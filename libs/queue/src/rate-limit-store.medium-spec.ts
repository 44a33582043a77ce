import { randomUUID } from 'node:crypto';
import { setImmediate as redisTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLogger } from '@app/platform';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/database.js';
import { startTestRedis } from '../../../test/support/redis.js';
import { connectRateLimitStores } from './rate-limit-store.js';

const logger = createLogger({ level: 'silent' });
const redis = await startTestRedis();
let database: TestDatabase;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = new pg.Pool({ connectionString: database.appUrl, max: 2 });
});
afterAll(async () => {
  await redis?.stop();
  await pool?.end();
  await database?.drop();
});

const LIMITS = { few: 10, many: 1_000 };

describe.each(redis === undefined ? ['postgres'] : ['redis', 'postgres'])(
  'limits in %s',
  (backend) => {
    const connect = (prefix: string) =>
      connectRateLimitStores(
        { redisUrl: backend === 'redis' ? redis?.url : undefined, prefix },
        pool,
        LIMITS,
        logger,
      );

    it('are shared by all processes, a caller and a kind each', async () => {
      const prefix = randomUUID().slice(0, 8);
      const caller = randomUUID();
      const [one, two] = [connect(prefix), connect(prefix)];
      // Redis is connected in the background, and the second may end between the two.
      let refused = 0;
      for (let tries = 0; refused === 0 && tries < 1_000; tries++) {
        await one.stores.few.consume(caller, 6).catch(() => 0);
        refused = await two.stores.few.consume(caller, 6).catch(() => 0);
        await redisTurn();
      }
      expect(refused).toBeGreaterThan(0);
      expect(refused).toBeLessThanOrEqual(1_000);
      expect(await two.stores.many.consume(caller, 6)).toBe(0);
      expect(await two.stores.few.consume(randomUUID(), 10)).toBe(0);
      one.close();
      two.close();
    });
  },
);

describe('a store that is away', () => {
  it('says so at once', async () => {
    const away = connectRateLimitStores(
      { redisUrl: 'redis://127.0.0.1:1', prefix: 'x' },
      pool,
      LIMITS,
      logger,
    );
    const begin = performance.now();
    for (let n = 0; n < 100; n++) await expect(away.stores.few.consume('a', 1)).rejects.toThrow();
    expect(performance.now() - begin).toBeLessThan(2_000);
    away.close();
  });
});
