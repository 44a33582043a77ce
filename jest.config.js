/** @type {import('jest').Config} */
const swc = [
  '@swc/jest',
  {
    jsc: {
      target: 'es2023',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      keepClassNames: true,
    },
    module: { type: 'es6' },
    sourceMaps: 'inline',
  },
];

const common = {
  testEnvironment: 'node',
  // Not the temp folder, where each newcomer would begin again.
  cacheDirectory: '<rootDir>/node_modules/.cache/jest',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': swc },
  moduleNameMapper: {
    '^@app/providers/checks$': '<rootDir>/libs/providers/src/checks.ts',
    '^@app/([a-z]+)$': '<rootDir>/libs/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.data/'],
};

/** They compare times or rates, or count what a span of time allows: each has the machine to itself. */
const timed = [
  'test/contract/rate-limits-shared',
  'test/e2e/(a-pause-holds-nothing-else-up|callers-stay-in-command|chaos|nobody-waits-for-another|the-simulator-is-fast)',
].join('|');

/** Three sizes of test, told apart by name, and of the largest those that watch the clock; see CONTRIBUTING.md. */
export default {
  // Jest knows one for all projects only: what hangs ends, what is slow on a busy machine does not.
  testTimeout: 120_000,
  projects: [
    { ...common, displayName: 'pure', testRegex: '(?<!medium-|e2e-)spec\\.ts$' },
    { ...common, displayName: 'medium', testRegex: '\\.medium-spec\\.ts$' },
    { ...common, displayName: 'e2e', testRegex: `^(?!.*(${timed})).*\\.e2e-spec\\.ts$` },
    { ...common, displayName: 'timed', testRegex: `(${timed}).*\\.e2e-spec\\.ts$` },
  ],
};
