import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

interface Rule {
  name: string;
}

interface Violation {
  rule: Rule;
  from: string;
  to: string;
}

const ROOT = join(import.meta.dirname, '../..');
const { forbidden } = createRequire(import.meta.url)(join(ROOT, '.dependency-cruiser.cjs')) as {
  forbidden: Rule[];
};

const LIBS = ['contract', 'domain', 'persistence', 'platform', 'providers', 'queue', 'templating'];

/** One fault each: the rule that must catch it, the file that does it, what it imports. */
const FAULTS: [rule: string, file: string, imports: string][] = [
  ['domain-imports', 'libs/domain/src/a.ts', '@app/platform'],
  ['platform-imports', 'libs/platform/src/a.ts', '@app/domain'],
  ['contract-imports', 'libs/contract/src/a.ts', '@app/queue'],
  ['templating-imports', 'libs/templating/src/a.ts', '@app/contract'],
  ['persistence-imports', 'libs/persistence/src/a.ts', '@app/queue'],
  ['queue-imports', 'libs/queue/src/a.ts', '@app/persistence'],
  ['providers-imports', 'libs/providers/src/a.ts', '@app/persistence'],
  ['api-imports', 'apps/api/src/a.ts', '@app/providers'],
  ['api-imports', 'apps/api/src/b.ts', '../../../libs/providers/src/port.js'],
  ['api-imports', 'apps/api/src/c.ts', '../../worker/src/main.js'],
  ['worker-imports', 'apps/worker/src/a.ts', '../../api/src/main.js'],
  ['simulator-imports', 'apps/simulator/src/a.ts', '@app/providers/checks'],
  ['simulator-imports', 'apps/simulator/src/b.ts', '@app/domain'],
  ['vendors-only-in-its-place', 'apps/worker/src/b.ts', 'firebase-admin'],
  ['vendors-only-in-its-place', 'apps/api/src/d.ts', 'google-auth-library'],
  ['vendors-only-in-its-place', 'libs/queue/src/b.ts', '@parse/node-apn'],
  ['prisma-only-in-its-place', 'apps/worker/src/c.ts', '@prisma/client'],
  ['prisma-only-in-its-place', 'scripts/a.js', '@prisma/adapter-pg'],
  ['queue-packages-only-in-its-place', 'apps/api/src/e.ts', 'bullmq'],
  ['queue-packages-only-in-its-place', 'libs/persistence/src/b.ts', 'ioredis'],
  ['liquid-only-in-its-place', 'apps/worker/src/d.ts', 'liquidjs'],
  ['scripts-stand-alone', 'scripts/b.js', '../libs/domain/src/index.js'],
  ['clients-stand-alone', 'clients/typescript/src/a.ts', '../../../libs/contract/src/index.js'],
  ['clients-stand-alone', 'clients/typescript/src/b.ts', 'zod'],
  ['clients-stand-alone', 'clients/typescript/src/c.ts', 'node:http'],
  ['product-without-clients', 'apps/api/src/g.ts', '../../../clients/typescript/src/index.js'],
  ['product-without-tests', 'libs/domain/src/b.ts', '../../../test/support/database.js'],
  ['product-without-tests', 'apps/api/src/f.ts', './planted.spec.js'],
  ['no-development-package', 'libs/domain/src/c.ts', 'typescript'],
  ['no-circular', 'libs/domain/src/circle-a.ts', './circle-b.js'],
  ['resolvable', 'libs/domain/src/d.ts', './nowhere.js'],
];

/** What is allowed, close to the faults: no rule may catch it. */
const LEGAL: [file: string, imports: string][] = [
  ['apps/api/src/legal-a.ts', '@app/providers/checks'],
  ['apps/api/src/legal-b.ts', '@app/persistence'],
  ['apps/worker/src/legal-a.ts', '@app/providers'],
  ['apps/worker/src/legal-b.ts', 'bullmq'],
  ['apps/simulator/src/legal-a.ts', '@app/platform'],
  ['libs/providers/src/legal-a.ts', 'firebase-admin'],
  ['libs/persistence/src/legal-a.ts', '@prisma/client'],
  ['libs/templating/src/legal-a.ts', 'liquidjs'],
  ['scripts/migrate.js', 'bullmq'],
  ['clients/typescript/src/legal-a.ts', './index.js'],
  ['libs/domain/src/legal-a.spec.ts', '@app/queue'],
];

describe('the import rules', () => {
  const copy = mkdtempSync(join(tmpdir(), 'fanfare-import-rules-'));
  let violations: Violation[];

  function write(file: string, text: string): void {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    writeFileSync(join(copy, file), text);
  }

  beforeAll(() => {
    for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json'])
      cpSync(join(ROOT, file), join(copy, file));
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    for (const lib of LIBS) write(`libs/${lib}/src/index.ts`, 'export const here = true;\n');
    for (const app of ['api', 'worker', 'simulator'])
      write(`apps/${app}/src/main.ts`, 'export const here = true;\n');
    write('clients/typescript/src/index.ts', 'export const here = true;\n');
    write('libs/providers/src/checks.ts', 'export const here = true;\n');
    write('libs/providers/src/port.ts', 'export const here = true;\n');
    write('test/support/database.ts', 'export const here = true;\n');
    write('apps/api/src/planted.spec.ts', 'export const here = true;\n');
    write('libs/domain/src/circle-b.ts', `export * from './circle-a.js';\n`);
    for (const [, file, imports] of FAULTS) write(file, `export * from '${imports}';\n`);
    // A type alone is an import as well: the drawing would have an arrow.
    write('libs/domain/src/a.ts', `export type * from '@app/platform';\n`);
    for (const [file, imports] of LEGAL) write(file, `export * from '${imports}';\n`);
    const cruise = spawnSync(
      process.execPath,
      [
        join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs'),
        ...['--config', '.dependency-cruiser.cjs', '--output-type', 'json'],
        ...['apps', 'clients', 'libs', 'scripts'],
      ],
      { cwd: copy, encoding: 'utf8', maxBuffer: 1e8 },
    );
    violations = (JSON.parse(cruise.stdout) as { summary: { violations: Violation[] } }).summary
      .violations;
  });

  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  it.each(FAULTS)('%s catches %s importing %s', (rule, file) => {
    expect(violations.filter(({ from }) => from === file).map((each) => each.rule.name)).toContain(
      rule,
    );
  });

  it.each(LEGAL)('nothing is wrong with %s importing %s', (file) => {
    expect(violations.filter(({ from }) => from === file)).toEqual([]);
  });

  it('have a planted fault each', () => {
    expect([...new Set(FAULTS.map(([rule]) => rule))].sort()).toEqual(
      forbidden.map(({ name }) => name).sort(),
    );
  });
});
