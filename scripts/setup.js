/**
 * What every command needs before it can begin: Node, room on the disk, the dependencies, Prisma's client and
 * the build. Each is done only when something changed; with nothing to do it takes a blink. Only Node's own
 * modules: this runs on Node 20 before anything is installed.
 */
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild } from './child.js';
import { isInstalled } from './installed.js';
import { lock } from './lock.js';
import { codeOf, print, Sentence, step } from './sentence.js';

export const ROOT = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

/** Room for the dependencies, the build and a database that grows a little, in bytes. */
const ROOM = 2e9;

/** @import { SetUpOptions } from './types.js' */

/**
 * Sets up what is missing or stale; two at once in one checkout wait for each other.
 * @param {SetUpOptions} [options]
 * @returns {Promise<string>} the Node to run everything else with
 * @throws {Sentence}
 */
export async function setUp({
  root = ROOT,
  log = print,
  freeBytes = bytesLeft,
  withoutBuild = false,
} = {}) {
  checkRoom([root, tmpdir()], freeBytes);
  const stages = withoutBuild ? [install, generate] : [install, generate, build];
  if (stages.some((stage) => !stage.isDone(root))) {
    const release = await lock(lockFile(root), (pid) =>
      log(`  Waiting for the set-up of process ${pid} …`),
    );
    try {
      for (const stage of stages) {
        if (stage.isDone(root)) continue;
        log(`  ${stage.title} …`);
        await step(stage.title, () => stage.run(root), log);
      }
    } finally {
      release();
    }
  }
  return nodeOf(root);
}

/** @param {string[]} places @param {(path: string) => number} freeBytes */
function checkRoom(places, freeBytes) {
  for (const place of places) {
    const left = freeBytes(place);
    if (left < ROOM)
      throw new Sentence(
        `Only ${(left / 1e9).toFixed(1)} GB of disk are left at ${place}: Fanfare needs 2 GB.`,
      );
  }
}

/** @param {string} path */
function bytesLeft(path) {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

/** @param {string} root */
function lockFile(root) {
  const folder = join(root, '.data');
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error))) throw error;
    throw new Sentence(
      `${folder} cannot be written by this user: it belongs to another one, or its disk is read-only.`,
    );
  }
  return join(folder, 'setup.lock');
}

/** For systems that npm has no pinned Node for. From 22.17 on `node:http2` takes headers as a list. */
const MINIMUM = { major: 22, minor: 17 };

/**
 * The pinned Node where npm has one for this system, else the machine's own when it is new enough.
 * @param {string} root
 * @param {string} [own] version of the Node that runs this
 * @returns {string}
 */
export function nodeOf(root, own = process.versions.node) {
  const pinned = join(
    root,
    'node_modules',
    `node-${process.platform}-${process.arch}`,
    'bin',
    'node',
  );
  if (existsSync(pinned)) return pinned;
  const [major = 0, minor = 0] = own.split('.').map(Number);
  if (major > MINIMUM.major || (major === MINIMUM.major && minor >= MINIMUM.minor))
    return process.execPath;
  throw new Sentence(
    `Fanfare needs Node ${MINIMUM.major}.${MINIMUM.minor} or newer on ${process.platform}-${process.arch}, and this is Node ${own}: ` +
      `there is no pinned Node from npm for this system.`,
  );
}

/**
 * @typedef {object} Stage
 * @property {string} title
 * @property {(root: string) => boolean} isDone
 * @property {(root: string) => Promise<void>} run
 */

/** @type {Stage} */
const install = {
  title: 'Install the dependencies',
  isDone: (root) => isInstalled(root),
  async run(root) {
    const npm = process.env.npm_execpath;
    const args = ['ci', '--prefer-offline', '--no-progress', '--loglevel=error'];
    const { code, output } = await (npm !== undefined && /\.c?js$/.test(npm)
      ? runChild(process.execPath, [npm, ...args], { cwd: root })
      : runChild('npm', args, { cwd: root }));
    if (code !== 0) throw new Sentence(installSentence(code, output));
    if (!isInstalled(root))
      throw new Sentence(
        'A package for this very system could not be downloaded: check the network and npm’s registry, then run the command again.',
      );
  },
};

