/** `npm run bench`: what Fanfare does in a second, what it costs, and beside what. docs/performance.md explains it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { exitCodeOf } from '../scripts/child.js';
import { stopEverything, stopOnInterrupt } from '../scripts/running.js';
import { messageOf, print, Sentence } from '../scripts/sentence.js';
import { accept } from './accept.js';
import { engine } from './engine.js';
import { fairness } from './fairness.js';
import { gateway } from './gateway.js';
import { growth } from './growth.js';
import { machine } from './machine.js';
import { PERFORMANCE_FILE, writeReport } from './report/page.js';
import { sectionsOf } from './report/sections.js';

/** @import { BenchContext, BenchFigures } from './types.js' */

/** @type {Record<'engine' | 'gateway' | 'accept' | 'growth' | 'fairness', (context: BenchContext) => Promise<unknown>>} */
const PARTS = { engine, gateway, accept, growth, fairness };

/** What only some parts heed. @type {Record<string, readonly string[]>} */
const HEEDED_BY = {
  cases: ['gateway'],
  large: ['growth', 'fairness'],
  'cpu-prof': ['gateway', 'accept', 'fairness'],
};

const HELP = `npm run bench -- [options]

  --only PARTS    some of ${Object.keys(PARTS).join(', ')}; separated by commas
  --rounds N      interleaved rounds of which the median counts (default 3)
  --cases TEXT    with --only gateway: the cases whose name has this text, without the peer
  --large         10 million stored pushes in growth, 1 million queued in fairness (20 GB of disk, half an hour)
  --quick         small numbers, one round: shows that it works, measures nothing
  --json          one object on stdout, progress on stderr
  --markdown      writes the tables of the measured parts into docs/performance.md
  --cpu-prof DIR  gateway, accept, fairness: api and workers leave their CPU profiles there
  --help          this`;

/** @param {string[]} args @returns {Promise<number>} exit code */
export async function main(args) {
  const options = read(args);
  if (options.help) {
    print(HELP);
    return 0;
  }
  if (process.platform !== 'linux')
    throw new Sentence('npm run bench reads what processes cost from /proc: it needs Linux.');
  const interrupt = stopOnInterrupt({
    exitCode: exitCodeOf('SIGINT'),
    sentence: 'Interrupted: stopping everything that was started.',
  });
  const dir = mkdtempSync(join(tmpdir(), 'fanfare-bench-'));
  const log = (/** @type {string} */ line) => void process.stderr.write(`  ${line}\n`);
  try {
    const begun = performance.now();
    /** @type {BenchFigures} */
    let figures = {
      machine: machine(),
      measuredAt: new Date().toISOString().slice(0, 10),
      quick: options.quick,
      rounds: options.rounds,
      seconds: 0,
    };
    for (const part of options.parts) {
      const measured = await PARTS[part]({ ...options, dir, log });
      const seconds = Math.round((performance.now() - begun) / 1000);
      figures = { ...figures, seconds, [part]: measured };
      // After each part: all of them take an hour, and may be interrupted.
      if (options.markdown) writeReport(PERFORMANCE_FILE, figures);
      log(
        `${part}: done after ${seconds} s${options.markdown ? ', written to docs/performance.md' : ''}`,
      );
    }
    if (options.json) print(JSON.stringify(figures));
    else for (const text of Object.values(sectionsOf(figures))) print(`\n${text}`);
    rmSync(dir, { recursive: true, force: true });
    return 0;
  } catch (error) {
    if (interrupt.isInterrupted()) {
      rmSync(dir, { recursive: true, force: true });
      return await new Promise(() => {}); // the interrupt ends the process
    }
    await stopEverything();
    log(`Logs are in ${dir}.`);
    throw error;
  }
}

/** @param {string[]} args */
function read(args) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        only: { type: 'string', multiple: true },
        rounds: { type: 'string' },
        cases: { type: 'string' },
        'cpu-prof': { type: 'string' },
        large: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        markdown: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const { only = Object.keys(PARTS), rounds: given, 'cpu-prof': cpuProf, ...flags } = values;
    const parts = only.flatMap((text) => text.split(','));
    const unknown = parts.find((part) => !(part in PARTS));
    if (unknown !== undefined)
      throw new Sentence(`--only takes ${Object.keys(PARTS).join(', ')}, not ${unknown}.`);
    for (const [name, heeding] of Object.entries(HEEDED_BY))
      if (
        values[/** @type {keyof typeof values} */ (name)] &&
        !heeding.some((part) => parts.includes(part))
      )
        throw new Sentence(`--${name} is for ${heeding.join(', ')}, and --only leaves that out.`);
    // Whoever names some cases does not want to wait for everything else.
    if (values.cases !== undefined && parts.some((part) => part !== 'gateway'))
      throw new Sentence('--cases chooses among those of gateway: say --only gateway with it.');
    const rounds = Number(given ?? (flags.quick ? 1 : 3));
    if (!Number.isInteger(rounds) || rounds < 1 || rounds > 20)
      throw new Sentence('--rounds takes a whole number from 1 to 20.');
    if (flags.quick && flags.markdown)
      throw new Sentence('--quick measures nothing that belongs into docs/performance.md.');
    return {
      ...flags,
      rounds,
      cpuProf: cpuProf && resolve(cpuProf),
      parts: /** @type {(keyof typeof PARTS)[]} */ (parts),
    };
  } catch (error) {
    throw error instanceof Sentence ? error : new Sentence(`${messageOf(error)}\n\n${HELP}`);
  }
}
