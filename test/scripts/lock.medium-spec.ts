import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bornAt, isAlive, lock, tryLock } from '../../scripts/lock.js';
import { openTempFolder, remove, ROOT } from './command.js';

describe('a lock file', () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = openTempFolder();
    path = join(folder, 'lock');
  });

  afterEach(() => remove(folder));

  function take(self?: { pid: number; born: string }): () => void {
    const got = tryLock(path, self);
    if ('heldBy' in got) throw new Error(`held by ${got.heldBy}`);
    return got.release;
  }

  it('is held until it is released, and then leaves nothing', () => {
    const release = take();
    expect(tryLock(path)).toEqual({ heldBy: process.pid });
    release();
    expect(readdirSync(folder)).toEqual([]);
    take();
  });

  it('of a dead owner is taken over', () => {
    const dead = spawnSync('true').pid;
    take({ pid: dead, born: '1' });
    take();
    expect(tryLock(path)).toEqual({ heldBy: process.pid });
    expect(readdirSync(folder)).toEqual(['lock']);
  });

  it('of an owner whose number another process has now is taken over', () => {
    take({ pid: process.pid, born: '1' });
    take();
  });

  it('is taken over although an earlier heir died while it did so', () => {
    const dead = { pid: spawnSync('true').pid, born: '1' };
    take(dead);
    writeFileSync(`${path}.dead-${dead.pid}-${dead.born}`, JSON.stringify(dead));
    take();
    expect(readdirSync(folder)).toEqual(['lock']);
  });

  it('waits, saying once for whom', async () => {
    const release = take();
    const said: number[] = [];
    const waited = lock(path, (pid) => {
      said.push(pid);
      setImmediate(release);
    });
    (await waited)();
    expect(said).toEqual([process.pid]);
  });

  it('lets only one at a time in, of many that find a dead owner', async () => {
    take({ pid: spawnSync('true').pid, born: '1' });
    const log = join(folder, 'log');
    // Each writes twice inside: between its lines no other line may stand.
    const script = `
      import { appendFileSync } from 'node:fs';
      import { lock } from '${join(ROOT, 'scripts/lock.js')}';
      for (let i = 0; i < 5; i += 1) {
        const release = await lock('${path}');
        appendFileSync('${log}', 'in ' + process.pid + '\\n');
        await new Promise((resolve) => setImmediate(resolve));
        appendFileSync('${log}', 'out ' + process.pid + '\\n');
        release();
      }`;
    const all = Array.from({ length: 6 }, () => {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
        stdio: 'inherit',
      });
      return new Promise((resolve) => child.once('exit', resolve));
    });
    expect(await Promise.all(all)).toEqual([0, 0, 0, 0, 0, 0]);
    const lines = spawnSync('cat', [log], { encoding: 'utf8' }).stdout.trim().split('\n');
    expect(lines).toHaveLength(60);
    for (let i = 0; i < lines.length; i += 2)
      expect(lines[i + 1]).toBe(lines[i]?.replace('in', 'out'));
  });
});

describe('a process', () => {
  it('is alive or not', () => {
    expect(isAlive(process.pid)).toBe(true);
    expect(bornAt(process.pid)).not.toBe('');
    const ended = spawnSync('true').pid;
    expect(isAlive(ended)).toBe(false);
    expect(bornAt(ended)).toBe('');
  });
});
