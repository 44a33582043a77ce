/** The peers have a package.json and lockfile of their own and are installed on first use: nobody else needs their 200 MB. */
import { join } from 'node:path';
import { runChild } from '../../scripts/child.js';
import { isInstalled } from '../../scripts/installed.js';
import { Sentence } from '../../scripts/sentence.js';
import { installSentence, ROOT } from '../../scripts/setup.js';

/** @param {(line: string) => void} log @throws {Sentence} */
export async function installPeers(log) {
  const root = join(ROOT, 'bench/peers');
  if (isInstalled(root)) return;
  log('installing the peers of bench/peers/package.json …');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--prefer-offline', '--no-progress', '--loglevel=error'];
  const { code, output } = await (npm !== undefined && /\.c?js$/.test(npm)
    ? runChild(process.execPath, [npm, ...args], { cwd: root })
    : runChild('npm', args, { cwd: root }));
  if (code !== 0) throw new Sentence(installSentence(code, output));
}
