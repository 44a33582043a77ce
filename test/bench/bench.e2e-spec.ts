import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '../..');

/** The rig by way of the same script as `npm run bench`, but without npm's own lines. */
const bench = (...args: string[]) =>
  promisify(execFile)(process.execPath, [join(ROOT, 'scripts/run.js'), 'bench', ...args], {
    cwd: ROOT,
    maxBuffer: 2 ** 24,
  });

describe('npm run bench', () => {
  it('measures both engines and their peers, and prints one object', async () => {
    const { stdout } = await bench('--quick', '--json', '--only', 'engine');
    const { engine, quick } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    expect(quick).toBe(true);
    expect(
      engine.runs.map(({ provider, contender }: Record<string, string>) => [provider, contender]),
    ).toEqual([
      ['FCM', 'bare'],
      ['FCM', 'ours'],
      ['FCM', 'sendEach'],
      ['FCM', 'send'],
      ['APN', 'bare'],
      ['APN', 'ours'],
      ['APN', 'provider'],
    ]);
    for (const run of engine.runs) {
      expect(run).toMatchObject({ notAccepted: 0 });
      for (const name of ['messagesPerSecond', 'cpuUs', 'peakMb', 'connections'])
        expect(run[name]).toBeGreaterThan(0);
    }
    expect(engine.ratios).toHaveLength(5);
  });

  it('measures the gateway with nothing failed and nothing sent twice', async () => {
    const { stdout } = await bench('--quick', '--json', '--only', 'gateway');
    const { gateway } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    expect(gateway.runs).toHaveLength(1);
    expect(gateway.runs[0]).toMatchObject({ pushes: 200, failed: 0, duplicates: 0 });
    for (const name of ['api', 'worker', 'postgres', 'simulator'])
      expect(gateway.runs[0].cpuUs[name]).toBeGreaterThan(0);
    expect(gateway.runs[0].latencyMs.p50).toBeGreaterThan(0);
  });

  it('counts the pages of every statement beside stored pushes', async () => {
    const { stdout } = await bench('--quick', '--json', '--only', 'growth');
    const { growth } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    expect(growth.sizes).toHaveLength(2);
    for (const { pages, calls } of growth.sizes) {
      expect(Object.keys(pages)).toEqual([
        'send',
        'dispatch',
        'claim',
        'settle',
        'list',
        'fetch',
        'operation',
      ]);
      for (const count of Object.values(pages)) expect(count).toBeGreaterThan(0);
      for (const call of Object.values(calls)) expect(call).toHaveProperty('p50Ratio');
    }
  });

  it('refuses what it does not know, and tells what it knows', async () => {
    await expect(bench('--only', 'luck')).rejects.toMatchObject({
      code: 1,
      stderr: '--only takes engine, gateway, accept, growth, fairness, not luck.\n',
    });
    await expect(bench('--rounds', '0')).rejects.toMatchObject({ code: 1 });
    await expect(bench('--luck')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--markdown'),
    });
    const { stdout } = await bench('--help');
    expect(stdout).toContain('--markdown');
  });

  it.each([
    [['--cases', 'redis'], '--cases chooses among those of gateway: say --only gateway with it.'],
    [
      ['--cases', 'redis', '--only', 'gateway,accept'],
      '--cases chooses among those of gateway: say --only gateway with it.',
    ],
    [
      ['--cases', 'redis', '--only', 'engine'],
      '--cases is for gateway, and --only leaves that out.',
    ],
    [
      ['--large', '--only', 'engine,gateway'],
      '--large is for growth, fairness, and --only leaves that out.',
    ],
    [
      ['--cpu-prof', 'profiles', '--only', 'growth'],
      '--cpu-prof is for gateway, accept, fairness, and --only leaves that out.',
    ],
  ])('refuses what nothing that it measures heeds: %s', async (args, sentence) => {
    await expect(bench('--quick', ...args)).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: `${sentence}\n`,
    });
  });

  it('has a place in docs/performance.md for every section', () => {
    const page = readFileSync(join(ROOT, 'docs/performance.md'), 'utf8');
    for (const name of ['engine', 'gateway', 'accept', 'growth', 'fairness', 'sizing']) {
      expect(page.split(`<!-- begin ${name} -->`)).toHaveLength(2);
      expect(page.split(`<!-- end ${name} -->`)).toHaveLength(2);
    }
  });
});
