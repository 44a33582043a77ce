import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { allGone, openTempFolder, processesOf, remove, startCommand } from './command.js';

const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

describe('npm run demo', () => {
  let temp: string;

  beforeEach(() => {
    temp = openTempFolder();
  });

  afterEach(() => remove(temp));

  const demo = (args: string[], env?: Record<string, string>) =>
    startCommand(['scripts/run.js', 'demo', ...args], temp, env);

  async function delivers(args: string[], queue: string): Promise<void> {
    const run = demo([...args, '--json', '--recipients', '84']);
    expect([await run.ended, run.output()]).toEqual([0, expect.any(String)]);
    const lines = run.output().trim().split('\n');
    const { operationId, seconds, ...outcome } = JSON.parse(lines.at(-1) ?? '');
    expect(operationId).toMatch(/^comms_operation_/);
    expect(seconds).toBeGreaterThan(0);
    // 84 and 10 recipients; of the 84, four have a token that the simulator refuses.
    expect(outcome).toEqual({
      recipients: 94,
      sent: 90,
      failed: 4,
      unaddressable: 0,
      queue,
      providers: 'simulator',
    });
    for (const row of [
      /Start PostgreSQL +\d+\.\d s/,
      /\[#{40}] 94 of 94/,
      /FCM +42 +40 +2\n/,
      /APNs, signing key +42 +40 +2\n/,
      /APNs, certificate +10 +10 +0\n/,
      /Hello (Ada|Grace|Edsger|Barbara|Alan|Frances|Donald|Radia)\n +Your order \d+ is on its way\./,
    ])
      expect(run.output()).toMatch(row);
    expect(processesOf(temp)).toEqual([]);
    expect(readdirSync(temp)).toEqual([]);
  }

  it('delivers on PostgreSQL and leaves nothing behind', () => delivers([], 'postgres'));

  (hasRedis ? it : it.skip)('delivers on a Redis of its own and leaves nothing behind', () =>
    delivers(['--redis'], 'redis'),
  );

  it('stops everything on Ctrl-C in mid-start', async () => {
    const run = demo([]);
    await run.says('Migrate the database');
    run.signal('SIGINT');
    expect(await run.ended).toBe(130);
    expect(run.output()).toContain('Demo interrupted: stopping everything it started.');
    expect(run.output()).not.toMatch(/ at .*\.js:/);
    await allGone(temp);
    expect(readdirSync(temp)).toEqual([]);
  });

  it('stops everything on Ctrl-C while pushes are under way', async () => {
    const run = demo(['--recipients', '10000']);
    await run.says('Send to 10000');
    run.signal('SIGINT');
    expect(await run.ended).toBe(130);
    await allGone(temp);
    expect(readdirSync(temp)).toEqual([]);
  });

  it('says in one sentence that there is no redis-server', async () => {
    const run = demo(['--redis'], { PATH: '/nowhere' });
    expect(await run.ended).toBe(1);
    expect(run.output().trim()).toBe(
      'There is no redis-server on this machine: install Redis, or run without --redis.',
    );
  });

  it.each([
    [['--recipients', '0'], '--recipients takes a whole number from 1 to 10000.'],
    [['--fast'], "Unknown option '--fast'"],
  ])('refuses %j', async (args, sentence) => {
    const run = demo(args);
    expect(await run.ended).toBe(1);
    expect(run.output()).toContain(sentence);
    expect(run.output().trim().split('\n')).toHaveLength(1);
  });
});
