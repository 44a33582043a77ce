/**
 * `npm test`: everything that gates a change. The cheap gates first, then Jest's three sizes of test; all of it
 * even when something failed before. `npm test -- <pattern>` runs the matching spec files only.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCodeOf, runChild } from './child.js';
import { startPostgres } from './embedded-postgres.js';
import { bareEnvironment } from './gateway.js';
import { stopOnInterrupt } from './running.js';
import { messageOf, print, seconds, Sentence, step } from './sentence.js';
import { ROOT, setUp } from './setup.js';

/** @import { Counts } from './types.js' */

const bin = (/** @type {string} */ path) => join(ROOT, 'node_modules', path);

/** Each is one test of the sum; what it prints is shown when it fails. @type {{ name: string, commands: string[][] }[]} */
const GATES = [
  { name: 'Lint', commands: [[bin('eslint/bin/eslint.js'), '.']] },
  {
    name: 'Format',
    commands: [[bin('prettier/bin/prettier.cjs'), '--check', '--log-level=warn', '.']],
  },
  {
    name: 'Import rules',
    commands: [
      [
        bin('dependency-cruiser/bin/dependency-cruiser.mjs'),
        '--config',
        '.dependency-cruiser.cjs',
        'apps',
        'clients',
        'libs',
        'scripts',
      ],
    ],
  },
  {
    name: 'Types',
    commands: [
      [bin('typescript/bin/tsc'), '-p', 'tsconfig.json', '--noEmit'],
      [bin('typescript/bin/tsc'), '-p', 'bench', '--noEmit'],
      [bin('typescript/bin/tsc'), '-p', 'scripts', '--noEmit'],
    ],
  },
  { name: 'OpenAPI', commands: [[join(ROOT, 'scripts/lint-openapi.js')]] },
  {
    name: 'Client',
    commands: [
      [join(ROOT, 'scripts/client-types.js'), '--check'],
      [bin('typescript/bin/tsc'), '-p', 'clients/typescript'],
    ],
  },
];

/** @param {string[]} patterns @returns {Promise<number>} exit code */
export async function main(patterns) {
  const interrupt = stopOnInterrupt({
    exitCode: exitCodeOf('SIGINT'),
    sentence: 'Tests interrupted.',
  });
  const begun = performance.now();
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const add = (/** @type {Counts} */ more) => {
    counts.passed += more.passed;
    counts.failed += more.failed;
    counts.skipped += more.skipped;
  };
  add(await gate('Build', build));
  const isBuilt = counts.failed === 0;
  if (patterns.length === 0) {
    const [first, ...others] = GATES.map(
      ({ name, commands }) =>
        () =>
          gate(name, () => runAll(commands)),
    );
    // Two cores: the slowest on one, the others in turn on the other.
    const results = await Promise.all([first?.(), inTurn(others)]);
    for (const result of results.flat()) if (result) add(result);
  }
  if (!interrupt.isInterrupted()) {
    for (const result of await runJest(patterns, isBuilt)) add(result);
  }
  print(`\nAll of it took ${seconds(performance.now() - begun)}.`);
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
  print(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
  return counts.failed > 0 ? 1 : 0;
}

/** @param {(() => Promise<Counts>)[]} works */
async function inTurn(works) {
  const results = [];
  for (const work of works) results.push(await work());
  return results;
}

/**
 * @param {string} name
 * @param {() => Promise<string>} work what is wrong; '' when nothing is
 * @returns {Promise<Counts>}
 */
async function gate(name, work) {
  const fault = await step(name, work);
  if (fault === '') return { passed: 1, failed: 0, skipped: 0 };
  print(`\n✕ ${name}\n${fault}\n`);
  return { passed: 0, failed: 1, skipped: 0 };
}

/** @returns {Promise<string>} */
async function build() {
  try {
    await setUp({ log: () => {} });
    return '';
  } catch (error) {
    if (error instanceof Sentence) return error.message;
    throw error;
  }
}

/** @param {string[][]} commands @returns {Promise<string>} the output of those that failed */
async function runAll(commands) {
  const faults = [];
  for (const command of commands) {
    const { code, output } = await runChild(process.execPath, command, { cwd: ROOT });
    if (code !== 0) faults.push(output.trim() || `exit code ${code}`);
  }
  return faults.join('\n');
}

/**
 * Two files at a time on one shared cluster: pure and medium ones, then those that start processes of their own; at the end what
 * watches the clock, one file after the other.
 * @param {string[]} patterns @param {boolean} isBuilt
 * @returns {Promise<Counts[]>}
 */
async function runJest(patterns, isBuilt) {
  const postgres = await startPostgres({ settings: { max_connections: '400' } });
  const temp = mkdtempSync(join(tmpdir(), 'fanfare-test-'));
  const env = {
    ...bareEnvironment(),
    ...keep(
      /^(CI|FUZZ_(SEED|RUNS)|SOAK_SECONDS|FORCE_COLOR|NO_COLOR|REDIS_URL|NODE_EXTRA_CA_CERTS|HTTPS?_PROXY|NO_PROXY|npm_execpath|npm_config_\w+)$/i,
    ),
    NODE_ENV: 'test',
    TEST_DATABASE_SUPER_URL: postgres.superUrl,
    TEST_DATABASE_OWNER_URL: postgres.ownerUrl,
    TEST_DATABASE_APP_URL: postgres.appUrl,
  };
  const sizes = [
    ['--selectProjects', 'pure', 'medium', '--maxWorkers=2'],
    ['--selectProjects', 'e2e', '--maxWorkers=2'],
    ['--selectProjects', 'timed', '--runInBand'],
  ];
  const results = [];
  try {
    for (const [index, size] of sizes.entries()) {
      if (index > 0 && !isBuilt) {
        print('✕ The end-to-end tests cannot run: the build failed.');
        results.push({ passed: 0, failed: 1, skipped: 0 });
        continue;
      }
      const report = join(temp, `jest-${index}.json`);
      const jest = [
        '--experimental-vm-modules',
        '--disable-warning=ExperimentalWarning',
        bin('jest/bin/jest.js'),
      ];
      const options = [
        '--json',
        `--outputFile=${report}`,
        '--passWithNoTests',
        ...size,
        '--',
        ...patterns,
      ];
      const { code } = await runChild(process.execPath, [...jest, ...options], {
        cwd: ROOT,
        env,
        show: true,
      });
      results.push(countJest(report, code));
    }
  } finally {
    await postgres.stop();
    rmSync(temp, { recursive: true, force: true });
  }
  return results;
}

/**
 * What the tests get of the caller's environment: nothing that configures Fanfare, but how long to soak and the way to
 * npm's registry.
 * @param {RegExp} names
 * @returns {Record<string, string>}
 */
const keep = (names) =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value && names.test(name) ? [[name, value]] : [],
    ),
  );

/**
 * @param {string} report Jest's JSON @param {number} code Jest's exit code
 * @returns {Counts} a spec file that did not even load counts as one that failed, and so does a Jest that failed
 *   without a failed test
 */
export function countJest(report, code) {
  try {
    const result = JSON.parse(readFileSync(report, 'utf8'));
    const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
    return {
      passed: result.numPassedTests,
      failed: failed === 0 && code !== 0 ? 1 : failed,
      skipped: result.numPendingTests + result.numTodoTests,
    };
  } catch (error) {
    print(`✕ Jest left no report: ${messageOf(error)}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
