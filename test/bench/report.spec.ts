import { describe, expect, it } from '@jest/globals';
import { filledIn } from '../../bench/report/page.js';
import { mediansOf, percentile } from '../../bench/statistics.js';
import type { BenchFigures, GatewayRun, GrowthCalls } from '../../bench/types.js';

const run = (pushesPerSecond: number, us: number): GatewayRun => ({
  pushes: 50_000,
  pushesPerSecond,
  acceptSeconds: 3,
  cpuUs: { api: us / 10, worker: us, postgres: us / 2, redis: us / 4, simulator: 50 },
  latencyMs: { p50: 900, p95: 1_500, p99: 2_000 },
  peakMb: { api: 200, worker: 210, redis: 20, simulator: 100 },
  failed: 0,
  duplicates: 0,
});

const figures: BenchFigures = {
  machine: { cpu: 'a CPU', cores: 2, memoryGb: 24, system: 'linux x64', node: '24', redis: '7' },
  measuredAt: '2026-02-05',
  quick: false,
  rounds: 3,
  seconds: 60,
  gateway: {
    recipients: 50_000,
    rate: 250,
    runs: [{ backend: 'redis', workers: 2, jobSize: 1, shape: 'bulk', ...run(3_000, 240) }],
    parseServer: {
      pushesPerSecond: 5_000,
      cpuUs: { server: 150, postgres: 20, simulator: 50 },
      peakMb: 640,
      arrived: 19_000,
      failed: 1_000,
    },
  },
};

const pageOf = (...names: string[]) =>
  names
    .map((name) => `before\n\n<!-- begin ${name} -->\n\nold\n\n<!-- end ${name} -->\n`)
    .join('\n');
const page = pageOf('gateway', 'sizing', 'accept');

/** A page of one part. */
const only = (name: 'accept' | 'growth' | 'fairness', measured: Partial<BenchFigures>) => {
  const { machine, measuredAt, quick, rounds, seconds } = figures;
  return filledIn(pageOf(name), { machine, measuredAt, quick, rounds, seconds, ...measured });
};

describe('statistics', () => {
  it('take the middle and the tail', () => {
    const values = Array.from({ length: 200 }, (_, at) => 200 - at);
    expect([0.5, 0.95, 0.99, 1].map((share) => percentile(values, share))).toEqual([
      100, 190, 198, 200,
    ]);
    expect(percentile([7], 0.01)).toBe(7);
    expect(percentile([], 0.5)).toBeNaN();
  });

  it('take the median of each figure, also of those inside', () => {
    const rounds = [5, 1, 3].map((n) => ({ n, inside: { m: n * 10 }, name: `round ${n}` }));
    expect(mediansOf(rounds)).toEqual({ n: 3, inside: { m: 30 }, name: 'round 3' });
    expect(() => mediansOf([])).toThrow('no round');
  });

  it('take the worst round of what went wrong and of memory', () => {
    const rounds = [0, 5, 0].map((n) => ({
      failed: n,
      duplicates: n,
      notAccepted: n,
      peakMb: { api: n + 200 },
      pushes: n,
    }));
    expect(mediansOf(rounds)).toEqual({
      failed: 5,
      duplicates: 5,
      notAccepted: 5,
      peakMb: { api: 205 },
      pushes: 0,
    });
  });
});

