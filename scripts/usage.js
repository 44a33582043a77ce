/** What the commands say to `--help`. Only words: they are told before anything is installed. */
import { Sentence } from './sentence.js';

/** Those that need nothing installed to say it; bench and chaos say what they take themselves. @type {Partial<Record<string, string>>} */
const USAGE = {
  start: `npm start

A gateway on this machine until Ctrl-C: PostgreSQL, simulated providers, api, worker, an account.
Its data lies in .data/ and is there again at the next start. Variables change it: these, and all of .env.example.

  PORT=8081                another port (default 8080)
  PROVIDERS=live           the real FCM and APNs; store credentials of your own
  REDIS_URL=redis://…      queues on this Redis instead of PostgreSQL
  DATABASE_URL=postgres:…  this PostgreSQL instead of its own
  FANFARE_DATA_DIR=DIR     another folder than .data/`,

  demo: `npm run demo -- [options]

The whole line on this machine, start to end: everything is started, pushes are sent to simulated providers, a table
says what became of them, everything is stopped and removed.

  --recipients N  how many, 1 to 10000 (default 1000); 10 more go by a certificate
  --redis         queue on a Redis of its own instead of PostgreSQL; needs redis-server
  --json          end with one line for machines
  --help          this`,

  simulator: `npm run simulator

FCM, Google's token endpoint and APNs on this machine, alone, until Ctrl-C. Prints where they are and credentials to
store; docs/simulator.md has its variables, and which tokens do what.`,

  test: `npm test -- [patterns]

Everything that gates a change. With patterns, only the build and the spec files whose path matches one:
npm test -- libs/domain test/e2e/the-sweep-mends`,

  setup: `npm run setup

Installs, generates and builds what is missing or stale: what every command does first.`,
};

/** They take nothing. A word after them is a mistake, not to be passed over. */
const ALONE = ['start', 'simulator', 'setup'];

/**
 * @param {string} name of the command @param {string[]} args
 * @returns {string | undefined} what to print instead of running it
 * @throws {Sentence} it takes no arguments and was given some
 */
export function usageFor(name, args) {
  const usage = USAGE[name];
  if (usage === undefined) return undefined;
  if (args.includes('--help') || args.includes('-h')) return usage;
  if (ALONE.includes(name) && args.length > 0)
    throw new Sentence(`It takes no arguments, and this is ${args.join(' ')}.\n\n${usage}`);
  return undefined;
}
