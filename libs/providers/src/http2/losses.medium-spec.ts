import { once } from 'node:events';
import { constants } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BlackHole } from '../../test/black-hole.js';
import { leavesNothingBehind } from '../../test/leaks.js';
import { NOTHING_LEFT, Pools, heal, post, postMany, statuses } from '../../test/pools.js';
import { RawPeer } from '../../test/raw-peer.js';
import { ScriptedServer, ok } from '../../test/scripted-server.js';
import type { Script } from '../../test/scripted-server.js';

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

/** The same dice in every run. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

/**
 * Does something bad to about every tenth request. What the application behind it has seen is in
 * `delivered`; what it has only refused is not.
 */
function storm(seed: number): { script: Script; delivered: Map<string, number> } {
  const random = dice(seed);
  const delivered = new Map<string, number>();
  const codes = [
    constants.NGHTTP2_PROTOCOL_ERROR,
    constants.NGHTTP2_INTERNAL_ERROR,
    constants.NGHTTP2_CANCEL,
    constants.NGHTTP2_ENHANCE_YOUR_CALM,
  ];
  const script: Script = (request) => {
    const { stream, session, headers } = request;
    const path = String(headers[':path']);
    const drawn = random();
    if (drawn < 0.03) {
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    delivered.set(path, (delivered.get(path) ?? 0) + 1);
    if (drawn < 0.05) stream.close(codes[Math.floor(random() * codes.length)]);
    else if (drawn < 0.06) {
      stream.respond({ ':status': 200 });
      stream.write('half');
      stream.close(codes[Math.floor(random() * codes.length)]);
    } else if (drawn < 0.07) return;
    else if (drawn < 0.074) session.destroy();
    else if (drawn < 0.08) {
      // All that have come are served, what is still on its way is not.
      session.goaway(constants.NGHTTP2_NO_ERROR);
      ok(request);
    } else if (drawn < 0.084) session.close(() => {});
    else if (drawn < 0.3) setTimeout(ok, random() * 20, request);
    else ok(request);
    if (drawn >= 0.08 && drawn < 0.084) ok(request);
  };
  return { script, delivered };
}

describe('what the application behind the peer has seen', () => {
  it.each([1, 2, 3])(
    'is never called not sent, nor sent again, whatever happens (dice %d)',
    async (seed) => {
      const { script, delivered } = storm(seed);
      server.script = script;
      const pool = pools.open(server, {
        maxSessions: 4,
        slotWaitMs: 500,
        requestTimeoutMs: 400,
      });
      const kinds: Record<string, number> = {};
      let next = 0;
      const user = async () => {
        while (next < 3_000) {
          const path = `/${next++}`;
          const exchange = await post(pool, path);
          kinds[exchange.kind] = (kinds[exchange.kind] ?? 0) + 1;
          const times = delivered.get(path) ?? 0;
          if (exchange.kind === 'not-sent') {
            expect({ path, times, exchange }).toMatchObject({ times: 0 });
            await new Promise((resolve) => setTimeout(resolve, Math.min(exchange.afterMs, 20)));
          } else if (exchange.kind === 'answered') {
            expect({ path, times, exchange }).toMatchObject({ times: 1 });
          } else {
            expect(exchange.kind).toBe('lost');
          }
        }
      };
      await Promise.all(Array.from({ length: 200 }, user));
      expect(Object.values(kinds).reduce((sum, n) => sum + n, 0)).toBe(3_000);
      // The storm did hit.
      expect(kinds['lost']).toBeGreaterThan(20);
      expect([...delivered.values()].filter((times) => times > 1)).toEqual([]);
    },
  );

  it('includes a request whose connection ends without a word after half an answer', async () => {
    const peer = await RawPeer.start((stream) => {
      stream.head200();
      stream.data('half');
      stream.end();
    });
    const exchange = await post(pools.open(peer));
    expect(exchange).toMatchObject({ kind: 'lost', reason: 'connection-lost', status: 200 });
    await pools.close();
    await peer.stop();
  });

  it('includes a request whose connection ends without a word after it', async () => {
    const peer = await RawPeer.start((stream) => stream.end());
    expect(await post(pools.open(peer))).toMatchObject({ kind: 'lost', reason: 'connection-lost' });
    await pools.close();
    await peer.stop();
  });
});

describe('GOAWAY without mercy', () => {
  it('and a cut right behind it: what is above the last id goes again, the rest is lost', async () => {
    let cut = false;
    server.script = (request) => {
      const { session, index } = request;
      if (session !== server.sessions[0]) ok(request);
      else if (index === 9 && !cut) {
        cut = true;
        session.goaway(constants.NGHTTP2_NO_ERROR, 5);
        setImmediate(() => {
          for (const socket of server.sockets) socket.destroy();
        });
      }
    };
    const kinds = statuses(await postMany(pools.open(server), 10));
    expect(kinds).toEqual(['lost', 'lost', 'lost', 200, 200, 200, 200, 200, 200, 200]);
  });

  it('after a request has been on its stream for longer than the slot time goes again at once', async () => {
    const pool = pools.open(server, { slotWaitMs: 300 });
    await heal(pool);
    server.script = (request) => {
      // Stream 1 is the last that this session looks at.
      if (request.index !== 1) ok(request);
      else setTimeout(() => request.session.goaway(constants.NGHTTP2_NO_ERROR, 1), 400);
    };
    const exchange = await post(pool);
    expect(exchange).toMatchObject({ kind: 'answered', status: 200 });
    expect(server.sessions).toHaveLength(2);
  });
});

describe('connecting', () => {
  it('to a name that does not resolve is not sent, and says so', async () => {
    const pool = pools.open({ origin: 'https://nowhere.invalid', secureContext: undefined });
    const exchange = await post(pool);
    expect(exchange).toMatchObject({ kind: 'not-sent', reason: 'connect-failed' });
    expect(exchange).toHaveProperty('message', expect.stringMatching(/ENOTFOUND|EAI_AGAIN/));
  });

  it.each(['at once', 'after the first bytes'])(
    'to a peer that resets %s is not sent',
    async (when) => {
      const peer = createServer((socket) => {
        socket.on('error', () => {});
        if (when === 'at once') socket.resetAndDestroy();
        else socket.once('data', () => socket.resetAndDestroy());
      }).listen(0, '127.0.0.1');
      await once(peer, 'listening');
      const origin = `https://localhost:${(peer.address() as AddressInfo).port}`;
      const pool = pools.open({ origin, secureContext: undefined });
      expect(await post(pool)).toMatchObject({ kind: 'not-sent', reason: 'connect-failed' });
      await pools.close();
      peer.close();
      await once(peer, 'close');
    },
  );
});

describe('a black hole', () => {
  it('is noticed by the ping alone, within its interval and time-out', async () => {
    const hole = await BlackHole.start(server.port);
    const pool = pools.open(
      { origin: hole.origin, secureContext: server.secureContext },
      { pingIntervalMs: 300, pingTimeoutMs: 100 },
    );
    await post(pool);
    hole.swallow();
    const begun = performance.now();
    // Nothing is on the wire: no deadline helps, as at night. 30 s + 5 s by default.
    while (pool.stats().sessions > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(performance.now() - begun).toBeLessThan(300 + 100 + 400);
    expect(await heal(pool)).toBeLessThan(1_000);
    await pools.close();
    await hole.stop();
  });

  it('under load is left after one deadline, and traffic goes on', async () => {
    const hole = await BlackHole.start(server.port);
    const pool = pools.open({ origin: hole.origin, secureContext: server.secureContext });
    await post(pool);
    hole.swallow();
    const lost = await Promise.all(Array.from({ length: 20 }, (_, i) => post(pool, `/${i}`, 150)));
    for (const exchange of lost) expect(exchange.kind).toBe('lost');
    expect(await heal(pool)).toBeLessThan(1_500);
    await pools.close();
    await hole.stop();
  });
});
