import { describe, expect, it } from '@jest/globals';
import { filledIn } from '../../bench/report/page.js';
import { mediansOf, percentile } from '../../bench/statistics.js';
import type { BenchFigures, GatewayRun } from '../../bench/types.js';

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

const page = ['gateway', 'sizing', 'accept']
  .map((name) => `before\n\n<!-- begin ${name} -->\n\nold\n\n<!-- end ${name} -->\n`)
  .join('\n');

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

  it('must have a place for it', () => {
    expect(() => filledIn('nothing', figures)).toThrow('no place for gateway');
  });
});
