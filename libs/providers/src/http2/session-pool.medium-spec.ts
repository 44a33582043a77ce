import { once } from 'node:events';
import { constants } from 'node:http2';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BlackHole } from '../../test/black-hole.js';
import { makeCertificate } from '../../test/certificates.js';
import { leavesNothingBehind } from '../../test/leaks.js';
import { NOTHING_LEFT, Pools, heal, post, postMany, statuses } from '../../test/pools.js';
import { RawPeer } from '../../test/raw-peer.js';
import { ScriptedServer, ok } from '../../test/scripted-server.js';
import type { Script } from '../../test/scripted-server.js';
import type { Exchange } from './exchange.js';
import type { PoolOptions } from './pool-options.js';
import type { SessionPool } from './session-pool.js';

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

function newPool(options: Partial<PoolOptions> = {}): SessionPool {
  return pools.open(server, options);
}

const POST = [':method', 'POST', ':path', '/', ':scheme', 'https', ':authority', 'localhost'];

/** Answers nothing now; `release` answers everything that is held. */
function holder(): { script: Script; release: () => void; held: ServerHttp2Stream[] } {
  const held: ServerHttp2Stream[] = [];
  return {
    held,
    script: ({ stream }) => held.push(stream),
    release: () => {
      for (const stream of held.splice(0)) {
        if (stream.destroyed) continue;
        stream.respond({ ':status': 200 });
        stream.end('{}');
      }
    },
  };
}

