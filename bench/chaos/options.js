/** What `npm run chaos` takes, and what it says about it. */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { messageOf, Sentence } from '../../scripts/sentence.js';
import { FAULTS, kindsOn } from './faults.js';

/** @import { Backend, ChaosOptions } from './types.js' */

const KNOWN = 'Known: --seconds --rate --seed --only --backend --job-size --json --keep --help';
const MAX_SEED = 2 ** 32 - 1;

export const HELP = `npm run chaos -- [options]

Starts api, two workers, the simulated providers, PostgreSQL and Redis, sends a steady stream of operations, breaks
everything by a schedule, waits until all is settled, and compares what was accepted, what PostgreSQL says and what
arrived. Exit code 1 when a push is lost, unaccounted, or doubled outside the window of promise 3
(docs/reliability.md), or when a process crashed or did not stop cleanly.

  --seconds N      length of load and faults, 5 to 86400 (default 120); settling comes on top
  --rate N         pushes a second on average, 1 to 5000 (default 200)
  --seed N         replays load and faults of the run that printed it, with the same --seconds, --rate, --only and
                   --backend (default: a random one)
  --only a,b       these faults only; "none" for none
  --backend NAME   redis or postgres, which queues in PostgreSQL (default: redis where redis-server is installed)
  --job-size N     pushes a job carries at most, 1 to 100 (default 1): DELIVERY_JOB_SIZE of the workers
  --json           one object on stdout: cases, accepted, sent, failed, canceled, lost, unaccounted, duplicates,
                   duplicatesOutsideWindow, seed and more; everything else goes to stderr
  --keep           keep the folder of logs and ledger; it is kept anyway when something was found

Faults:
${Object.entries(FAULTS)
  .map(([kind, { what }]) => `  ${kind.padEnd(17)}${what}`)
  .join('\n')}`;

/**
 * @param {string[]} args
 * @returns {(ChaosOptions & { json: boolean, keep: boolean, noRedis: boolean }) | 'help'}
 * @throws {Sentence}
 */
export function readOptions(args, hasRedis = isRedisInstalled) {
  const values = parse(args);
  if (values.help) return 'help';
  const asked = values.backend;
  if (asked !== undefined && asked !== 'redis' && asked !== 'postgres')
    throw new Sentence('--backend takes redis or postgres.');
  /** @type {Backend} */
  const backend = asked ?? (hasRedis() ? 'redis' : 'postgres');
  return {
    seconds: whole('--seconds', values.seconds ?? '120', 5, 86_400),
    rate: whole('--rate', values.rate ?? '200', 1, 5_000),
    seed: whole('--seed', values.seed ?? String(randomInt(MAX_SEED)), 0, MAX_SEED),
    backend,
    jobSize: whole('--job-size', values['job-size'] ?? '1', 1, 100),
    kinds: kindsOf(values.only, backend),
    json: values.json ?? false,
    keep: values.keep ?? false,
    noRedis: asked === undefined && backend === 'postgres',
  };
}

/** @param {ChaosOptions} options @returns {string} what plans the same load and the same faults */
export function commandOf({ seconds, rate, seed, backend, jobSize, kinds }) {
  const isAll = kinds.join() === kindsOn(backend).join();
  const options = {
    seconds,
    rate,
    seed,
    backend,
    'job-size': jobSize,
    ...(isAll ? {} : { only: kinds.join() || 'none' }),
  };
  return `npm run chaos -- ${Object.entries(options)
    .map(([name, value]) => `--${name} ${value}`)
    .join(' ')}`;
}

/** @param {string[]} args */
function parse(args) {
  try {
    return parseArgs({
      args,
      options: {
        seconds: { type: 'string' },
        rate: { type: 'string' },
        seed: { type: 'string' },
        only: { type: 'string' },
        backend: { type: 'string' },
        'job-size': { type: 'string' },
        json: { type: 'boolean' },
        keep: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new Sentence(`${messageOf(error)}. ${KNOWN}`);
  }
}

/** @param {string} name @param {string} value @param {number} from @param {number} to */
function whole(name, value, from, to) {
  const number = /^\d{1,10}$/.test(value) ? Number(value) : -1;
  if (number < from || number > to)
    throw new Sentence(`${name} takes a whole number from ${from} to ${to}.`);
  return number;
}

/** @param {string | undefined} only @param {Backend} backend */
function kindsOf(only, backend) {
  const known = kindsOn(backend);
  if (only === undefined) return known;
  if (only === 'none') return [];
  const kinds = only.split(',');
  const wrong = kinds.find((kind) => !known.includes(kind));
  if (wrong !== undefined)
    throw new Sentence(
      wrong in FAULTS
        ? `"${wrong}" needs the other backend.`
        : `There is no fault "${wrong}": npm run chaos -- --help lists them.`,
    );
  return kinds;
}

const isRedisInstalled = () => spawnSync('redis-server', ['--version']).status === 0;
