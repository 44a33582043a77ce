import { randomUUID } from 'node:crypto';
import { setImmediate as immediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '@app/domain';
import { createLogger } from '@app/platform';
import type { Logger } from '@app/platform';
import { Redis } from 'ioredis';
import pg from 'pg';
import { createTestDatabase } from '../../../test/support/database.js';
import { truncate } from '../../../test/support/forget-queue.js';
import type { TestDatabase } from '../../../test/support/database.js';
import { startTestRedis } from '../../../test/support/redis.js';
import { QueueUnavailable, countJobs } from './connection.js';
import type { QueueConnection } from './connection.js';
import { createDeliveryConsumer } from './consumer.js';
import type { DeliveryConsumer, DeliveryProcessor } from './consumer.js';
import { createQueueConnection } from './create-connection.js';
import { DELIVER_APN, DELIVER_FCM } from './jobs.js';
import type { DeliveryToEnqueue, QueueName } from './jobs.js';
import { DeliveryProducer } from './producer.js';

// What the product relies on, on both backends.

const logger = createLogger({ level: 'silent' });
const LOCK_MS = 500;
const STALLED_MS = 250;
const TIMEOUT_MS = 5_000;

interface Backend {
  canCut: boolean;
  start(): Promise<void>;
  connect(): Promise<QueueConnection>;
  /** The queue's server forgets everything. */
  lose(): Promise<void>;
  /** Every connection to it breaks. */
  cut(): Promise<void>;
  stop(): Promise<void>;
}

const redis = await startTestRedis();
afterAll(() => redis?.stop());
/** Not the server of REDIS_URL, where others may have keys and connections. */
const ours = redis?.pid !== undefined;

function redisBackend(): Backend {
  const prefix = `test-${randomUUID()}`.slice(0, 32);
  let admin: Redis;
  return {
    canCut: ours,
    start: () => {
      admin = new Redis(redis?.url ?? '');
      return Promise.resolve();
    },
    connect: () =>
      createQueueConnection(
        { redisUrl: redis?.url, databaseUrl: '', prefix, poolSize: 12 },
        logger,
      ),
    lose: async () => {
      if (ours) await admin.flushall();
      else await admin.unlink(await admin.keys(`{${prefix}*`));
    },
    cut: async () => {
      await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    },
    stop: () => {
      admin.disconnect();
      return Promise.resolve();
    },
  };
}

function postgresBackend(): Backend {
  let database: TestDatabase;
  let admin: pg.Client;
  return {
    canCut: true,
    start: async () => {
      database = await createTestDatabase();
      admin = new pg.Client({ connectionString: database.ownerUrl });
      await admin.connect();
    },
    connect: () =>
      createQueueConnection(
        { redisUrl: undefined, databaseUrl: database.appUrl, prefix: '', poolSize: 12 },
        logger,
      ),
    lose: () => truncate(admin, 'bullmq.job, bullmq.event, bullmq.meta'),
    cut: async () => {
      const killer = new pg.Client({ connectionString: database.appUrl });
      await killer.connect();
      await killer.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()`,
      );
      await killer.end();
    },
    stop: async () => {
      await admin.end();
      await database.drop();
    },
  };
}

/** Records what a consumer was given, and lets a test wait for it. */
class Seen {
  readonly ids: string[] = [];
  /** Of those, which were put before others. */
  readonly first: string[] = [];
  private waiting: { count: number; resolve: () => void }[] = [];

  /** @param then what the processor answers; nothing = the job is over. */
  processor(then: DeliveryProcessor = () => Promise.resolve(undefined)): DeliveryProcessor {
    return (id, addedAt, wentFirst) => {
      this.ids.push(id);
      if (wentFirst) this.first.push(id);
      for (const { count, resolve } of this.waiting) if (this.ids.length >= count) resolve();
      return then(id, addedAt, wentFirst);
    };
  }

  async until(count: number): Promise<string[]> {
    if (this.ids.length < count) {
      await new Promise<void>((resolve) => {
        this.waiting.push({ count, resolve });
      });
    }
    return this.ids;
  }
}

/** A processor that ends when the test says so. */
function held(): { processor: DeliveryProcessor; release: () => void } {
  let release = (): void => undefined;
  const gate = new Promise<undefined>((resolve) => {
    release = () => {
      resolve(undefined);
    };
  });
  return { processor: () => gate, release };
}

let next = 0;
function jobs(count: number, rest: Partial<DeliveryToEnqueue> = {}): DeliveryToEnqueue[] {
  return Array.from({ length: count }, () => ({
    id: `0190-${++next}`,
    lane: 'small',
    delayMs: 0,
    ...rest,
  }));
}
const idsOf = (deliveries: DeliveryToEnqueue[]) => deliveries.map(({ id }) => id);

const NOTHING = { waiting: 0, delayed: 0, active: 0, failed: 0 };

const backends: [string, () => Backend][] = [
  ['PostgreSQL', postgresBackend],
  ...(redis === undefined ? [] : [['Redis', redisBackend] as [string, () => Backend]]),
];

describe.each(backends)('the queue on %s', (_name, makeBackend) => {
  const backend = makeBackend();
  let connection: QueueConnection;
  let producer: DeliveryProducer;
  const consumers: DeliveryConsumer[] = [];

  beforeAll(() => backend.start(), 60_000);
  afterAll(() => backend.stop());

  beforeEach(async () => {
    connection = await backend.connect();
    producer = new DeliveryProducer(connection, systemClock);
    await connection.usable(TIMEOUT_MS);
  });
  afterEach(async () => {
    await Promise.all(consumers.splice(0).map((consumer) => consumer.close({ force: true })));
    await connection.close();
    await backend.lose();
  });

  const add = (deliveries: DeliveryToEnqueue[], queue: QueueName = DELIVER_FCM) =>
    producer.enqueue(queue, deliveries, TIMEOUT_MS);
  const count = (queue: QueueName = DELIVER_FCM) => countJobs(connection.queue(queue));

  function consume(
    processor: DeliveryProcessor,
    options: {
      concurrency?: number;
      queue?: QueueName;
      logger?: Logger;
      lockMs?: number;
      stalledIntervalMs?: number;
      requeue?: (deliveries: readonly DeliveryToEnqueue[]) => Promise<void>;
    } = {},
  ): DeliveryConsumer {
    const queue = options.queue ?? DELIVER_FCM;
    const consumer = createDeliveryConsumer(connection, queue, processor, {
      requeue: options.requeue ?? ((deliveries) => producer.enqueue(queue, deliveries, TIMEOUT_MS)),
      concurrency: options.concurrency ?? 10,
      lockMs: options.lockMs ?? LOCK_MS,
      stalledIntervalMs: options.stalledIntervalMs ?? STALLED_MS,
      logger: options.logger ?? logger,
    });
    consumers.push(consumer);
    return consumer;
  }

  it('gives each job to one processor, once, and keeps nothing', async () => {
    const deliveries = jobs(20);
    const seen = new Seen();
    const consumer = consume(seen.processor());
    await add(deliveries);
    await seen.until(20);
    await consumer.close();
    expect(seen.ids.toSorted()).toEqual(idsOf(deliveries).toSorted());
    expect(await count()).toEqual(NOTHING);
  });

  describe('with several pushes a job', () => {
    const several = () => new DeliveryProducer(connection, systemClock, 10);

    it('gives each push to one processor, in few jobs, and keeps nothing', async () => {
      const deliveries = [...jobs(25), ...jobs(12, { lane: 'bulk' }), ...jobs(1, { delayMs: 50 })];
      await several().enqueue(DELIVER_FCM, deliveries, TIMEOUT_MS);
      // Three of small ones, two of bulk, one of its own for what is not due yet.
      expect(await count()).toMatchObject({ waiting: 5, delayed: 1 });
      const seen = new Seen();
      const consumer = consume(seen.processor());
      await seen.until(38);
      await consumer.close();
      expect(seen.ids.toSorted()).toEqual(idsOf(deliveries).toSorted());
      expect(await count()).toEqual(NOTHING);
    });

    it('gives one that comes back a job of its own, in its lane', async () => {
      const deliveries = jobs(10, { lane: 'bulk' });
      const last = deliveries.at(-1)?.id ?? '';
      const seen = new Seen();
      const requeued: DeliveryToEnqueue[] = [];
      consume(
        seen.processor((id) =>
          Promise.resolve(
            id === last && requeued.length === 0 ? new Date(Date.now() + 100) : undefined,
          ),
        ),
        {
          requeue: async (back) => {
            requeued.push(...back);
            await producer.enqueue(DELIVER_FCM, back, TIMEOUT_MS);
          },
        },
      );
      await several().enqueue(DELIVER_FCM, deliveries, TIMEOUT_MS);
      expect((await seen.until(11)).at(-1)).toBe(last);
      expect(requeued).toEqual([{ id: last, lane: 'bulk', delayMs: expect.any(Number) }]);
    });

    it('counts pushes, not jobs: slow ones hold up no more than themselves, and few are in hand', async () => {
      const slow = jobs(3);
      const rest = jobs(20);
      const { processor, release } = held();
      let inHand = 0;
      let most = 0;
      const seen = new Seen();
      const consumer = consume(
        seen.processor(async (id, at, wentFirst) => {
          most = Math.max(most, ++inHand);
          await (idsOf(slow).includes(id) ? processor(id, at, wentFirst) : immediate());
          inHand--;
          return undefined;
        }),
        { concurrency: 4 },
      );
      // As retries: a job each.
      await add(slow);
      await seen.until(3);
      await several().enqueue(DELIVER_FCM, rest, TIMEOUT_MS);
      await seen.until(23);
      expect(most).toBe(4);
      release();
      await consumer.close();
      expect(await count()).toEqual(NOTHING);
    });

    it('lets one that comes first pass those of a job that have not begun', async () => {
      const [first] = jobs(1, { first: true }) as [DeliveryToEnqueue];
      const releases: (() => void)[] = [];
      const seen = new Seen();
      const consumer = consume(
        seen.processor(() => {
          const { processor, release } = held();
          releases.push(release);
          return processor('', new Date(), false);
        }),
        { concurrency: 2 },
      );
      await several().enqueue(DELIVER_FCM, jobs(8), TIMEOUT_MS);
      await seen.until(2);
      await add([first]);
      // It waits for a slot as six others do.
      while (consumer.size < 2) await immediate();
      releases[0]?.();
      await seen.until(3);
      expect(seen.ids[2]).toBe(first.id);
      for (let begun = 1; begun < 9; begun++) {
        releases[begun]?.();
        await seen.until(Math.min(begun + 3, 9));
      }
    });

    it('begins no other when it closes, and leaves what has not begun in the queue', async () => {
      const { processor, release } = held();
      const seen = new Seen();
      const consumer = consume(seen.processor(processor), { concurrency: 4 });
      await several().enqueue(DELIVER_FCM, jobs(10), TIMEOUT_MS);
      await seen.until(4);
      const closed = consumer.close();
      release();
      await closed;
      expect(seen.ids).toHaveLength(4);
      // One that was being taken at that moment waits as a delayed job does.
      const { waiting, delayed, active } = await count();
      expect([waiting + delayed, active]).toEqual([6, 0]);
    });

    it('lets one that fails take no other with it', async () => {
      const deliveries = jobs(3);
      const seen = new Seen();
      const consumer = consume(
        seen.processor((id) =>
          id === deliveries[1]?.id
            ? Promise.reject(new Error('a fault'))
            : Promise.resolve(undefined),
        ),
      );
      await several().enqueue(DELIVER_FCM, deliveries, TIMEOUT_MS);
      await seen.until(3);
      await consumer.close();
      expect(await count()).toEqual(NOTHING);
    });

    it('comes back whole when the queue does not take what is left', async () => {
      const deliveries = jobs(2);
      const seen = new Seen();
      let refused = 0;
      consume(
        seen.processor(() =>
          Promise.resolve(seen.ids.length <= 2 ? new Date(Date.now() + 60_000) : undefined),
        ),
        {
          requeue: async () => {
            refused++;
            throw new QueueUnavailable('away');
          },
        },
      );
      await several().enqueue(DELIVER_FCM, deliveries, TIMEOUT_MS);
      expect((await seen.until(4)).slice(2).toSorted()).toEqual(idsOf(deliveries).toSorted());
      expect(refused).toBe(1);
    });
  });

  it('says when a job was handed over, by the clock of all workers, also when it comes back', async () => {
    const instants: number[] = [];
    const twice = new Seen();
    // That of this machine is an hour ahead.
    const handedOverAt = new Date(Date.now() - 3_600_000);
    const processor = twice.processor(() =>
      Promise.resolve(instants.length === 1 ? new Date(Date.now() + 50) : undefined),
    );
    consume((job, addedAt) => {
      instants.push(addedAt.getTime());
      return processor(job, addedAt, false);
    });
    const other = new DeliveryProducer(connection, { now: () => handedOverAt });
    await other.enqueue(DELIVER_FCM, jobs(1), TIMEOUT_MS);
    await twice.until(2);
    expect(instants).toEqual([handedOverAt.getTime(), handedOverAt.getTime()]);
  });

  it('says of a job of a release before when the queue got it', async () => {
    const instants: number[] = [];
    const once = new Seen();
    const processor = once.processor();
    consume((job, addedAt) => {
      instants.push(addedAt.getTime());
      return processor(job, addedAt, false);
    });
    const before = Date.now();
    const [{ id } = { id: '' }] = jobs(1);
    await connection.queue(DELIVER_FCM).addBulk([{ name: 'deliver', data: { id } }]);
    await once.until(1);
    expect(instants[0]).toBeGreaterThanOrEqual(before);
    expect(instants[0]).toBeLessThanOrEqual(Date.now());
  });

  it('keeps its queues apart', async () => {
    const [fcm, apn] = [jobs(3), jobs(3)];
    await add(fcm, DELIVER_FCM);
    await add(apn, DELIVER_APN);
    const seen = new Seen();
    await consume(seen.processor(), { queue: DELIVER_APN }).ready();
    await seen.until(3);
    expect(seen.ids.toSorted()).toEqual(idsOf(apn).toSorted());
    expect((await count(DELIVER_FCM)).waiting).toBe(3);
  });

  it('counts jobs by what they wait for', async () => {
    const hold = held();
    const seen = new Seen();
    const consumer = consume(seen.processor(hold.processor), { concurrency: 1 });
    await add(jobs(1));
    await seen.until(1);
    await add([...jobs(2), ...jobs(3, { lane: 'bulk' }), ...jobs(4, { delayMs: 60_000 })]);
    expect(await count()).toEqual({ waiting: 5, delayed: 4, active: 1, failed: 0 });
    expect(consumer.size).toBe(1);
    hold.release();
  });

  it('does not double an id that waits, is delayed or is active', async () => {
    const [waiting] = [jobs(1)];
    const delayed = jobs(1, { delayMs: 60_000 });
    await add([...waiting, ...delayed]);
    await add([...waiting, ...delayed, ...waiting]);
    expect(await count()).toMatchObject({ waiting: 1, delayed: 1 });

    const hold = held();
    const seen = new Seen();
    consume(seen.processor(hold.processor), { concurrency: 1 });
    await seen.until(1);
    await add(waiting);
    hold.release();
    const last = jobs(1);
    await add(last);
    expect(await seen.until(2)).toEqual(idsOf([...waiting, ...last]));
  });

  it('lets a push that is due begin though its job is delayed by a wrong clock, or in a hand that is gone', async () => {
    const [late, inHand, waiting, gone] = jobs(4) as [
      DeliveryToEnqueue,
      DeliveryToEnqueue,
      DeliveryToEnqueue,
      DeliveryToEnqueue,
    ];
    const { processor, release } = held();
    const seen = new Seen();
    let isWrong = true;
    const consumer = consume(
      seen.processor((id, at, wentFirst) => {
        if (id !== late.id) return processor(id, at, wentFirst);
        const comesBack = isWrong ? new Date(Date.now() + 3_600_000) : undefined;
        isWrong = false;
        return Promise.resolve(comesBack);
      }),
      { concurrency: 1 },
    );
    await add([late]);
    await seen.until(1);
    while ((await count()).delayed === 0);
    await add([inHand]);
    await seen.until(2);
    await add([waiting]);
    const due = [late, inHand, waiting, gone];
    await producer.enqueueDue(DELIVER_FCM, due, TIMEOUT_MS);
    // The one in hand has another beside it: whether its hand is still there, the queue cannot tell.
    expect(await count()).toEqual({ waiting: 4, delayed: 0, active: 1, failed: 0 });
    // One other, however long it takes.
    await producer.enqueueDue(DELIVER_FCM, due, TIMEOUT_MS);
    expect(await count()).toEqual({ waiting: 4, delayed: 0, active: 1, failed: 0 });
    release();
    await seen.until(6);
    await consumer.close();
    expect(seen.ids.slice(0, 2)).toEqual([late.id, inHand.id]);
    expect(seen.ids.slice(2).toSorted()).toEqual(idsOf(due).toSorted());
    expect(await count()).toEqual(NOTHING);
  });

  it('lets the other job of a push in hand begin too, when a wrong clock has delayed that', async () => {
    const due = jobs(1);
    const { processor, release } = held();
    const seen = new Seen();
    const inHand = consume(seen.processor(processor), { concurrency: 1 });
    await add(due);
    await seen.until(1);
    await producer.enqueueDue(DELIVER_FCM, due, TIMEOUT_MS);
    const wrong = consume(seen.processor(() => Promise.resolve(new Date(Date.now() + 3_600_000))));
    await seen.until(2);
    await wrong.close();
    expect(await count()).toEqual({ ...NOTHING, delayed: 1, active: 1 });
    await producer.enqueueDue(DELIVER_FCM, due, TIMEOUT_MS);
    expect(await count()).toEqual({ ...NOTHING, waiting: 1, active: 1 });
    release();
    await seen.until(3);
    await inHand.close();
    expect(new Set(seen.ids)).toEqual(new Set(idsOf(due)));
  });

  it('gives each push that is due a job of its own, however often, where jobs carry several', async () => {
    const several = new DeliveryProducer(connection, systemClock, 10);
    const due = jobs(25);
    await several.enqueue(DELIVER_FCM, due, TIMEOUT_MS);
    for (let time = 1; time <= 3; time++) {
      await several.enqueueDue(DELIVER_FCM, due, TIMEOUT_MS);
      // A queue that is merely long: it grows no further.
      expect(await count()).toEqual({ ...NOTHING, waiting: 3 + 25 });
    }
  });

  it('takes an id again once its job is over', async () => {
    const deliveries = jobs(1);
    const seen = new Seen();
    const first = consume(seen.processor());
    await add(deliveries);
    await seen.until(1);
    await first.close();
    consume(seen.processor());
    await add(deliveries);
    expect(await seen.until(2)).toEqual([...idsOf(deliveries), ...idsOf(deliveries)]);
  });

  it('honours a delay', async () => {
    const seen = new Seen();
    await consume(seen.processor()).ready();
    const begin = Date.now();
    await add(jobs(1, { delayMs: 400 }));
    await seen.until(1);
    expect(Date.now() - begin).toBeGreaterThanOrEqual(399);
    expect(Date.now() - begin).toBeLessThan(2_500);
  });

  it('takes small before bulk', async () => {
    const bulk = jobs(5, { lane: 'bulk' });
    const small = jobs(5);
    await add(bulk);
    await add(small);
    const seen = new Seen();
    consume(seen.processor(), { concurrency: 1 });
    expect(await seen.until(10)).toEqual([...idsOf(small), ...idsOf(bulk)]);
  });

  it('takes those that come first before all others of their lane, each in a job of its own', async () => {
    const [bulk, small, first] = [jobs(2, { lane: 'bulk' }), jobs(5), jobs(2, { first: true })];
    await add(bulk);
    await add(small);
    await new DeliveryProducer(connection, systemClock, 100).enqueue(
      DELIVER_FCM,
      [...first, ...jobs(1)],
      TIMEOUT_MS,
    );
    const seen = new Seen();
    consume(seen.processor(), { concurrency: 1 });
    const ids = await seen.until(10);
    expect(new Set(ids.slice(0, 2))).toEqual(new Set(idsOf(first)));
    expect(seen.first).toEqual(ids.slice(0, 2));
    expect(ids.slice(2, 7)).toEqual(idsOf(small));
    expect(ids.slice(8)).toEqual(idsOf(bulk));
  });

  it('takes what came first and comes back for one of many', async () => {
    const [first] = jobs(1, { first: true }) as [DeliveryToEnqueue];
    await add([first]);
    const seen = new Seen();
    let comesBack = true;
    consume(
      seen.processor(() => {
        const at = comesBack ? new Date() : undefined;
        comesBack = false;
        return Promise.resolve(at);
      }),
    );
    expect(await seen.until(2)).toEqual([first.id, first.id]);
    expect(seen.first).toEqual([first.id]);
  });

  describe('with small jobs before bulk ones all the time', () => {
    const move = (pushes = 3, by = producer) => by.moveBulk(DELIVER_FCM, pushes, TIMEOUT_MS);

    it('moves some bulk jobs behind the small ones where nobody took one since the last look, in their order, and no more before those are taken', async () => {
      const bulk = jobs(8, { lane: 'bulk' });
      const [early, late] = [jobs(4), jobs(2)];
      await add(bulk);
      await add(early);
      const other = new DeliveryProducer(connection, systemClock);
      // What was not seen before may just have come.
      expect([await move(), await move(3, other)]).toEqual([0, 0]);
      expect(await move()).toBe(3);
      // Nobody takes any: whoever looks, and however often.
      for (const by of [producer, other, producer, other]) expect(await move(3, by)).toBe(0);
      await add(late);
      const seen = new Seen();
      const consumer = consume(seen.processor(), { concurrency: 1 });
      await seen.until(14);
      await consumer.close();
      const b = idsOf(bulk);
      expect(seen.ids).toEqual([
        ...[...idsOf(early), ...b.slice(0, 3)],
        ...[...idsOf(late), ...b.slice(3)],
      ]);
      expect(await count()).toEqual(NOTHING);
    });

    it('moves none while one of those that it moved waits, and goes on after the last', async () => {
      const [first] = jobs(1) as [DeliveryToEnqueue];
      const bulk = jobs(8, { lane: 'bulk' });
      const [begun, small] = [jobs(1), jobs(2)];
      const holds = new Map([first.id, bulk[0]!.id, bulk[2]!.id].map((id) => [id, held()]));
      const seen = new Seen();
      const consumer = consume(
        seen.processor(
          (id, at, wentFirst) =>
            holds.get(id)?.processor(id, at, wentFirst) ?? Promise.resolve(undefined),
        ),
        { concurrency: 1 },
      );
      await add([first]);
      await seen.until(1);
      await add(bulk);
      await add(begun);
      await move();
      expect(await move()).toBe(3);
      holds.get(first.id)?.release();
      await add(small);
      await seen.until(3);
      // The first of them is in hand, two wait.
      expect(seen.ids.at(-1)).toBe(bulk[0]?.id);
      expect(await move()).toBe(0);
      holds.get(bulk[0]!.id)?.release();
      await seen.until(5);
      expect(await move()).toBe(3);
      holds.get(bulk[2]!.id)?.release();
      await seen.until(12);
      await consumer.close();
      const b = idsOf(bulk);
      expect(seen.ids.slice(5)).toEqual([...idsOf(small), ...b.slice(3, 6), ...b.slice(6)]);
    });

    it('leaves the lane alone while its jobs are taken, where there are none, and where no small one waits', async () => {
      expect(await move()).toBe(0);
      expect(await move()).toBe(0);
      await add(jobs(3, { lane: 'bulk' }));
      expect(await move()).toBe(0);
      expect(await move()).toBe(0);
      const { processor, release } = held();
      const seen = new Seen();
      consume(seen.processor(processor), { concurrency: 1 });
      await seen.until(1);
      await add(jobs(1));
      expect(await move()).toBe(0);
      expect(await count()).toMatchObject({ waiting: 3, active: 1 });
      release();
      await seen.until(4);
    });

    it('moves all of the last ones', async () => {
      const bulk = jobs(2, { lane: 'bulk' });
      const small = jobs(1);
      await add(bulk);
      await add(small);
      await move(5);
      expect(await move(5)).toBe(2);
      expect(await move(5)).toBe(0);
      const seen = new Seen();
      consume(seen.processor(), { concurrency: 1 });
      expect(await seen.until(3)).toEqual(idsOf([...small, ...bulk]));
    });

    it('lets one that comes back later wait in its own lane again', async () => {
      const [bulk, small, later] = [jobs(1, { lane: 'bulk' }), jobs(1), jobs(1)];
      await add(bulk);
      await add(small);
      await move();
      expect(await move()).toBe(1);
      const seen = new Seen();
      const comesBack = new Date(Date.now() + 3_600_000);
      const first = consume(
        seen.processor((id) => Promise.resolve(id === bulk[0]!.id ? comesBack : undefined)),
        { concurrency: 1 },
      );
      await seen.until(2);
      await first.close();
      expect(await count()).toEqual({ ...NOTHING, delayed: 1 });
      await producer.enqueueDue(DELIVER_FCM, bulk, TIMEOUT_MS);
      await add(later);
      consume(seen.processor(), { concurrency: 1 });
      expect((await seen.until(4)).slice(2)).toEqual(idsOf([...later, ...bulk]));
    });

    it('moves jobs of several by the number of their pushes', async () => {
      const several = new DeliveryProducer(connection, systemClock, 10);
      await several.enqueue(DELIVER_FCM, jobs(40, { lane: 'bulk' }), TIMEOUT_MS);
      await add(jobs(1));
      await several.moveBulk(DELIVER_FCM, 15, TIMEOUT_MS);
      expect(await several.moveBulk(DELIVER_FCM, 15, TIMEOUT_MS)).toBe(2);
    });
  });

  it('postpones a job as often as it is asked to', async () => {
    const instants: number[] = [];
    const seen = new Seen();
    const consumer = consume(
      seen.processor(() => {
        instants.push(Date.now());
        return Promise.resolve(instants.length < 5 ? new Date(Date.now() + 100) : undefined);
      }),
    );
    await add(jobs(1));
    expect(new Set(await seen.until(5)).size).toBe(1);
    for (const [index, instant] of instants.entries()) {
      if (index > 0) expect(instant - (instants[index - 1] ?? 0)).toBeGreaterThanOrEqual(99);
    }
    await consumer.close();
    expect(await count()).toEqual(NOTHING);
  });

  it('does not double an id that was postponed', async () => {
    const deliveries = jobs(1);
    const seen = new Seen();
    const consumer = consume(seen.processor(() => Promise.resolve(new Date(Date.now() + 60_000))));
    await add(deliveries);
    await seen.until(1);
    await consumer.close();
    await add(deliveries);
    expect(await count()).toEqual({ ...NOTHING, delayed: 1 });
  });

  it('gives the job of a worker that vanished to another, however often that happens', async () => {
    const deliveries = jobs(1);
    const seen = new Seen();
    await add(deliveries);
    for (let time = 1; time <= 3; time++) {
      const victim = consume(seen.processor(held().processor));
      await seen.until(time);
      await victim.close({ force: true });
    }
    const begin = Date.now();
    const heir = consume(seen.processor());
    await seen.until(4);
    expect(Date.now() - begin).toBeLessThan(LOCK_MS + 3 * STALLED_MS + 1_000);
    expect(new Set(seen.ids)).toEqual(new Set(idsOf(deliveries)));
    await heir.close();
    expect(await count()).toEqual(NOTHING);
  }, 20_000);

  it('lets a job take longer than its lock', async () => {
    const hold = held();
    const seen = new Seen();
    const consumer = consume(seen.processor(hold.processor), { concurrency: 1 });
    const watcher = consume(seen.processor(hold.processor), { concurrency: 1 });
    await add(jobs(1));
    await seen.until(1);
    // Two looks for stalled jobs after the lock would have run out, told by their own jobs.
    await add(jobs(1, { delayMs: LOCK_MS + 2 * STALLED_MS }));
    await seen.until(2);
    hold.release();
    await Promise.all([consumer.close(), watcher.close()]);
    expect(seen.ids).toHaveLength(2);
    expect(await count()).toEqual(NOTHING);
  });

  it('leaves nothing of a job whose processor failed, and takes its id again', async () => {
    const deliveries = jobs(2);
    const seen = new Seen();
    const broken = consume(seen.processor(() => Promise.reject(new Error('a bug'))));
    await add(deliveries);
    await seen.until(2);
    await broken.close();
    expect(await count()).toEqual(NOTHING);
    consume(seen.processor());
    await add(deliveries);
    expect((await seen.until(4)).toSorted()).toEqual(
      idsOf([...deliveries, ...deliveries]).toSorted(),
    );
  });

  it('forgets an ended job that somebody kept: it blocks its id until then', async () => {
    const [one] = jobs(1) as [DeliveryToEnqueue];
    const planted = { name: 'deliver', data: { id: one.id } };
    await connection
      .queue(DELIVER_FCM)
      .addBulk([{ ...planted, opts: { jobId: one.id, attempts: 1 } }]);
    const broken = consume(() => Promise.reject(new Error('a bug')));
    while ((await count()).failed < 1);
    await broken.close();
    await add([one]);
    expect(await count()).toEqual({ ...NOTHING, failed: 1 });

    expect(await producer.forgetEnded(DELIVER_FCM, TIMEOUT_MS)).toBe(1);
    expect(await producer.forgetEnded(DELIVER_FCM, TIMEOUT_MS)).toBe(0);
    const seen = new Seen();
    const consumer = consume(seen.processor());
    await add([one]);
    expect(await seen.until(1)).toEqual([one.id]);
    await consumer.close();
    expect(await count()).toEqual(NOTHING);
  });

  it('starts nothing while paused, lets running processors go on, and resumes', async () => {
    const hold = held();
    const seen = new Seen();
    const consumer = consume(seen.processor(hold.processor));
    await add(jobs(1));
    await seen.until(1);
    await consumer.pause();
    const later = jobs(3);
    await add(later);
    hold.release();
    // Another consumer has its turn in the meantime; the paused one still has not.
    const other = new Seen();
    const rest = jobs(1);
    await add(rest, DELIVER_APN);
    consume(other.processor(), { queue: DELIVER_APN });
    await other.until(1);
    expect(seen.ids).toHaveLength(1);
    await consumer.resume();
    expect((await seen.until(4)).slice(1).toSorted()).toEqual(idsOf(later).toSorted());
  });

  it('waits for running processors when it closes, and leaves the rest in the queue', async () => {
    const hold = held();
    const seen = new Seen();
    const consumer = consume(seen.processor(hold.processor), { concurrency: 1 });
    await add(jobs(3));
    await seen.until(1);
    let closed = false;
    const closing = consumer.close().then(() => (closed = true));
    expect(await count()).toMatchObject({ active: 1, waiting: 2 });
    expect(closed).toBe(false);
    hold.release();
    await closing;
    expect(seen.ids).toHaveLength(1);
    expect(await count()).toEqual({ ...NOTHING, waiting: 2 });
  });

  it('takes a lock that was lost for no fault', async () => {
    const lines: string[] = [];
    const watched = createLogger({ level: 'debug' }, { write: (line) => lines.push(line) });
    const hold = held();
    const seen = new Seen();
    const consumer = consume(seen.processor(hold.processor), { logger: watched });
    await add(jobs(1));
    await seen.until(1);
    await backend.lose();
    hold.release();
    await add(jobs(1));
    await seen.until(2);
    await consumer.close();
    const levels = lines.map((line) => (JSON.parse(line) as { level: number }).level);
    expect(levels.length).toBeGreaterThan(0);
    expect(new Set(levels)).toEqual(new Set([watched.levels.values['debug']]));
  });

  it('goes through 2,000 jobs with many in hand', async () => {
    const deliveries = jobs(2_000);
    const seen = new Seen();
    // Locks that a busy machine cannot lose: a stalled job would rightly come twice.
    const slow = { lockMs: 60_000, stalledIntervalMs: 60_000 };
    const consumer = consume(seen.processor(), { concurrency: 200, ...slow });
    for (let from = 0; from < 2_000; from += 500) await add(deliveries.slice(from, from + 500));
    await seen.until(2_000);
    await consumer.close();
    expect(seen.ids.toSorted()).toEqual(idsOf(deliveries).toSorted());
    expect(await count()).toEqual(NOTHING);
  });

  it('has an epoch that is the same for all and changes when the queue loses its memory', async () => {
    const other = await backend.connect();
    await other.usable(TIMEOUT_MS);
    const before = await connection.epoch();
    await add(jobs(1));
    expect(await other.epoch()).toBe(before);
    await backend.lose();
    const after = await other.epoch();
    expect(after).not.toBe(before);
    expect(await connection.epoch()).toBe(after);
    await other.close();
  });

  it('takes the same ids again after it lost its memory, those in hand included', async () => {
    const [inHand, waiting] = [jobs(1), jobs(5)];
    const hold = held();
    const seen = new Seen();
    consume(seen.processor(hold.processor), { concurrency: 1 });
    await add(inHand);
    await seen.until(1);
    await add(waiting);
    await backend.lose();
    expect(await count()).toEqual(NOTHING);
    await add([...inHand, ...waiting]);
    hold.release();
    const ids = await seen.until(7);
    expect(ids.slice(1).toSorted()).toEqual(idsOf([...inHand, ...waiting]).toSorted());
  });

  (backend.canCut ? it : it.skip)(
    'goes on when its connections break',
    async () => {
      const seen = new Seen();
      const consumer = consume(seen.processor());
      await add(jobs(1));
      await seen.until(1);
      await backend.cut();
      const later = jobs(5);
      for (let added = false; !added; await immediate()) {
        await connection.usable(TIMEOUT_MS);
        added = await add(later).then(
          () => true,
          (error: unknown) => {
            expect(error).toBeInstanceOf(QueueUnavailable);
            return false;
          },
        );
      }
      await seen.until(6);
      await consumer.close();
      expect(seen.ids.slice(1).toSorted()).toEqual(idsOf(later).toSorted());
    },
    20_000,
  );

  it('answers a health check', async () => {
    await expect(connection.ping()).resolves.toBeUndefined();
  });
});