describe('a request', () => {
  it('carries its headers and body out and the whole answer back', async () => {
    server.script = ({ stream, headers, body }) => {
      stream.respond({ ':status': 404, 'retry-after': '7' });
      stream.write(`{"path":"${headers[':path']}",`);
      stream.end(`"got":${JSON.stringify(body)}}`);
    };
    const exchange = await post(newPool(), '/3/device/abc');
    expect(exchange).toMatchObject({ kind: 'answered', status: 404 });
    if (exchange.kind !== 'answered') throw new Error('unreachable');
    expect(exchange.headers['retry-after']).toBe('7');
    expect(JSON.parse(exchange.body)).toEqual({ path: '/3/device/abc', got: '{}' });
  });

  it('with a header that HTTP does not allow opens no connection', async () => {
    const pool = newPool();
    const exchange = await pool.request(
      [':method', 'POST', ':path', '/', 'apns-collapse-id', 'a\r\nb: c'],
      Buffer.alloc(0),
    );
    expect(exchange).toEqual({ kind: 'unsendable', header: 'apns-collapse-id' });
    expect(pool.stats().sessions).toBe(0);
  });

  it('whose answer breaks inside of a character has it whole', async () => {
    const text = Buffer.from('{"reason":"größer"}');
    const inside = text.indexOf('ö') + 1;
    server.script = ({ stream }) => {
      stream.respond({ ':status': 200 });
      stream.write(text.subarray(0, inside), () => {
        stream.write(text.subarray(inside, inside + 3), () =>
          stream.end(text.subarray(inside + 3)),
        );
      });
    };
    expect(await post(newPool())).toMatchObject({ kind: 'answered', body: '{"reason":"größer"}' });
  });

  it('has its headers checked each time, but for frozen ones that were sent last', async () => {
    server.script = ok;
    const pool = newPool();
    const body = Buffer.from('{}');
    const list = (authorization: string) => [...POST, 'authorization', authorization];
    const unsendable = { kind: 'unsendable', header: 'authorization' };
    const open = list('Bearer a');
    expect(await pool.request(open, body)).toMatchObject({ status: 200 });
    open[open.length - 1] = 'a\r\nb: c';
    expect(await pool.request(open, body)).toEqual(unsendable);
    const frozen = Object.freeze(list('Bearer a'));
    expect(await pool.request(frozen, body)).toMatchObject({ status: 200 });
    expect(await pool.request(frozen, body)).toMatchObject({ status: 200 });
    const bad = Object.freeze(list('a\r\nb: c'));
    for (const headers of [bad, bad]) expect(await pool.request(headers, body)).toEqual(unsendable);
    expect(await pool.request(frozen, body)).toMatchObject({ status: 200 });
  });

  it('has the headers that are its own checked and sent after those that it shares', async () => {
    const seen: unknown[] = [];
    server.script = (request) => {
      seen.push(request.headers['apns-id']);
      ok(request);
    };
    const pool = newPool();
    const body = Buffer.from('{}');
    const shared = Object.freeze([...POST]);
    for (const id of ['1', '2'])
      expect(await pool.request(shared, body, 1_000, ['apns-id', id])).toMatchObject({
        status: 200,
      });
    expect(seen).toEqual(['1', '2']);
    expect(await pool.request(shared, body, 1_000, ['apns-id', 'a\nb'])).toEqual({
      kind: 'unsendable',
      header: 'apns-id',
    });
  });

  it('with a body over the cap is answered by its status and cancelled', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    let cancelled: ServerHttp2Stream | undefined;
    server.script = ({ stream }) => {
      cancelled = stream;
      closed = once(stream, 'close');
      stream.respond({ ':status': 502 });
      stream.write('x'.repeat(5_000));
    };
    const exchange = await post(newPool({ maxBodyLength: 1_000 }));
    expect(exchange).toMatchObject({ kind: 'answered', status: 502 });
    if (exchange.kind === 'answered') expect(exchange.body.length).toBeLessThanOrEqual(1_000);
    await closed;
    expect(cancelled?.rstCode).toBe(constants.NGHTTP2_CANCEL);
  });

  it('that gets no answer ends at its deadline with RST CANCEL', async () => {
    const codes: (number | undefined)[] = [];
    server.script = ({ stream }) => stream.on('close', () => codes.push(stream.rstCode));
    const pool = newPool();
    const begun = performance.now();
    const exchange = await post(pool, '/', 150);
    const took = performance.now() - begun;
    expect(exchange).toMatchObject({ kind: 'lost', reason: 'deadline' });
    expect(took).toBeGreaterThanOrEqual(149);
    expect(took).toBeLessThan(1_000);
    server.script = ok;
    expect(await post(pool)).toMatchObject({ status: 200 });
    expect(codes).toEqual([constants.NGHTTP2_CANCEL]);
  });

  it('whose answer stops in the middle is lost with the status that had come', async () => {
    server.script = ({ stream }) => {
      stream.respond({ ':status': 503 });
      stream.write('{"rea');
    };
    expect(await post(newPool(), '/', 150)).toMatchObject({
      kind: 'lost',
      reason: 'deadline',
      status: 503,
    });
  });
});

describe('RST_STREAM', () => {
  const codes = [
    'NO_ERROR',
    'PROTOCOL_ERROR',
    'INTERNAL_ERROR',
    'FLOW_CONTROL_ERROR',
    'SETTINGS_TIMEOUT',
    'STREAM_CLOSED',
    'FRAME_SIZE_ERROR',
    'CANCEL',
    'COMPRESSION_ERROR',
    'CONNECT_ERROR',
    'ENHANCE_YOUR_CALM',
    'INADEQUATE_SECURITY',
    'HTTP_1_1_REQUIRED',
  ] as const;

  it.each(codes)('%s before the head of an answer is a loss that names it', async (name) => {
    server.script = ({ stream }) => stream.close(constants[`NGHTTP2_${name}`]);
    expect(await post(newPool())).toMatchObject({ kind: 'lost', reason: `RST_${name}` });
  });

  it.each(codes)('%s between the head and the end of an answer keeps the status', async (name) => {
    // Node's server always ends the stream before it resets it; a peer made of frames does not.
    const peer = await RawPeer.start((stream) => {
      stream.head200();
      stream.data('half');
      stream.reset(constants[`NGHTTP2_${name}`]);
    });
    const pool = newPool({ origin: peer.origin, secureContext: peer.secureContext });
    const exchange = await post(pool);
    if (name === 'NO_ERROR') expect(exchange).toMatchObject({ kind: 'answered', body: 'half' });
    else expect(exchange).toMatchObject({ kind: 'lost', reason: `RST_${name}`, status: 200 });
    await pool.close();
    await peer.stop();
  });

  it('REFUSED_STREAM is sent again at once, on another session', async () => {
    server.script = ({ stream, session, index }) => {
      if (index === 0) stream.close(constants.NGHTTP2_REFUSED_STREAM);
      else {
        stream.respond({ ':status': session === server.sessions[0] ? 500 : 200 });
        stream.end();
      }
    };
    const begun = performance.now();
    expect(await post(newPool({ maxSessions: 2 }))).toMatchObject({ status: 200 });
    expect(performance.now() - begun).toBeLessThan(900);
    expect(server.requests).toBe(2);
  });

  it('REFUSED_STREAM each time ends as not sent, after a bounded number of tries', async () => {
    server.script = ({ stream }) => stream.close(constants.NGHTTP2_REFUSED_STREAM);
    const exchange = await post(newPool({ maxSessions: 2 }));
    expect(exchange).toMatchObject({ kind: 'not-sent', reason: 'refused' });
    expect(server.requests).toBe(4);
  });
});

