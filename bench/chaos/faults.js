/** Everything that is done to the house, a kind a row: what it is, what it touches, how it goes and comes back. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { codeOf, Sentence } from '../../scripts/sentence.js';
import { LEASE_MS } from './times.js';

/** @import { FaultKind, House, PlannedFault, Seat } from './types.js' */

/** Beyond the lock of a job and the lease of a claim, so that others take over what is frozen. */
const BEYOND_LEASE_MS = LEASE_MS + 500;

/** What must be undone is tried for so long. */
const UNDO_MS = 60_000;

/** Milliseconds that the fault lasts, between the two. @param {PlannedFault} fault @param {number} from @param {number} to */
const lasting = ({ length }, from, to) => Math.round(from + length * (to - from));

/** @param {House} house @param {PlannedFault} fault @returns {Seat} */
const oneWorker = ({ workers }, { choice }) => workers[choice < 0.5 ? 0 : 1];

/** @type {Record<string, FaultKind>} */
export const FAULTS = {
  'api-kill': {
    what: 'SIGKILL of the api',
    parts: ['api'],
    run: ({ api }, fault) => api.kill(lasting(fault, 0, 1_500)),
  },
  'api-freeze': {
    what: 'SIGSTOP of the api, SIGCONT later',
    parts: ['api'],
    run: ({ api }, fault) => api.freeze(lasting(fault, 500, 5_000)),
  },
  'worker-kill': {
    what: 'SIGKILL of a worker',
    parts: ['worker-1', 'worker-2'],
    run: (house, fault) => oneWorker(house, fault).kill(lasting(fault, 0, 1_500)),
  },
  'worker-freeze': {
    what: 'SIGSTOP of a worker past job lock and lease, SIGCONT then',
    parts: ['worker-1', 'worker-2'],
    run: (house, fault) =>
      oneWorker(house, fault).freeze(BEYOND_LEASE_MS + lasting(fault, 0, 2_000)),
  },
  'workers-kill': {
    what: 'SIGKILL of both workers at once',
    parts: ['worker-1', 'worker-2'],
    run: async ({ workers }, fault) => {
      await Promise.all(workers.map((worker) => worker.kill(lasting(fault, 0, 1_000))));
    },
  },
  rolling: {
    what: 'rolling restart of api and workers by SIGTERM',
    parts: ['api', 'worker-1', 'worker-2'],
    run: async ({ api, workers }) => {
      for (const each of [api, ...workers]) await each.roll();
    },
  },
  clock: {
    what: 'the clock of one worker jumps, up to 10 minutes to either side, and back',
    parts: ['worker-2'],
    run: async (house, fault) => {
      house.shiftClock(Math.round((fault.choice - 0.5) * 2 * 600_000));
      await sleep(lasting(fault, 1_000, 4_000));
      house.shiftClock(0);
    },
  },
  'simulator-kill': {
    what: 'SIGKILL of the providers: all connections and access tokens are gone',
    parts: ['simulator'],
    run: ({ simulator }, fault) => simulator.kill(lasting(fault, 0, 1_500)),
  },
  'simulator-freeze': {
    what: 'SIGSTOP of the providers beyond the deadline of a request',
    parts: ['simulator'],
    run: ({ simulator }, fault) => simulator.freeze(lasting(fault, 1_000, 3_000)),
  },
  'black-hole': {
    what: 'connections to the providers stay open and nothing gets through',
    parts: ['simulator'],
    run: (house, fault) => behaving(house, { blackHole: true }, lasting(fault, 1_000, 4_000)),
  },
  down: {
    what: 'the providers cut every connection and refuse new ones',
    parts: ['simulator'],
    run: (house, fault) => behaving(house, { down: true }, lasting(fault, 500, 2_000)),
  },
  goaway: {
    what: 'GOAWAY storm: one request in five ends its session',
    parts: ['simulator'],
    run: (house, fault) =>
      behaving(house, { faults: { goaway: 0.2 } }, lasting(fault, 1_000, 3_000)),
  },
  resets: {
    what: 'streams reset, refused and never answered',
    parts: ['simulator'],
    run: (house, fault) =>
      behaving(
        house,
        { faults: { reset: 0.05, refuse: 0.1, timeout: 0.02 } },
        lasting(fault, 1_000, 3_000),
      ),
  },
  latency: {
    what: 'answers late, some later than the deadline of a request',
    parts: ['simulator'],
    run: (house, fault) =>
      behaving(
        house,
        { latencyMs: fault.choice < 0.5 ? 400 : 1_600 },
        lasting(fault, 1_000, 3_000),
      ),
  },
  streams: {
    what: 'one stream a session',
    parts: ['simulator'],
    run: (house, fault) =>
      behaving(house, { maxConcurrentStreams: 1 }, lasting(fault, 1_000, 3_000), {
        maxConcurrentStreams: 100,
      }),
  },
  'forget-tokens': {
    what: 'every access token is refused from now on',
    parts: ['simulator'],
    run: async ({ simulator }) => {
      await fetch(`${simulator.control}/tokens/access`, { method: 'DELETE' });
    },
  },
  'queue-flush': {
    what: 'the queue forgets everything: FLUSHALL, or TRUNCATE on PostgreSQL',
    parts: ['redis', 'postgres'],
    run: (house) => flush(house),
  },
  'redis-restart': {
    what: 'Redis is killed and comes back with its append-only file',
    parts: ['redis'],
    only: 'redis',
    run: async ({ redis }, fault) => {
      await redis?.kill9();
      await sleep(lasting(fault, 0, 2_000));
      await insist(async () => redis?.restart());
    },
  },
  'redis-empty': {
    what: 'Redis is killed and comes back empty',
    parts: ['redis'],
    only: 'redis',
    run: async ({ redis }, fault) => {
      await redis?.kill9();
      await sleep(lasting(fault, 0, 2_000));
      await insist(async () => redis?.restart({ empty: true }));
    },
  },
  'redis-freeze': {
    what: 'SIGSTOP of Redis, SIGCONT later',
    parts: ['redis'],
    only: 'redis',
    run: async ({ redis }, fault) => {
      const pid = redis?.pid;
      if (pid === undefined) return;
      process.kill(pid, 'SIGSTOP');
      await sleep(lasting(fault, 500, 4_000));
      process.kill(pid, 'SIGCONT');
    },
  },
  'postgres-restart': {
    what: 'PostgreSQL is restarted in immediate mode and recovers',
    parts: ['postgres'],
    run: async ({ postgres }, fault) => {
      if (postgres.pid !== undefined) process.kill(postgres.pid, 'SIGQUIT');
      await postgres.died;
      await sleep(lasting(fault, 0, 1_500));
      await insist(() => postgres.restart());
    },
  },
  'postgres-kill': {
    what: 'kill -9 of PostgreSQL, which recovers',
    parts: ['postgres'],
    run: async ({ postgres }, fault) => {
      await postgres.kill9();
      await sleep(lasting(fault, 0, 1_500));
      await insist(() => postgres.restart());
    },
  },
  'postgres-freeze': {
    what: 'SIGSTOP of PostgreSQL and all its children, SIGCONT later',
    parts: ['postgres'],
    run: async ({ postgres }, fault) => {
      const { pid } = postgres;
      if (pid === undefined) return;
      // The postmaster first: nobody is born meanwhile.
      process.kill(pid, 'SIGSTOP');
      const family = [pid, ...childrenOf(pid)];
      for (const each of family) signal(each, 'SIGSTOP');
      await sleep(lasting(fault, 500, BEYOND_LEASE_MS));
      for (const each of family) signal(each, 'SIGCONT');
    },
  },
  'read-only': {
    what: 'PostgreSQL takes no writes, as with a full disk',
    parts: ['postgres'],
    run: async (house, fault) => {
      await readOnly(house, 'SET default_transaction_read_only = on');
      await sleep(lasting(fault, 500, 3_000));
      await readOnly(house, 'RESET default_transaction_read_only');
    },
  },
};

