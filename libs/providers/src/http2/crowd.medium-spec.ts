import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { heldBytes, leavesNothingBehind } from '../../test/leaks.js';
import { NOTHING_LEFT, Pools, heal, post, postMany, statuses } from '../../test/pools.js';
import { ScriptedServer, ok } from '../../test/scripted-server.js';
import { FlightLimit } from './flight-limit.js';

let server: ScriptedServer;
let pools: Pools;

beforeEach(async () => {
  server = await ScriptedServer.start();
  pools = new Pools();
});

afterEach(async () => {
  expect(await pools.close()).toEqual(NOTHING_LEFT);
  await server.stop();
});

leavesNothingBehind();

const MEGABYTE = 1_048_576;

describe('10,000 requests at once on one session of 100 streams', () => {
  it('are each answered once when they may wait', async () => {
    const paths = new Set<string | undefined>();
    server.script = (request) => {
      paths.add(request.headers[':path']);
      ok(request);
    };
    const pool = pools.open(server, { slotWaitMs: 60_000, requestTimeoutMs: 60_000 });
    expect(new Set(statuses(await postMany(pool, 10_000)))).toEqual(new Set([200]));
    expect(server.requests).toBe(10_000);
    expect(paths.size).toBe(10_000);
    expect(server.mostConcurrent).toBeLessThanOrEqual(100);
    expect(server.sessions).toHaveLength(1);
  });

  it('are not kept longer than the slot time: the rest is told at once', async () => {
    const pool = pools.open(server, { slotWaitMs: 200, requestTimeoutMs: 600 });
    // On a busy machine the connection alone takes longer than the slot time.
    await heal(pool);
    const before = server.requests;
    server.script = () => {};
    const begun = performance.now();
    const exchanges = await postMany(pool, 10_000);
    expect(performance.now() - begun).toBeLessThan(5_000);
    const counts = { lost: 0, 'not-sent': 0 };
    for (const kind of statuses(exchanges)) counts[kind as keyof typeof counts] += 1;
    expect(counts).toEqual({ lost: 100, 'not-sent': 9_900 });
    expect(server.requests - before).toBe(100);
  });

  it('leave no memory behind, round after round', async () => {
    const pool = pools.open(server, { slotWaitMs: 60_000, requestTimeoutMs: 60_000 });
    const round = async (): Promise<number> => {
      // Two kilobytes each: a request that somebody keeps cannot hide.
      const all = Array.from({ length: 4_000 }, () =>
        post(pool, '/', undefined, Buffer.alloc(2_048, 'x')),
      );
      for (const exchange of await Promise.all(all)) expect(exchange.kind).toBe('answered');
      return heldBytes();
    };
    await round();
    const before = await round();
    await round();
    const after = await round();
    // Two rounds of 8 MB of bodies.
    expect((after - before) / MEGABYTE).toBeLessThan(4);
  });
});

describe('the limit over all credentials', () => {
  it('is never passed, is shared in turn, and comes back to zero', async () => {
    const everybody = new FlightLimit(10);
    let most = 0;
    server.script = (request) => {
      most = Math.max(most, everybody.stats.inFlight);
      setImmediate(() => ok(request));
    };
    const own = Array.from({ length: 5 }, () =>
      pools.open(server, { slotWaitMs: 30_000 }, everybody),
    );
    const all = await Promise.all(own.map((pool) => postMany(pool, 200)));
    expect(new Set(statuses(all.flat()))).toEqual(new Set([200]));
    expect(most).toBe(10);
    expect(everybody.stats).toEqual({ inFlight: 0, waiters: 0 });
  });

  it('answers who finds no room in time, of a credential that has none on the wire', async () => {
    const everybody = new FlightLimit(3);
    server.script = () => {};
    const busy = pools.open(server, { requestTimeoutMs: 1_000 }, everybody);
    const held = postMany(busy, 3);
    await server.received(3);
    const other = pools.open(server, { slotWaitMs: 100 }, everybody);
    expect(await post(other)).toMatchObject({ kind: 'not-sent', reason: 'no-slot' });
    expect(statuses(await held)).toEqual(['lost', 'lost', 'lost']);
    server.script = ok;
    // The room is there again, and who was turned away gets it.
    await heal(other);
  });
});

describe('SETTINGS', () => {
  it('that start at one, grow, shrink to one and to zero, and grow again, are obeyed at each step', async () => {
    await server.stop();
    server = await ScriptedServer.start({ settings: { maxConcurrentStreams: 1 } });
    const pool = pools.open(server, { slotWaitMs: 30_000, requestTimeoutMs: 30_000 });
    const session = async (maxConcurrentStreams: number): Promise<void> => {
      const first = await server.session(1);
      const acknowledged = once(first, 'localSettings');
      first.settings({ maxConcurrentStreams });
      await acknowledged;
      server.mostConcurrent = 0;
    };
    // Answers a moment later, so that streams pile up as far as they may.
    server.script = (request) => setTimeout(ok, 2, request);
    expect(new Set(statuses(await postMany(pool, 20)))).toEqual(new Set([200]));
    expect(server.mostConcurrent).toBe(1);
    await session(8);
    expect(new Set(statuses(await postMany(pool, 100)))).toEqual(new Set([200]));
    expect(server.mostConcurrent).toBe(8);
    await session(1);
    expect(new Set(statuses(await postMany(pool, 20)))).toEqual(new Set([200]));
    expect(server.mostConcurrent).toBe(1);
    await session(0);
    const waiting = postMany(pool, 30);
    await new Promise((resolve) => setImmediate(resolve));
    expect(pool.stats()).toEqual({ sessions: 1, inFlight: 0, waiting: 30 });
    await session(50);
    expect(new Set(statuses(await waiting))).toEqual(new Set([200]));
    expect(server.sessions).toHaveLength(1);
  });

  it('of zero let a deadline fire that comes before the slot time', async () => {
    await server.stop();
    server = await ScriptedServer.start({ settings: { maxConcurrentStreams: 0 } });
    const pool = pools.open(server, { slotWaitMs: 30_000 });
    const begun = performance.now();
    expect(await post(pool, '/', 150)).toMatchObject({ kind: 'not-sent', reason: 'no-slot' });
    expect(performance.now() - begun).toBeLessThan(1_000);
    expect(server.requests).toBe(0);
  });
});
