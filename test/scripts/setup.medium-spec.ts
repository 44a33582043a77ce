import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { freePort } from '../../scripts/embedded-postgres.js';
import { isInstalled } from '../../scripts/installed.js';
import { tryLock } from '../../scripts/lock.js';
import { installSentence, nodeOf, setUp } from '../../scripts/setup.js';
import { openTempFolder, remove, ROOT, startCommand } from './command.js';

let folder: string;

beforeEach(() => {
  folder = openTempFolder();
});

afterEach(() => remove(folder));

function write(file: string, text: string): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

/** A checkout whose npm, prisma and nest only write down that they were called. */
describe('the set-up', () => {
  const calls = () => {
    const file = join(folder, 'calls');
    const said = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
    rmSync(file, { force: true });
    return said;
  };

  const record = (name: string, more = '') =>
    `require('node:fs').appendFileSync('${join(folder, 'calls')}', '${name}\\n');\n${more}`;

  const LOCK = JSON.stringify({ packages: { '': {}, 'node_modules/x': { version: '1.0.0' } } });

  let npm: string | undefined;

  beforeEach(() => {
    npm = process.env.npm_execpath;
    process.env.npm_execpath = join(folder, 'npm.cjs');
    // As npm does: its own record comes last.
    write(
      'npm.cjs',
      record(
        'npm ci',
        `const { cpSync } = require('node:fs');
         cpSync('tools', 'node_modules', { recursive: true });
         cpSync('package-lock.json', 'node_modules/.package-lock.json');`,
      ),
    );
    write(
      'tools/prisma/build/index.js',
      record(
        'prisma',
        `require('node:fs').mkdirSync('libs/persistence/src/generated', { recursive: true });`,
      ),
    );
    write('tools/prisma/package.json', '{}');
    write(
      'tools/@nestjs/cli/bin/nest.js',
      record(
        'nest',
        `const { cpSync, mkdirSync } = require('node:fs');
         mkdirSync('dist/apps/api/src', { recursive: true });
         require('node:fs').writeFileSync('dist/apps/api/src/main.js', '');`,
      ),
    );
    write('package-lock.json', LOCK);
    write('prisma/schema.prisma', 'one');
    write('apps/api/src/main.ts', 'one');
  });

  afterEach(() => {
    if (npm === undefined) delete process.env.npm_execpath;
    else process.env.npm_execpath = npm;
  });

  const steps: string[] = [];
  const run = () => {
    steps.length = 0;
    return setUp({ root: folder, log: (line) => steps.push(line) });
  };

  it('does everything at first and nothing afterwards', async () => {
    expect(await run()).toBe(process.execPath);
    expect(calls()).toEqual(['npm ci', 'prisma', 'nest']);
    expect(steps.filter((line) => /\d\.\d s$/.test(line))).toHaveLength(3);
    await run();
    expect(calls()).toEqual([]);
    expect(steps).toEqual([]);
  });

  it('does again only what a change asks for', async () => {
    await run();
    calls();
    write('apps/api/src/main.ts', 'two');
    await run();
    expect(calls()).toEqual(['nest']);
    write('apps/api/src/main.spec.ts', 'a test is not built');
    await run();
    expect(calls()).toEqual([]);
    write('prisma/schema.prisma', 'two');
    await run();
    expect(calls()).toEqual(['prisma']);
    write('package-lock.json', LOCK.replace('1.0.0', '1.0.1'));
    await run();
    expect(calls()).toEqual(['npm ci', 'nest']);
    rmSync(join(folder, 'dist'), { recursive: true });
    await run();
    expect(calls()).toEqual(['nest']);
  });

  it('removes the output of sources that are gone', async () => {
    write('dist/apps/api/src/old.js', '');
    utimesSync(join(folder, 'dist/apps/api/src/old.js'), 1, 1);
    await run();
    expect(existsSync(join(folder, 'dist/apps/api/src/old.js'))).toBe(false);
    expect(existsSync(join(folder, 'dist/apps/api/src/main.js'))).toBe(true);
  });

  it('is done once by two at a time', async () => {
    await Promise.all([run(), run()]);
    expect(calls()).toEqual(['npm ci', 'prisma', 'nest']);
    expect(tryLock(join(folder, '.data/setup.lock'))).toHaveProperty('release');
  });

  it('begins again after one that was broken off', async () => {
    write('npm.cjs', record('npm ci', 'process.exit(1)'));
    await expect(run()).rejects.toThrow('The dependencies could not be installed (exit code 1)');
    write('npm.cjs', record('npm ci', 'process.exit(0)'));
    calls();
    await expect(run()).rejects.toThrow('A package for this very system could not be downloaded');
    expect(calls()).toEqual(['npm ci']);
  });

  it('shows what the build found', async () => {
    write('tools/@nestjs/cli/bin/nest.js', `console.log('main.ts:1 is wrong'); process.exit(1);`);
    await expect(run()).rejects.toThrow('The build failed:\nmain.ts:1 is wrong');
    await expect(run()).rejects.toThrow('The build failed');
  });

  it('asks for room on the disk first', async () => {
    const freeBytes = () => 1.94e9;
    await expect(setUp({ root: folder, freeBytes, log: () => undefined })).rejects.toThrow(
      `Only 1.9 GB of disk are left at ${folder}: Fanfare needs 2 GB.`,
    );
    expect(calls()).toEqual([]);
  });

  (process.getuid?.() === 0 ? it.skip : it)(
    'says that another user’s checkout is not ours',
    async () => {
      mkdirSync(join(folder, '.data'));
      chmodSync(join(folder, '.data'), 0o500);
      await expect(run()).rejects.toThrow('cannot be written by this user');
    },
  );
});