/** @param {number} pid @returns {number[]} */
function childrenOf(pid) {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  return stdout.split('\n').flatMap((line) => {
    const [child = NaN, parent] = line.trim().split(/\s+/).map(Number);
    return parent === pid ? [child] : [];
  });
}

/** @param {number} pid @param {NodeJS.Signals} name */
function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    // A backend that ended by itself.
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

/**
 * Lets the simulator behave so for a while.
 * @param {House} house @param {object} change @param {number} forMs @param {object} [undo]
 */
async function behaving(house, change, forMs, undo) {
  await insist(() => house.behave(change));
  await sleep(forMs);
  await insist(() =>
    house.behave(undo ?? { blackHole: false, down: false, latencyMs: 0, faults: NO_FAULTS }),
  );
}

const NO_FAULTS = { goaway: 0, reset: 0, refuse: 0, timeout: 0 };

/** @param {House} house */
async function flush({ redis, asSuperuser }) {
  if (redis === undefined) return insist(() => asSuperuser('TRUNCATE bullmq.job CASCADE'));
  const client = new Redis(redis.url, { lazyConnect: true, maxRetriesPerRequest: 1 });
  client.on('error', () => {}); // what is thrown says it too
  try {
    await client.connect();
    await client.flushall();
  } finally {
    client.disconnect();
  }
}

/** @param {House} house @param {string} change */
async function readOnly({ asSuperuser }, change) {
  // Each is a transaction of its own: ALTER SYSTEM refuses to be part of one.
  await insist(() => asSuperuser(`ALTER SYSTEM ${change}`));
  await insist(() => asSuperuser('SELECT pg_reload_conf()'));
}

/**
 * Repeats what has to succeed: a fault that stays would be another one.
 * @param {() => Promise<unknown>} work
 */
async function insist(work) {
  const end = performance.now() + UNDO_MS;
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(100);
    }
  }
}

/** @param {'redis' | 'postgres'} backend @returns {string[]} kinds that can happen there */
export const kindsOn = (backend) =>
  Object.entries(FAULTS).flatMap(([kind, { only }]) =>
    only === undefined || only === backend ? [kind] : [],
  );

/** @param {string} kind @returns {FaultKind} */
export function faultOf(kind) {
  const fault = FAULTS[kind];
  if (fault === undefined) throw new Sentence(`There is no fault "${kind}".`);
  return fault;
}
