import { describe, expect, it } from '@jest/globals';
import { FAULTS } from './faults.js';
import { commandOf, HELP, readOptions } from './options.js';

const withRedis = (...args: string[]) => readOptions(args, () => true);

describe('the options of npm run chaos', () => {
  it('have defaults, and a seed of its own for every run', () => {
    const options = withRedis();
    expect(options).toMatchObject({ seconds: 120, rate: 200, backend: 'redis', json: false });
    expect(options).toMatchObject({ kinds: Object.keys(FAULTS) });
    const seeds = new Set(Array.from({ length: 5 }, () => JSON.stringify(withRedis())));
    expect(seeds.size).toBeGreaterThan(1);
  });

  it('take a replay', () => {
    const args = ['--seed', '12', '--seconds', '30', '--only', 'api-kill,rolling', '--json'];
    expect(withRedis(...args)).toMatchObject({
      seed: 12,
      seconds: 30,
      kinds: ['api-kill', 'rolling'],
      json: true,
    });
    expect(withRedis('--only', 'none')).toMatchObject({ kinds: [] });
  });

  it.each<string[]>([
    ['--seconds', '600'],
    ['--rate', '120', '--backend', 'postgres', '--job-size', '50'],
    ['--only', 'api-kill,rolling', '--seed', '7'],
    ['--only', 'none'],
  ])('are all in the command that replays a run: %s', (...args) => {
    const options = withRedis(...args);
    if (options === 'help') throw new Error('help');
    const [, replay] = commandOf(options).split('npm run chaos -- ');
    expect(withRedis(...(replay ?? '').split(' '))).toEqual({ ...options, noRedis: false });
  });

  it('fall back to PostgreSQL without redis-server, and leave out what needs Redis', () => {
    const options = readOptions([], () => false);
    expect(options).toMatchObject({ backend: 'postgres', noRedis: true });
    const kinds = options === 'help' ? [] : options.kinds;
    expect(kinds).toContain('queue-flush');
    expect(kinds).not.toContain('redis-empty');
    expect(readOptions(['--backend', 'postgres'], () => true)).toMatchObject({ noRedis: false });
  });

  it('help, naming every fault', () => {
    expect(withRedis('--help')).toBe('help');
    expect(withRedis('-h')).toBe('help');
    for (const kind of Object.keys(FAULTS)) expect(HELP).toContain(`  ${kind}`);
  });

  it.each([
    [['--seconds', '4'], '--seconds takes a whole number from 5 to 86400.'],
    [['--rate', 'fast'], '--rate takes a whole number from 1 to 5000.'],
    [['--seed', '-1'], '--seed'],
    [['--backend', 'kafka'], '--backend takes redis or postgres.'],
    [['--only', 'earthquake'], 'There is no fault "earthquake"'],
    [['--backend', 'postgres', '--only', 'redis-empty'], '"redis-empty" needs the other backend.'],
    [['--fast'], 'Known: --seconds'],
  ])('refuse %j', (args, sentence) => {
    expect(() => withRedis(...args)).toThrow(sentence);
  });
});
