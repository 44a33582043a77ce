/**
 * Who may import whom: the drawing in docs/architecture.md, enforced. Specs are exempt, for they put parts
 * together that the product keeps apart; `npm test` proves that each rule bites (test/scripts/import-rules).
 */
const SPEC = 'spec\\.ts$';
/** What only tests import, beside the code; not built. */
const TESTS_OWN = '^(libs|apps)/[^/]+/test/';

/**
 * A folder that may import, of ours, only itself and the folders named.
 * @param {string} folder
 * @param {string[]} allowed paths as regular expressions
 */
const onlyImports = (folder, allowed) => ({
  name: `${folder.replace(/^(libs|apps)\//, '')}-imports`,
  comment: `${folder} may import of ours only: ${[folder, ...allowed].join(', ')}`,
  severity: 'error',
  from: { path: `^${folder}/`, pathNot: SPEC },
  to: { path: '^(libs|apps)/', pathNot: [`^${folder}/`, ...allowed.map((path) => `^${path}`)] },
});

/**
 * Packages that only some folders may import.
 * @param {string} name
 * @param {string[]} packages
 * @param {string[]} places paths as regular expressions
 */
const onlyIn = (name, packages, places) => ({
  name: `${name}-only-in-its-place`,
  comment: `${packages.join(', ')}: only in ${places.join(', ')}`,
  severity: 'error',
  from: { path: '^(libs|apps|scripts)/', pathNot: [SPEC, ...places.map((path) => `^${path}`)] },
  to: { path: packages.map((package_) => `(^|node_modules/)${package_}(/|$)`) },
});

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    onlyImports('libs/domain', []),
    onlyImports('libs/platform', []),
    onlyImports('libs/contract', ['libs/domain/']),
    onlyImports('libs/templating', ['libs/domain/']),
    onlyImports('libs/persistence', ['libs/domain/', 'libs/platform/']),
    onlyImports('libs/queue', ['libs/domain/', 'libs/platform/']),
    onlyImports('libs/providers', ['libs/domain/', 'libs/platform/']),
    onlyImports('apps/api', ['libs/(?!providers/)', 'libs/providers/src/checks\\.ts$']),
    onlyImports('apps/worker', ['libs/']),
    // It must not share a belief with libs/providers.
    onlyImports('apps/simulator', ['libs/platform/']),
    onlyIn(
      'vendors',
      ['firebase-admin', 'google-auth-library', '@parse/node-apn'],
      ['libs/providers/'],
    ),
    onlyIn(
      'prisma',
      ['@prisma', 'prisma', '\\.prisma'],
      ['libs/persistence/', 'scripts/migrate\\.js$'],
    ),
    onlyIn(
      'queue-packages',
      ['bullmq', 'ioredis'],
      ['libs/queue/', 'apps/worker/', 'scripts/migrate\\.js$'],
    ),
    onlyIn('liquid', ['liquidjs'], ['libs/templating/']),
    {
      name: 'scripts-stand-alone',
      comment:
        'scripts/ runs before anything is built: it starts the processes, it imports nothing of theirs',
      severity: 'error',
      from: { path: '^scripts/' },
      to: { path: '^(libs|apps|test)/' },
    },
    {
      name: 'clients-stand-alone',
      comment: 'a client is a package of its own: it imports nothing but its own files',
      severity: 'error',
      from: { path: '^(clients/[^/]+)/' },
      to: { pathNot: '^$1/' },
    },
    {
      name: 'product-without-clients',
      comment: 'a client is for callers; the product has the contract itself',
      severity: 'error',
      from: { path: '^(libs|apps|scripts)/' },
      to: { path: '^clients/' },
    },
    {
      name: 'product-without-tests',
      comment:
        'the product imports neither specs nor their support, nor a package that is not installed in production',
      severity: 'error',
      from: { path: '^(libs|apps)/', pathNot: SPEC },
      to: { path: ['^test/', '^scripts/', '^bench/', SPEC] },
    },
    {
      name: 'no-development-package',
      comment: 'what only a developer has installed is missing in production',
      severity: 'error',
      from: { path: '^(libs|apps)/', pathNot: [SPEC, TESTS_OWN] },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-circular',
      comment: 'files that need each other are one file, or miss a third',
      severity: 'error',
      from: { pathNot: 'libs/persistence/src/generated/' },
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'what cannot be found cannot be judged',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['^dist/', '^clients/[^/]+/dist/', '^coverage/', '^\\.data/'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.d.ts', '.json'],
    },
  },
};