/** @param {number} exitCode @param {string} output of npm @returns {string} */
export function installSentence(exitCode, output) {
  if (exitCode === 127)
    return 'There is no npm on this machine: install Node 20 or newer with npm.';
  const code = /npm (?:error|ERR!) code (\w+)/.exec(output)?.[1] ?? '';
  if (
    /^(ENOTFOUND|EAI_AGAIN|ECONN\w+|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET\w*|E[45]\d\d|EPROTO|CERT\w*|FETCH\w*)$/.test(
      code,
    )
  )
    return `The dependencies could not be downloaded (${code}): check the network and npm's registry, then run the command again.`;
  if (code === 'ENOSPC')
    return 'The disk filled up while the dependencies were installed: Fanfare needs 2 GB.';
  if (code === 'EINTEGRITY')
    return 'A downloaded package is not the one that package-lock.json names (EINTEGRITY): check npm’s registry and cache.';
  const said = output
    .split('\n')
    .find((line) => /npm (error|ERR!) (?!code|errno|syscall|A complete log)/.test(line));
  return `The dependencies could not be installed (${code || `exit code ${exitCode}`}): ${said?.replace(/^npm \S+ /, '') ?? 'npm said nothing'}`;
}

/** @type {Stage} */
const generate = {
  title: 'Generate the database client',
  isDone: (root) =>
    existsSync(join(root, GENERATED)) && isStamped(root, 'client', clientHash(root)),
  async run(root) {
    const { code, output } = await runChild(
      nodeOf(root),
      [join(root, 'node_modules/prisma/build/index.js'), 'generate'],
      {
        cwd: root,
        // The engine is not needed to generate, and the CLI would go and download it.
        env: {
          ...process.env,
          PRISMA_SCHEMA_ENGINE_BINARY: '/bin/true',
          PRISMA_HIDE_UPDATE_MESSAGE: '1',
          CHECKPOINT_DISABLE: '1',
        },
      },
    );
    if (code !== 0) throw new Sentence(`Prisma's client could not be generated:\n${output.trim()}`);
    stamp(root, 'client', clientHash(root));
  },
};

const GENERATED = 'libs/persistence/src/generated';

/** @param {string} root */
const clientHash = (root) =>
  hashOf(root, ['prisma/schema.prisma', 'prisma.config.ts', 'node_modules/prisma/package.json']);

/** @type {Stage} */
const build = {
  title: 'Build',
  isDone: (root) =>
    existsSync(join(root, 'dist/apps/api/src/main.js')) &&
    isStamped(root, 'build', buildHash(root)),
  async run(root) {
    const hash = buildHash(root);
    const begun = Date.now();
    const { code, output } = await runChild(
      nodeOf(root),
      [join(root, 'node_modules/@nestjs/cli/bin/nest.js'), 'build', 'api'],
      { cwd: root },
    );
    if (code !== 0) throw new Sentence(`The build failed:\n${output.trim()}`);
    removeOlder(join(root, 'dist'), begun);
    stamp(root, 'build', hash);
  },
};

/** @param {string} root */
const buildHash = (root) =>
  hashOf(
    root,
    ['apps', 'libs', 'tsconfig.json', 'tsconfig.build.json', 'nest-cli.json', 'package-lock.json'],
    (path) => /(?<!spec)\.(ts|json)$/.test(path),
  );

/**
 * Removes what the build did not write: the output of sources that are gone.
 * @param {string} folder @param {number} begun ms
 */
function removeOlder(folder, begun) {
  for (const path of filesOf(folder)) {
    // Some file systems keep whole seconds.
    if (statSync(path).mtimeMs < begun - 1000) rmSync(path);
  }
}

/**
 * @param {string} root
 * @param {string[]} places files and folders; one that is missing counts as empty
 * @param {(path: string) => boolean} [wanted]
 * @returns {string} a hash of names and contents
 */
function hashOf(root, places, wanted = () => true) {
  const hash = createHash('sha256');
  for (const place of places) {
    for (const path of filesOf(join(root, place)).filter(wanted)) {
      hash
        .update(`${path.slice(root.length)}\0`)
        .update(readFileSync(path))
        .update('\0');
    }
  }
  return hash.digest('hex');
}

/** @param {string} path @returns {string[]} */
function filesOf(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (!stat.isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesOf(join(path, name)));
}

/** Stamps lie in node_modules, for a fresh install makes everything stale. @param {string} root @param {string} name */
const stampFile = (root, name) => join(root, 'node_modules', '.fanfare', name);

/** @param {string} root @param {string} name @param {string} hash */
function isStamped(root, name, hash) {
  const file = stampFile(root, name);
  return existsSync(file) && readFileSync(file, 'utf8') === hash;
}

/** @param {string} root @param {string} name @param {string} hash */
function stamp(root, name, hash) {
  const file = stampFile(root, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, hash);
}