describe('GOAWAY', () => {
  it('lets what is under way finish and opens new streams on another session', async () => {
    const hold = holder();
    server.script = hold.script;
    const pool = newPool();
    const before = postMany(pool, 20);
    await server.received(20);
    const first = await server.session(1);
    first.goaway(constants.NGHTTP2_NO_ERROR);
    // The answers come only after the client has acted on the GOAWAY.
    server.script = ok;
    let after: Exchange;
    do after = await post(pool);
    while (server.sessions.length < 2);
    expect(after).toMatchObject({ status: 200 });
    hold.release();
    expect(statuses(await before)).toEqual(Array.from({ length: 20 }, () => 200));
    await once(first, 'close');
  });

  it('sends streams above its last id again and loses none of them', async () => {
    let said = false;
    server.script = ({ stream, session, index }) => {
      if (session !== server.sessions[0]) {
        stream.respond({ ':status': 201 });
        stream.end();
        return;
      }
      if (index === 9 && !said) {
        said = true;
        // Streams 1, 3, 5 are the last that this server looks at.
        session.goaway(constants.NGHTTP2_NO_ERROR, 5);
      } else if ((stream.id as number) <= 5) {
        setImmediate(() => {
          stream.respond({ ':status': 200 });
          stream.end();
        });
      }
    };
    const exchanges = await postMany(newPool(), 10);
    expect(statuses(exchanges)).toEqual([200, 200, 200, 201, 201, 201, 201, 201, 201, 201]);
  });

  it('with an error code loses what was in flight, and says so', async () => {
    const hold = holder();
    server.script = hold.script;
    const pool = newPool();
    const lost = postMany(pool, 5);
    await server.received(5);
    server.sessions[0]?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 2 ** 31 - 1);
    for (const exchange of await lost) {
      expect(exchange).toMatchObject({ kind: 'lost', reason: 'connection-lost' });
    }
    server.script = ok;
    await heal(pool);
  });

  it('on every new connection makes the pool step back instead of storming', async () => {
    const onSession = (session: ServerHttp2Session) =>
      session.goaway(constants.NGHTTP2_NO_ERROR, 0);
    const wild = await ScriptedServer.start();
    const pool = newPool({ origin: wild.origin });
    (wild as unknown as { server: NodeJS.EventEmitter }).server.on('session', onSession);
    const until = performance.now() + 700;
    while (performance.now() < until) {
      const exchange = await post(pool);
      expect(exchange.kind).toBe('not-sent');
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(wild.sessions.length).toBeLessThan(10);
    await pool.close();
    await wild.stop();
  });
});

