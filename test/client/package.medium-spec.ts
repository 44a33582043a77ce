import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const SOURCE = join(ROOT, 'clients/typescript');

let folder: string;

const node = (cwd: string, ...args: string[]) =>
  spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fanfare-client-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the package of the client', () => {
  it('is built and imported by a stranger, without any dependency', () => {
    const installed = join(folder, 'node_modules/fanfare-client');
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const built = node(SOURCE, tsc, '-p', '.', '--outDir', join(installed, 'dist'));
    expect([built.status, built.stdout]).toEqual([0, '']);
    cpSync(join(SOURCE, 'package.json'), join(installed, 'package.json'));
    const { dependencies, peerDependencies } = JSON.parse(
      readFileSync(join(installed, 'package.json'), 'utf8'),
    );
    expect([dependencies, peerDependencies]).toEqual([undefined, undefined]);
    expect(readdirSync(join(installed, 'dist'))).toEqual(
      expect.arrayContaining(['index.js', 'index.d.ts', 'contract.d.ts']),
    );

    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    writeFileSync(
      join(folder, 'use.ts'),
      `import { FanfareClient, FanfareError, type Operation } from 'fanfare-client';
       const client = new FanfareClient({ baseUrl: 'http://x', apiKey: 'SK', apiKeySecret: 's' });
       export const run = async (): Promise<Operation[]> => {
         const all: Operation[] = [];
         for await (const each of client.pushNotifications.listOperations()) all.push(each);
         // @ts-expect-error: a recipient has a token or a user
         await client.pushNotifications.send({ to: [{}], content: { body: 'B' } });
         return all;
       };
       console.log(typeof run, new FanfareError(500, 20500, 'm', [], null, null).name);`,
    );
    const used = node(
      folder,
      tsc,
      ...[
        'use.ts',
        '--strict',
        '--target',
        'es2022',
        '--module',
        'nodenext',
        '--lib',
        'es2022,dom',
      ],
    );
    expect([used.status, used.stdout]).toEqual([0, '']);
    expect(node(folder, 'use.js').stdout).toBe('function FanfareError\n');
  });
});

describe('the types of the client', () => {
  const check = (...args: string[]) =>
    node(ROOT, join(ROOT, 'scripts/client-types.js'), '--check', ...args);

  it('are those of openapi.json', () => {
    expect(check()).toMatchObject({ status: 0, stdout: '' });
  });

  it('are told when they are stale', () => {
    const openApi = JSON.parse(readFileSync(join(ROOT, 'openapi.json'), 'utf8'));
    openApi.components.schemas.User.properties.nickname = { type: 'string' };
    const path = join(folder, 'openapi.json');
    writeFileSync(path, JSON.stringify(openApi));
    const { status, stdout } = check(path);
    expect(status).toBe(1);
    expect(stdout).toContain('npm run openapi');
  });
});
