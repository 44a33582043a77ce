import type { Exchange } from '../src/http2/exchange.js';
import type { FlightLimit } from '../src/http2/flight-limit.js';
import { poolDefaults } from '../src/http2/pool-options.js';
import type { PoolOptions } from '../src/http2/pool-options.js';
import { SessionPool } from '../src/http2/session-pool.js';
import { Ticker } from '../src/http2/ticker.js';
import { shallGo } from './leaks.js';

/** Where a pool of a test goes. */
export type Peer = Pick<PoolOptions, 'origin' | 'secureContext'>;

/** The pools of one test, which must leave nothing behind. */
export class Pools {
  private readonly ticker = new Ticker(10);
  private readonly all: SessionPool[] = [];
  private pending = 0;

  open(peer: Peer, options: Partial<PoolOptions> = {}, everybody?: FlightLimit): SessionPool {
    const { origin, secureContext } = peer;
    const pool = new SessionPool(
      {
        ...poolDefaults,
        origin,
        secureContext,
        maxSessions: 1,
        maxStreamsPerSession: 100,
        oneStreamUntilAnswered: false,
        maxInFlight: 1_000,
        requestTimeoutMs: 10_000,
        pingIntervalMs: 30_000,
        pingTimeoutMs: 5_000,
        ...options,
      },
      this.ticker,
      undefined,
      everybody,
    );
    this.all.push(pool);
    const request = pool.request.bind(pool);
    pool.request = (...args) => {
      this.pending += 1;
      // A flight has its headers, and an answer its session: who keeps either keeps these.
      shallGo(args[0]);
      return request(...args)
        .then((exchange) => {
          if (exchange.kind === 'answered') shallGo(exchange.connection);
          return exchange;
        })
        .finally(() => (this.pending -= 1));
    };
    return pool;
  }

  /** Closes them. @returns what is left: all zero and false when nothing leaked. */
  async close(): Promise<typeof NOTHING_LEFT> {
    await Promise.all(this.all.map((pool) => pool.close()));
    // Whoever has an answer hears of it before this.
    await new Promise((resolve) => setImmediate(resolve));
    const { pending } = this;
    const left = { sessions: 0, inFlight: 0, waiting: 0, pending, timer: this.ticker.running };
    for (const pool of this.all) {
      const { sessions, inFlight, waiting } = pool.stats();
      left.sessions += sessions;
      left.inFlight += inFlight;
      left.waiting += waiting;
    }
    return left;
  }
}

/** `pending`: promises of requests. */
export const NOTHING_LEFT = { sessions: 0, inFlight: 0, waiting: 0, pending: 0, timer: false };

export function post(
  pool: SessionPool,
  path = '/',
  deadlineMs?: number,
  body = Buffer.from('{}'),
): Promise<Exchange> {
  return pool.request(postHeaders(path), body, deadlineMs);
}

const postHeaders = (path: string) =>
  Object.entries({
    ':method': 'POST',
    ':path': path,
    ':scheme': 'https',
    ':authority': 'localhost',
  }).flat();

export function postMany(pool: SessionPool, count: number): Promise<Exchange[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => post(pool, `/${i}`)));
}

export function statuses(exchanges: Exchange[]): (number | string)[] {
  return exchanges.map((e) => (e.kind === 'answered' ? e.status : e.kind));
}

/** Sends until an answer comes, as the queue would. @returns milliseconds it took. */
export async function heal(pool: SessionPool): Promise<number> {
  const begun = performance.now();
  for (;;) {
    const exchange = await post(pool);
    if (exchange.kind === 'answered') return performance.now() - begun;
    const waitMs = exchange.kind === 'not-sent' ? exchange.afterMs : 0;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