describe('connecting', () => {
  it('waits ever longer while nobody listens, says how long, and goes on when somebody does', async () => {
    const { port } = server;
    await server.stop();
    const pool = newPool();
    const waits: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      const exchange = await post(pool);
      expect(exchange).toMatchObject({ kind: 'not-sent', reason: 'connect-failed' });
      if (exchange.kind !== 'not-sent') throw new Error('unreachable');
      // While stepping back nobody waits and nobody connects.
      expect(await post(pool)).toMatchObject({ reason: 'connect-failed' });
      waits.push(exchange.afterMs);
      await new Promise((resolve) => setTimeout(resolve, exchange.afterMs));
    }
    expect(waits[0]).toBeGreaterThanOrEqual(390);
    expect(waits[0]).toBeLessThanOrEqual(500);
    expect(waits[2]).toBeGreaterThan(2 * (waits[0] as number));
    server = await ScriptedServer.start({}, port);
    await heal(pool);
  }, 15_000);

  it('to a name that does not resolve is not sent', async () => {
    const exchange = await post(newPool({ origin: 'https://nowhere.invalid' }));
    expect(exchange).toMatchObject({ kind: 'not-sent' });
  });

  it('to a server that we do not trust is not sent', async () => {
    const stranger = await makeCertificate();
    const secureContext = createSecureContext({ ca: stranger.certificate });
    const exchange = await post(newPool({ secureContext }));
    expect(exchange).toMatchObject({ kind: 'not-sent', reason: 'connect-failed' });
  });

  it.each([
    ['bad_certificate', 42],
    ['certificate_revoked', 44],
    ['certificate_expired', 45],
    ['unknown_ca', 48],
    ['access_denied', 49],
    ['certificate_required', 116],
  ])('that ends in the TLS alert %s is the certificate’s fault', async (_, alert) => {
    const peer = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, alert])));
    }).listen(0, '127.0.0.1');
    await once(peer, 'listening');
    const origin = `https://localhost:${(peer.address() as AddressInfo).port}`;
    const pool = newPool({ origin });
    expect(await post(pool)).toMatchObject({ kind: 'certificate-refused' });
    // And so it stays until the next try.
    expect(await post(pool)).toMatchObject({ kind: 'certificate-refused' });
    await pool.close();
    peer.close();
    await once(peer, 'close');
  });

  it('that ends in another TLS alert is not sent', async () => {
    const peer = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, 40])));
    }).listen(0, '127.0.0.1');
    await once(peer, 'listening');
    const origin = `https://localhost:${(peer.address() as AddressInfo).port}`;
    const pool = newPool({ origin });
    expect(await post(pool)).toMatchObject({ kind: 'not-sent', reason: 'connect-failed' });
    await pool.close();
    peer.close();
    await once(peer, 'close');
  });

  it('to a peer that accepts and says nothing ends by the connect time-out', async () => {
    const sockets: Socket[] = [];
    const mute = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const origin = `https://localhost:${(mute.address() as AddressInfo).port}`;
    const pool = newPool({ origin, connectTimeoutMs: 100 });
    expect(await post(pool)).toMatchObject({ kind: 'not-sent', reason: 'connect-failed' });
    await pool.close();
    for (const socket of sockets) socket.destroy();
    mute.close();
    await once(mute, 'close');
  });

  it('sends nothing before the peer’s SETTINGS', async () => {
    await server.stop();
    server = await ScriptedServer.start({ settings: { maxConcurrentStreams: 3 } });
    const hold = holder();
    server.script = (request) => {
      hold.script(request);
      if (hold.held.length === 3) setImmediate(hold.release);
      else if (request.index === 9) setImmediate(hold.release);
    };
    expect(statuses(await postMany(newPool(), 10))).toEqual(Array.from({ length: 10 }, () => 200));
    expect(server.mostConcurrent).toBe(3);
  });
});