describe('docs/performance.md', () => {
  const filled = filledIn(page, figures);

  it('gets the tables of what was measured, and keeps the rest', () => {
    expect(filled).toContain('3,000');
    expect(filled.match(/\bold\b/g)).toHaveLength(1);
    expect(filled).toMatch(/<!-- begin accept -->\n\nold/);
    expect(filledIn(filled, figures)).toBe(filled);
  });

  it('compares with the peer', () => {
    expect(filled).toMatch(/Fanfare, 2 workers, 1 ids a job *\| *3,000 *\| *0\.6 /);
  });

  it('says what is reached', () => {
    expect(filled).toMatch(/one id a job, of parse-server *\| ≥ 0\.7 *\| *0\.6 \| no /);
    expect(filled).toMatch(/peak of a worker, MB *\| ≤ 300 *\| *210 \| yes /);
    // Nothing is said of what was not measured in this run.
    expect(filled).not.toContain('of the bare loop,');
    expect(filled).not.toContain('one id a job, of the bare loop');
  });

  it('derives the sizing from the CPU a push alone', () => {
    // 240 µs ÷ 1,000 ÷ 0.6 = 0.4 cores for 1,000 a second.
    expect(filled).toMatch(
      /operations of 10,000, one id a job *\| *0\.04 *\| *0\.4 *\| *0\.2 *\| *0\.1 /,
    );
    // 1 billion a day: 27,778 a second at the peak, 0.4 × 27.8 = 11.1 cores of workers.
    expect(filled).toMatch(/1,000,000,000 *\| *27,778 *\| [^|]*\| *2 *\| *12 *\| *5\.6 *\| *2\.8 /);
  });

  it('tells the goals of memory apart by the backlog, and judges Redis beside the largest alone', () => {
    const spread = { p50: 20, p95: 30, p99: 40 };
    const fairness = (...backlogs: [backlog: number, redis: number][]) =>
      only('fairness', {
        fairness: {
          rate: 20,
          runs: backlogs.map(([backlog, redis]) => ({
            backlog,
            size: 10_000,
            idleMs: spread,
            besideMs: spread,
            ratio: 1,
            sent: 300,
            backlogPerSecond: 3_000,
            peakMb: { api: 310, worker: 210, redis, simulator: 100 },
          })),
          paused: {
            backlog: 20_000,
            withoutMs: spread,
            besideMs: spread,
            ratio: 1,
            claims: 0,
            attempts: 0,
            handedOver: 0,
            jobs: 0,
          },
        },
      });
    const large = fairness([200_000, 20], [1_000_000, 30]);
    expect(large).toMatch(/200,000 in operations of 10,000, peak of the api, MB *\| ≤ 300 .* no /);
    expect(large).toMatch(/1,000,000 in operations of 10,000, peak of a worker, MB .* yes /);
    expect(large).toMatch(
      /Redis beside 1,000,000, of that beside 200,000 *\| ≤ 1\.2 *\| *1\.5 \| no /,
    );
    expect(fairness([200_000, 20])).not.toContain('peak of Redis');
    expect(large).toContain('one run a backlog');
    expect(filled).toContain('medians of 3 interleaved rounds');
  });

  it('judges whether an accept is linear', () => {
    const idle = [1, 1_000, 10_000].map((recipients) => ({
      recipients,
      ms: { p50: recipients / 20, p95: 0, p99: 0 },
    }));
    const accept = only('accept', { accept: { idle, loaded: [], peakMb: 200 } });
    expect(accept).toMatch(/p50 idle of 10,000 recipients, .* ≤ 12 *\| *10 \| yes /);
    expect(accept).toContain('one run.');
  });

  it('judges pages with slack for one level more of an index', () => {
    const sizes = [1, 10].map((times) => ({
      pushes: 10_000 * times,
      calls: {} as GrowthCalls,
      pages: {
        send: 700,
        dispatch: 200 * times,
        claim: 400,
        settle: 900,
        list: 200,
        fetch: 4 + (times > 1 ? 5 : 0),
        operation: 2,
      },
    }));
    const growth = only('growth', { growth: { sizes } });
    expect(growth).toMatch(/dispatch, pages of the smallest database’s *\| ≤ 1\.5 *\| *10 \| no /);
    expect(growth).toMatch(/fetch, pages of the smallest database’s *\| ≤ 2\.5 *\| *2\.25 \| yes /);
  });

  it('must have a place for it', () => {
    expect(() => filledIn('nothing', figures)).toThrow('no place for gateway');
  });
});
