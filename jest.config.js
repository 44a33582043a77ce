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

/** Two files at a time; one of them compares two times. */
const service = 'test/(contract|client|scripts)/(?!rate-limits-shared)';

/** Three sizes of test, told apart by name, and of the largest those that do not watch the clock; see CONTRIBUTING.md. */
export default {
  // Jest knows one for all projects only: what hangs ends, what is slow on a busy machine does not.
  testTimeout: 120_000,
  projects: [
    { ...common, displayName: 'pure', testRegex: '(?<!medium-|e2e-)spec\\.ts$' },
    { ...common, displayName: 'medium', testRegex: '\\.medium-spec\\.ts$' },
    {
      ...common,
      displayName: 'service',
      testRegex: `${service}.*\\.e2e-spec\\.ts$`,
    },
    { ...common, displayName: 'e2e', testRegex: `^(?!.*${service}).*\\.e2e-spec\\.ts$` },
  ],
};