describe('SETTINGS', () => {
  it('of one stream that grow after the first answer are obeyed, as APNs does', async () => {
    await server.stop();
    server = await ScriptedServer.start({ settings: { maxConcurrentStreams: 1 } });
    const most: number[] = [];
    server.script = (request) => {
      most.push(server.mostConcurrent);
      ok(request);
      if (request.index === 0) request.session.settings({ maxConcurrentStreams: 50 });
    };
    const pool = newPool({ oneStreamUntilAnswered: true, maxStreamsPerSession: 500 });
    expect(statuses(await postMany(pool, 200))).toEqual(Array.from({ length: 200 }, () => 200));
    expect(most[0]).toBe(1);
    expect(server.mostConcurrent).toBeGreaterThan(1);
    expect(server.mostConcurrent).toBeLessThanOrEqual(50);
  });

  it('of many streams still mean one until an answer has shown who we are', async () => {
    const hold = holder();
    server.script = hold.script;
    const pool = newPool({ oneStreamUntilAnswered: true, maxSessions: 2 });
    const all = postMany(pool, 10);
    await server.received(1);
    expect(pool.stats()).toEqual({ sessions: 1, inFlight: 1, waiting: 9 });
    server.script = ok;
    hold.release();
    expect(statuses(await all)).toEqual(Array.from({ length: 10 }, () => 200));
    expect(server.sessions).toHaveLength(1);
  });

  it('that shrink to one while streams are open are obeyed from then on', async () => {
    const hold = holder();
    server.script = hold.script;
    const pool = newPool();
    const early = postMany(pool, 5);
    await server.received(5);
    const session = await server.session(1);
    const acknowledged = once(session, 'localSettings');
    session.settings({ maxConcurrentStreams: 1 });
    await acknowledged;
    server.script = ok;
    server.mostConcurrent = 0;
    const late = postMany(pool, 5);
    hold.release();
    expect(statuses([...(await early), ...(await late)])).toEqual(
      Array.from({ length: 10 }, () => 200),
    );
    expect(server.mostConcurrent).toBeLessThanOrEqual(1);
  });

  it('of zero streams end the wait after the slot time with an answer of its own', async () => {
    await server.stop();
    server = await ScriptedServer.start({ settings: { maxConcurrentStreams: 0 } });
    const pool = newPool({ slotWaitMs: 150 });
    for (const exchange of await postMany(pool, 3)) {
      expect(exchange).toMatchObject({ kind: 'not-sent', reason: 'no-slot', afterMs: 150 });
    }
    expect(server.requests).toBe(0);
  });
});

describe('a burst', () => {
  it('of 2,000 requests goes through 100 streams, every one answered once', async () => {
    const pool = newPool({ slotWaitMs: 20_000 });
    const exchanges = await postMany(pool, 2_000);
    expect(new Set(statuses(exchanges))).toEqual(new Set([200]));
    expect(server.requests).toBe(2_000);
    expect(server.mostConcurrent).toBeLessThanOrEqual(100);
    expect(server.sessions).toHaveLength(1);
  }, 30_000);

  it('opens further sessions up to the limit when the first is full', async () => {
    const hold = holder();
    server.script = hold.script;
    const pool = newPool({ maxSessions: 4, maxStreamsPerSession: 10, slotWaitMs: 5_000 });
    const all = postMany(pool, 60);
    await server.received(40);
    expect(server.sessions).toHaveLength(4);
    expect(pool.stats()).toEqual({ sessions: 4, inFlight: 40, waiting: 20 });
    server.script = ok;
    hold.release();
    expect(new Set(statuses(await all))).toEqual(new Set([200]));
  });

  it('never has more in flight than the credential may', async () => {
    const hold = holder();
    const pool = newPool({ maxInFlight: 7, slotWaitMs: 100 });
    // On a busy machine the connection alone takes longer than that.
    server.script = ok;
    await heal(pool);
    server.script = hold.script;
    const all = postMany(pool, 10);
    await server.received(8);
    expect(pool.stats().inFlight).toBe(7);
    await untilWaiting(pool, 0);
    hold.release();
    expect(statuses(await all).filter((s) => s === 'not-sent')).toHaveLength(3);
  });

  it('beyond what may wait is answered at once', async () => {
    const hold = holder();
    server.script = hold.script;
    const pool = newPool({ maxStreamsPerSession: 1, maxWaiting: 2, slotWaitMs: 5_000 });
    const first = post(pool);
    await server.received(1);
    const waiting = [post(pool), post(pool)];
    expect(await post(pool)).toMatchObject({ kind: 'not-sent', reason: 'no-slot' });
    server.script = ok;
    hold.release();
    expect(statuses([await first, ...(await Promise.all(waiting))])).toEqual([200, 200, 200]);
  });

  it('ends a request by its own deadline when that comes before the slot', async () => {
    const hold = holder();
    server.script = hold.script;
    const pool = newPool({ maxStreamsPerSession: 1, slotWaitMs: 5_000 });
    const first = post(pool);
    await server.received(1);
    const begun = performance.now();
    expect(await post(pool, '/', 100)).toMatchObject({ kind: 'not-sent', reason: 'no-slot' });
    expect(performance.now() - begun).toBeLessThan(1_000);
    hold.release();
    await first;
  });
});

