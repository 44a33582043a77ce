import { afterAll, describe, expect, it } from '@jest/globals';
import { cpSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTempFolder, remove, ROOT, startCommand } from './command.js';

describe('--help', () => {
  // A checkout in which nothing was installed and that nothing may be: no npm is on the way.
  const temp = openTempFolder();
  cpSync(join(ROOT, 'scripts'), join(temp, 'scripts'), { recursive: true });
  writeFileSync(join(temp, 'package.json'), '{"type": "module"}');
  const run = (...args: string[]) =>
    startCommand([join(temp, 'scripts/run.js'), ...args], temp, { PATH: '/nowhere' });

  afterAll(() => remove(temp));

  it.each([
    ['start', 'npm start'],
    ['demo', 'npm run demo'],
    ['simulator', 'npm run simulator'],
    ['test', 'npm test'],
    ['setup', 'npm run setup'],
  ])('of %s says how to use it and does nothing', async (name, usage) => {
    for (const flag of ['--help', '-h']) {
      const help = run(name, flag);
      expect([await help.ended, help.output()]).toEqual([0, expect.any(String)]);
      expect(help.output().startsWith(usage)).toBe(true);
    }
    expect(readdirSync(temp).sort()).toEqual(['package.json', 'scripts']);
  });

  it.each(['start', 'simulator', 'setup'])('%s takes no arguments, and says so', async (name) => {
    const refused = run(name, '--fast');
    expect(await refused.ended).toBe(1);
    expect(refused.output()).toMatch(/^It takes no arguments, and this is --fast\.\n\nnpm /);
  });
});
