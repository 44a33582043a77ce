import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isInstalled } from '../../scripts/installed.js';
import { ROOT } from './command.js';

export interface Instruction {
  name: string;
  /** Everything behind the name, continuation lines joined. */
  rest: string;
}

export interface Stage {
  name: string;
  instructions: Instruction[];
}

/** Splits a Dockerfile into its stages, FROM left out. */
export function parseDockerfile(text: string): Stage[] {
  const stages: Stage[] = [];
  for (const line of text.replace(/\\\n/g, ' ').split('\n')) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === '') throw new Error(`not an instruction: ${line}`);
    if (name === 'FROM') {
      stages.push({ name: /\bAS\s+(\S+)/i.exec(rest)?.[1] ?? '', instructions: [] });
    } else {
      stages.at(-1)?.instructions.push({ name, rest });
    }
  }
  return stages;
}

/** The build context: what .dockerignore lets through, in its own order of rules. */
export function copyContext(root: string, to: string): void {
  const rules = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n').filter(Boolean);
  const allowed = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1));
  const [first, ...refused] = rules.filter((rule) => !rule.startsWith('!'));
  if (first !== '*') throw new Error('.dockerignore must begin by refusing everything');
  const endings = refused.filter((rule) => rule.startsWith('**/*')).map((rule) => rule.slice(4));
  const folders = refused.filter((rule) => rule.endsWith('/'));
  mkdirSync(to, { recursive: true });
  for (const path of allowed) {
    cpSync(join(root, path), join(to, path), {
      recursive: true,
      filter: (source) =>
        !endings.some((ending) => source.endsWith(ending)) &&
        !folders.some((folder) => `${source}/`.startsWith(join(root, folder))),
    });
  }
}

/**
 * Runs COPY and RUN of a stage in a plain folder, as an image build would in its file system.
 *
 * @param context where COPY takes from, by stage name; '' is the build context
 * @returns the environment and CMD of the stage
 */
export function buildStage(
  stage: Stage,
  folder: string,
  context: Record<string, string>,
): { env: Record<string, string>; cmd: string[] } {
  const env: Record<string, string> = {};
  let workdir = '/';
  let cmd: string[] = [];
  const inFolder = (path: string) =>
    join(folder, path.startsWith('/') ? path : join(workdir, path));
  mkdirSync(folder, { recursive: true });
  for (const { name, rest } of stage.instructions) {
    switch (name) {
      case 'WORKDIR':
        workdir = rest;
        mkdirSync(inFolder('.'), { recursive: true });
        break;
      case 'ENV': {
        const [key = '', value = ''] = rest.split('=');
        env[key] = value;
        break;
      }
      case 'COPY':
        copy(rest, context, inFolder);
        break;
      case 'RUN':
        if (isInstallOfCheckout(rest, inFolder('.'))) copyInstalled(inFolder('.'));
        else runIn(inFolder('.'), rest, folder, env);
        break;
      case 'CMD':
        cmd = JSON.parse(rest) as string[];
        break;
      case 'USER':
      case 'EXPOSE':
        break;
      default:
        throw new Error(`this test does not know ${name}`);
    }
  }
  return { env, cmd };
}

function copy(
  rest: string,
  context: Record<string, string>,
  inFolder: (path: string) => string,
): void {
  const words = rest.split(/\s+/);
  const stage = words[0]?.startsWith('--from=') ? (words.shift() ?? '').slice(7) : '';
  const from = context[stage];
  const to = words.pop();
  if (from === undefined || to === undefined) throw new Error(`COPY from where? ${rest}`);
  for (const word of words) {
    const source = join(from, word);
    if (!existsSync(source)) throw new Error(`COPY finds no ${word}`);
    const isFolder = readdirSafely(source) !== undefined;
    const target =
      to.endsWith('/') && !isFolder ? join(inFolder(to), basename(word)) : inFolder(to);
    // A stage that is done needs its files no more, and there are twenty thousand of them.
    if (stage !== '' && !existsSync(target)) {
      mkdirSync(dirname(target), { recursive: true });
      renameSync(source, target);
    } else cpSync(source, target, { recursive: true, verbatimSymlinks: true });
  }
}

/**
 * Would the command do here what `npm test` began with in the checkout? The very command of scripts/setup.js, on the same
 * three files, which is all that it reads; and nothing was added there since.
 */
function isInstallOfCheckout(command: string, cwd: string): boolean {
  if (command.trim() !== 'npm ci --prefer-offline --no-progress') return false;
  const isSame = (name: string) =>
    existsSync(join(cwd, name)) &&
    readFileSync(join(cwd, name)).equals(readFileSync(join(ROOT, name)));
  if (readdirSync(cwd).some((name) => !INSTALLS_FROM.includes(name))) return false;
  if (!INSTALLS_FROM.every(isSame) || !isInstalled(ROOT)) return false;
  const packagesOf = (lock: string) =>
    Object.keys(JSON.parse(readFileSync(join(ROOT, lock), 'utf8')).packages);
  const wanted = new Set(packagesOf('package-lock.json'));
  return packagesOf('node_modules/.package-lock.json').every((path) => wanted.has(path));
}

const INSTALLS_FROM = ['package.json', 'package-lock.json', '.npmrc'];

/** What the checkout has installed, without what its commands have put beside it. */
function copyInstalled(cwd: string): void {
  const { status, stderr } = spawnSync('cp', ['-R', join(ROOT, 'node_modules'), cwd], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  for (const ours of ['.cache', '.fanfare'])
    rmSync(join(cwd, 'node_modules', ours), { recursive: true, force: true });
}

function readdirSafely(path: string): string[] | undefined {
  try {
    return readdirSync(path);
  } catch {
    return undefined;
  }
}

function runIn(cwd: string, command: string, root: string, env: Record<string, string>): void {
  // Absolute paths of the image lie under the folder; there is no user `node` to give them to.
  const here = command
    .replaceAll(' /fanfare', ` ${root}/fanfare`)
    .replace(/&& chown \S+ \S+ \S+/, '');
  const { status, stdout, stderr } = spawnSync('sh', ['-ec', here], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(`RUN ${command}\n${stdout}\n${stderr}`);
}