describe('a process that was stopped', () => {
  /** Nothing runs meanwhile, as under SIGSTOP; what comes in lies in the sockets. */
  function standStill(untilMs: number): void {
    const lock = new Int32Array(new SharedArrayBuffer(4));
    Atomics.wait(lock, 0, 0, untilMs - performance.now());
  }

  it('does not send what its caller has given up meanwhile, though a stream is free first thing', async () => {
    const hold = holder();
    server.script = hold.script;
    const pool = newPool({ maxStreamsPerSession: 1, slotWaitMs: 5_000 });
    const first = post(pool, '/first');
    await server.received(1);
    server.script = ok;
    const deadlineMs = 300;
    const overAt = performance.now() + deadlineMs;
    const late = post(pool, '/late', deadlineMs);
    await untilWaiting(pool, 1);
    hold.release();
    // The answer is on its way by then, and is read before the ticker looks at the time.
    await new Promise<void>((resolve) =>
      setImmediate(() => {
        standStill(overAt + 50);
        resolve();
      }),
    );
    expect(await late).toMatchObject({ kind: 'not-sent', reason: 'no-slot' });
    expect(await first).toMatchObject({ status: 200 });
    // What was sent before this has arrived before it.
    await post(pool, '/after');
    expect(server.requests).toBe(2);
  });
});

async function untilWaiting(pool: SessionPool, count: number): Promise<void> {
  while (pool.stats().waiting !== count) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a dead peer', () => {
  it('that swallows every packet is left, and the pool heals by itself', async () => {
    const hole = await BlackHole.start(server.port);
    const hold = holder();
    server.script = hold.script;
    const pool = newPool({ origin: hole.origin, pingIntervalMs: 100, pingTimeoutMs: 100 });
    const lost = post(pool);
    await server.received(1);
    hole.swallow();
    const begun = performance.now();
    expect(await lost).toMatchObject({ kind: 'lost', reason: 'connection-lost' });
    expect(performance.now() - begun).toBeLessThan(1_500);
    server.script = ok;
    await heal(pool);
    await pool.close();
    await hole.stop();
  });

  it('that swallows every packet does not keep a request beyond its deadline', async () => {
    const hole = await BlackHole.start(server.port);
    const pool = newPool({ origin: hole.origin });
    await post(pool);
    hole.swallow();
    const begun = performance.now();
    // More than the socket buffers take: not even the RST_STREAM gets out.
    const big = Buffer.alloc(200_000, 'x');
    const headers = [...POST];
    const all = Array.from({ length: 50 }, () => pool.request(headers, big, 200));
    for (const exchange of await Promise.all(all)) {
      // Three deadlines end the session, and with it those whose own would have come a tick later.
      expect(exchange.kind).toBe('lost');
    }
    expect(performance.now() - begun).toBeLessThan(2_000);
    await pool.close();
    await hole.stop();
  });

  it('that answers pings but no requests is left after three deadlines in a row', async () => {
    const pool = newPool();
    // Connected first: on a busy machine that alone takes longer than these deadlines.
    await post(pool);
    server.script = () => {};
    for (let i = 0; i < 3; i += 1) {
      expect(await post(pool, '/', 60)).toMatchObject({ kind: 'lost', reason: 'deadline' });
    }
    await once(await server.session(1), 'close');
    server.script = ok;
    await heal(pool);
    expect(server.sessions.length).toBeGreaterThanOrEqual(2);
  });

  it('that resets the connection loses what was on it, and only that', async () => {
    const hold = holder();
    server.script = hold.script;
    const pool = newPool();
    const lost = postMany(pool, 3);
    await server.received(3);
    for (const socket of server.sockets) socket.resetAndDestroy();
    for (const exchange of await lost) {
      expect(exchange).toMatchObject({ kind: 'lost', reason: 'connection-lost' });
    }
    server.script = ok;
    await heal(pool);
  });
});