describe('the pinned Node', () => {
  it('is taken where npm has one, else the machine’s own when it is new enough', () => {
    expect(nodeOf(folder, '22.17.0')).toBe(process.execPath);
    expect(nodeOf(folder, '24.0.0')).toBe(process.execPath);
    for (const old of ['22.16.1', '20.19.1'])
      expect(() => nodeOf(folder, old)).toThrow(
        `Fanfare needs Node 22.17 or newer on ${process.platform}-${process.arch}, and this is Node ${old}`,
      );
    const pinned = `node_modules/node-${process.platform}-${process.arch}/bin/node`;
    write(pinned, '');
    expect(nodeOf(folder, '20.19.1')).toBe(join(folder, pinned));
  });
});

describe('what is installed', () => {
  const both = (wanted: object, present: object) => {
    write('package-lock.json', JSON.stringify({ packages: { '': { name: 'x' }, ...wanted } }));
    write('node_modules/.package-lock.json', JSON.stringify({ packages: present }));
    return isInstalled(folder, { platform: 'linux', arch: 'x64' });
  };
  const a = { version: '1.0.0', integrity: 'sha512-a' };

  it.each([
    ['the same', { a }, { a }, true],
    ['more than wanted', { a }, { a, b: a }, true],
    ['less', { a, b: a }, { a }, false],
    ['another version', { a }, { a: { ...a, version: '1.0.1' } }, false],
    ['another content', { a }, { a: { ...a, integrity: 'sha512-b' } }, false],
    [
      'not another system’s',
      { a: { ...a, optional: true, os: 'linux', cpu: ['arm64'] } },
      {},
      true,
    ],
    ['not this system’s', { a: { ...a, optional: true, os: 'linux', cpu: ['x64'] } }, {}, false],
    [
      'not another C library’s',
      { a: { ...a, optional: true, os: ['linux'], cpu: ['x64'], libc: ['musl'] } },
      {},
      true,
    ],
  ])('%s', (_name, wanted, present, answer) => {
    expect(both(wanted, present)).toBe(answer);
  });

  it('is nothing without npm’s record', () => {
    write('package-lock.json', JSON.stringify({ packages: { a } }));
    expect(isInstalled(folder)).toBe(false);
  });
});

