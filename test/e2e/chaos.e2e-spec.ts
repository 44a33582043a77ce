import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomInt } from 'node:crypto';
import { BACKENDS, MAIN_BACKEND } from '../support/gateway.js';
import { allGone, openTempFolder, remove, startCommand } from '../scripts/command.js';

/**
 * Promises 1, 2 and 3 at once, as `npm run chaos` proves them: everything is killed, frozen, emptied and cut off
 * while operations are sent. This is the bounded part of it; docs/reliability.md has the last long run.
 */

/** Long enough for every kind of fault to come once. */
const SECONDS = '14';

describe('npm run chaos', () => {
  let temp: string;

  beforeEach(() => {
    temp = openTempFolder();
  });

  afterEach(() => remove(temp));

  it.each([
    ['a fixed seed', 20_260_501, MAIN_BACKEND],
    // The queue on PostgreSQL.
    ['a new seed', randomInt(2 ** 32), BACKENDS.at(-1) ?? MAIN_BACKEND],
  ])(
    `loses nothing and doubles nothing outside the window, with %s: %i, on %s`,
    async (_, seed, backend) => {
      const args = ['--seconds', SECONDS, '--rate', '120', '--seed', String(seed), '--json'];
      const command = startCommand(
        ['scripts/run.js', 'chaos', '--backend', backend, ...args],
        temp,
      );
      const code = await command.ended;
      const output = command.output();
      const [json = ''] = /^\{"cases":.*$/m.exec(output) ?? [];
      expect({ json, output }).not.toMatchObject({ json: '' });
      const result = JSON.parse(json);
      expect({ code, ...result }).toMatchObject({
        // They tell why, should one of these be another.
        findings: [],
        lost: 0,
        unaccounted: 0,
        duplicatesOutsideWindow: 0,
        crashes: 0,
        uncleanStops: 0,
        unresolved: 0,
        seed,
        code: 0,
      });
      expect(result.accepted).toBeGreaterThan(5_000);
      expect(result.sent + result.failed + result.canceled).toBe(result.accepted);
      expect(Object.values(result.faults)).toHaveLength(result.cases);
      expect(result.settledSeconds).toBeGreaterThanOrEqual(0);
      expect(result.cases).toBeGreaterThanOrEqual(backend === 'redis' ? 24 : 21);
      await allGone(temp);
    },
    240_000,
  );

  it('stops everything on Ctrl-C', async () => {
    const command = startCommand(
      ['scripts/run.js', 'chaos', '--seconds', '60', '--backend', MAIN_BACKEND],
      temp,
    );
    await command.says('Store credentials');
    command.signal('SIGINT');
    expect(await command.ended).toBe(130);
    expect(command.output()).toContain('Chaos interrupted');
    await allGone(temp);
  }, 120_000);
});