describe('a session', () => {
  it('is replaced at its age without losing a request', async () => {
    const pool = newPool({ maxSessionAgeMs: 200 });
    const seen = new Set<Exchange['kind']>();
    while (server.sessions.length < 3) seen.add((await post(pool)).kind);
    expect([...seen]).toEqual(['answered']);
  });

  it('that an answer retired gets no further request', async () => {
    const pool = newPool();
    const exchange = await post(pool);
    if (exchange.kind !== 'answered') throw new Error('no answer');
    exchange.connection.drain();
    expect(await post(pool)).toMatchObject({ status: 200 });
    expect(server.sessions).toHaveLength(2);
  });
});

describe('giving up', () => {
  it('ends at once: what is on the wire as lost, what waits as not sent, and sends nothing more', async () => {
    const hold = holder();
    server.script = hold.script;
    const pool = newPool({ maxStreamsPerSession: 3, slotWaitMs: 10_000 });
    const all = postMany(pool, 5);
    await server.received(3);
    const closing = pool.close();
    const begun = performance.now();
    pool.giveUp();
    const exchanges = await all;
    await closing;
    // The deadline of each is ten seconds.
    expect(performance.now() - begun).toBeLessThan(1_000);
    expect(statuses(exchanges)).toEqual(['lost', 'lost', 'lost', 'not-sent', 'not-sent']);
    expect(exchanges[0]).toMatchObject({
      reason: 'connection-lost',
      message: 'Connection lost: given up, Fanfare is stopping',
    });
    expect(await post(pool)).toMatchObject({ kind: 'not-sent', reason: 'closing' });
    expect(pool.stats()).toEqual({ sessions: 0, inFlight: 0, waiting: 0 });
  });

  it('while connecting leaves no socket', async () => {
    const pool = newPool();
    const pending = post(pool);
    pool.giveUp();
    expect(await pending).toMatchObject({ kind: 'not-sent', reason: 'closing' });
    await pool.close();
    expect(pool.stats().sessions).toBe(0);
  });
});

describe('close', () => {
  it('refuses new work, lets what is under way finish, and leaves no socket', async () => {
    const hold = holder();
    server.script = hold.script;
    const pool = newPool({ maxStreamsPerSession: 3 });
    const all = postMany(pool, 5);
    await server.received(3);
    const closed = pool.close();
    expect(await post(pool)).toMatchObject({ kind: 'not-sent', reason: 'closing' });
    hold.release();
    expect(statuses(await all)).toEqual([200, 200, 200, 'not-sent', 'not-sent']);
    await closed;
    expect(pool.stats()).toEqual({ sessions: 0, inFlight: 0, waiting: 0 });
  });

  it('while connecting ends at once', async () => {
    const pool = newPool();
    const pending = post(pool);
    await pool.close();
    expect(await pending).toMatchObject({ kind: 'not-sent', reason: 'closing' });
  });

  it('of a pool whose peer never answers ends by the deadline', async () => {
    server.script = () => {};
    const pool = newPool();
    const pending = post(pool, '/', 200);
    await server.received(1);
    await pool.close();
    expect(await pending).toMatchObject({ kind: 'lost', reason: 'deadline' });
  });
});
