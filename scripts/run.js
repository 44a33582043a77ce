/**
 * `node scripts/run.js <command>`: sets up, then runs the command on the pinned Node. Everything imported here
 * must run on Node 20 with nothing installed.
 */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runChild } from './child.js';
import { print, run, Sentence } from './sentence.js';
import { setUp } from './setup.js';
import { usageFor } from './usage.js';

/** @type {Record<string, () => Promise<{ main: (args: string[]) => Promise<number | void> }>>} */
const COMMANDS = {
  bench: () => import('../bench/main.js'),
  demo: () => import('./demo.js'),
  start: () => import('./start.js'),
  simulator: () => import('./simulator.js'),
  chaos: () => import('../bench/chaos/main.js'),
  test: () => import('./test.js'),
  setup: () => Promise.resolve({ main: () => Promise.resolve() }),
};

const HANDED_OVER = 'FANFARE_HANDED_OVER';

async function main() {
  const [name = '', ...args] = process.argv.slice(2);
  const load = COMMANDS[name];
  if (load === undefined)
    throw new Sentence(`Usage: node scripts/run.js ${Object.keys(COMMANDS).join('|')}`);
  const usage = usageFor(name, args);
  if (usage !== undefined) {
    print(usage);
    return 0;
  }
  checkSystem();
  // The tests report a failed build as one failed test among the others.
  const node = await setUp({ withoutBuild: name === 'test' });
  if (realpathSync(node) !== realpathSync(process.execPath) && !process.env[HANDED_OVER]) {
    const env = { ...process.env, [HANDED_OVER]: '1' };
    const { code } = await runChild(node, [fileURLToPath(import.meta.url), name, ...args], {
      env,
      show: true,
    });
    return code;
  }
  const command = await load();
  return command.main(args);
}

function checkSystem() {
  if (process.platform === 'win32')
    throw new Sentence('Fanfare runs on Linux and macOS; on Windows use WSL.');
  if (Number(process.versions.node.split('.')[0]) < 20)
    throw new Sentence(
      `Fanfare needs Node 20 or newer, and this is Node ${process.versions.node}.`,
    );
}

await run(main);