describe('npm’s failure in one sentence', () => {
  it.each([
    [127, 'spawn npm ENOENT', 'There is no npm on this machine'],
    [
      1,
      'npm error code ECONNREFUSED\nnpm error errno ECONNREFUSED',
      'could not be downloaded (ECONNREFUSED): check the network',
    ],
    [1, 'npm error code E503\nnpm error 503 Service Unavailable', 'could not be downloaded (E503)'],
    [1, 'npm ERR! code ENOTFOUND', 'could not be downloaded (ENOTFOUND)'],
    [1, 'npm error code ENOSPC', 'The disk filled up'],
    [1, 'npm error code EINTEGRITY', 'is not the one that package-lock.json names'],
    [
      1,
      'npm error code EUSAGE\nnpm error\nnpm error `npm ci` can only install',
      '(EUSAGE): `npm ci` can only install',
    ],
    [3, '', '(exit code 3): npm said nothing'],
  ])('%i %s', (exitCode, output, sentence) => {
    expect(installSentence(exitCode, output)).toContain(sentence);
    expect(installSentence(exitCode, output)).not.toContain('\n');
  });
});

describe('a fresh checkout without a registry', () => {
  it('ends with one sentence and exit code 1', async () => {
    for (const path of ['scripts', 'package.json', 'package-lock.json', '.npmrc'])
      cpSync(join(ROOT, path), join(folder, path), { recursive: true });
    const run = startCommand([join(folder, 'scripts/run.js'), 'demo'], folder, {
      npm_config_registry: `http://127.0.0.1:${await freePort()}/`,
      npm_config_cache: join(folder, 'cache'),
      npm_config_fetch_retries: '0',
    });
    expect(await run.ended).toBe(1);
    expect(run.output().trimEnd().split('\n')).toEqual([
      '  Install the dependencies …',
      "The dependencies could not be downloaded (ECONNREFUSED): check the network and npm's registry, then run the command again.",
    ]);
  });

  it('is refused at once by a Node that is too old', () => {
    const old = join(folder, 'old.mjs');
    // The version is all that the check can see of a Node.
    writeFileSync(
      old,
      `Object.defineProperty(process.versions, 'node', { value: '18.20.0' });
       process.argv.splice(1, 1, 'run.js', 'demo');
       await import('${join(ROOT, 'scripts/run.js')}');`,
    );
    const { status, stderr } = spawnSync(process.execPath, [old], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([
      1,
      'Fanfare needs Node 20 or newer, and this is Node 18.20.0.\n',
    ]);
  });

  it('knows its commands', () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(ROOT, 'scripts/run.js'), 'dance'],
      {
        encoding: 'utf8',
      },
    );
    expect([status, stderr]).toEqual([
      1,
      'Usage: node scripts/run.js bench|demo|start|simulator|chaos|test|setup\n',
    ]);
  });

  it('hands over to the pinned Node and hands back its exit code', () => {
    for (const path of ['scripts', 'package.json'])
      cpSync(join(ROOT, path), join(folder, path), { recursive: true });
    write('package-lock.json', '{"packages":{}}');
    write('node_modules/.package-lock.json', '{"packages":{}}');
    const pinned = join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin');
    mkdirSync(pinned, { recursive: true });
    writeFileSync(
      join(pinned, 'node'),
      '#!/bin/sh\ncase "$1" in */prisma/*) exit 0 ;; esac\necho "pinned: $FANFARE_HANDED_OVER $2 $3"\nexit 7\n',
    );
    chmodSync(join(pinned, 'node'), 0o755);
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(folder, 'scripts/run.js'), 'test', '--x'],
      { encoding: 'utf8' },
    );
    expect([status, stdout]).toEqual([7, expect.stringContaining('pinned: 1 test --x')]);
  });
});
