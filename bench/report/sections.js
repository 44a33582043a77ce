/** What was measured, as the tables of docs/performance.md: one section a part. */
import {
  acceptGoals,
  backlogOf,
  engineGoals,
  fairnessGoals,
  gatewayGoals,
  growthGoals,
  reach,
} from './reach.js';
import { sizingOf } from './sizing.js';
import { table } from './table.js';

/** @import { AcceptFigures, BenchFigures, EngineFigures, FairnessFigures, GatewayFigures, GrowthFigures } from '../types.js' */

/** @type {Record<string, string>} */
const NAMES = {
  bare: 'bare `node:http2` loop',
  ours: 'Fanfare',
  sendEach: '`firebase-admin` `sendEach`',
  send: '`firebase-admin` `send()`',
  provider: '`@parse/node-apn` `Provider`',
};

/**
 * @param {BenchFigures} figures
 * @returns {Record<string, string>} Markdown by section; only of the parts that were measured
 */
export function sectionsOf(figures) {
  const { engine, gateway, accept, growth, fairness } = figures;
  const limit = engine && bareLoop(engine);
  // A quick run shows nothing of what is reached.
  const judged = (/** @type {import('./reach.js').Goal[]} */ goals) =>
    figures.quick ? [] : [reach(goals)];
  const sections = {
    engine: engine && [engineSection(engine), ...judged(engineGoals(engine))],
    gateway: gateway && [gatewaySection(gateway, limit), ...judged(gatewayGoals(gateway, limit))],
    accept: accept && [acceptSection(accept), ...judged(acceptGoals(accept))],
    growth: growth && [growthSection(growth), ...judged(growthGoals(growth))],
    fairness: fairness && [fairnessSection(fairness), ...judged(fairnessGoals(fairness))],
    sizing: gateway && [sizingOf(gateway)],
  };
  return Object.fromEntries(
    Object.entries(sections).flatMap(([name, texts]) =>
      texts === undefined ? [] : [[name, [...texts, measuredOn(figures, name)].join('\n\n')]],
    ),
  );
}

/** Messages/s of a loop that sends half of them to each provider. @param {EngineFigures} figures */
function bareLoop({ runs }) {
  const bare = runs.filter(({ contender, latencyMs }) => contender === 'bare' && latencyMs === 0);
  return bare.length / bare.reduce((sum, { messagesPerSecond }) => sum + 1 / messagesPerSecond, 0);
}

/** How often each figure of a section was taken. @param {string} section @param {number} rounds */
function takenIn(section, rounds) {
  switch (section) {
    case 'accept':
      return 'one run';
    case 'fairness':
      return `one run a backlog, ${rounds} rounds in turn beside the pause`;
    case 'growth':
      return `of all calls in ${rounds} interleaved rounds`;
    default:
      return `medians of ${rounds} interleaved ${rounds === 1 ? 'round' : 'rounds'}, of memory and of what went wrong the worst round`;
  }
}

/** @param {BenchFigures} figures @param {string} section */
const measuredOn = ({ machine, measuredAt, rounds, quick }, section) =>
  `Measured ${measuredAt} on ${machine.cores} cores (${machine.cpu}), ${machine.memoryGb} GB, ${machine.system}, ` +
  `Node ${machine.node}, Redis ${machine.redis}; ${quick ? 'a quick run, which measures nothing' : takenIn(section, rounds)}.`;

/** @param {EngineFigures} figures */
const engineSection = ({ runs, ratios }) =>
  [
    table(
      [
        'provider',
        'latency, ms',
        'who',
        'messages/s',
        'CPU, µs a message',
        'peak, MB',
        'connections',
        'not accepted',
        'simulator’s CPU, µs',
      ],
      runs.map((run) => [
        run.provider,
        run.latencyMs,
        NAMES[run.contender] ?? run.contender,
        run.messagesPerSecond,
        run.cpuUs,
        run.peakMb,
        run.connections,
        run.notAccepted,
        run.simulatorCpuUs,
      ]),
    ),
    'Fanfare’s figure divided by the other’s, in the same run:',
    table(
      ['provider', 'latency, ms', 'beside', 'messages/s', 'CPU a message'],
      ratios.map((each) => [
        each.provider,
        each.latencyMs,
        NAMES[each.than] ?? each.than,
        each.messagesPerSecond,
        each.cpuUs,
      ]),
    ),
  ].join('\n\n');

/** @param {GatewayFigures} figures @param {number | undefined} limit of the bare loop */
function gatewaySection({ runs, rate, parseServer }, limit) {
  const shapes = { bulk: 'operations of 10,000', single: `single, ${rate}/s` };
  const named = runs.map((run) => [run.backend, run.workers, run.jobSize, shapes[run.shape]]);
  const key = ['queue', 'workers', 'ids a job', 'sent as'];
  const parts = [
    table(
      [
        ...key,
        'pushes/s',
        'of the bare loop',
        'accept→provider p50, ms',
        'p99, ms',
        'failed',
        'twice',
      ],
      runs.map((run, at) => [
        ...(named[at] ?? []),
        run.pushesPerSecond,
        limit === undefined || run.shape === 'single'
          ? NaN
          : Math.round((run.pushesPerSecond / limit) * 1000) / 1000,
        run.latencyMs.p50,
        run.latencyMs.p99,
        run.failed,
        run.duplicates,
      ]),
    ),
    'CPU microseconds a push by process (all workers together), and the most memory that one held:',
    table(
      [
        ...key,
        'api',
        'worker',
        'PostgreSQL',
        'Redis',
        'simulator',
        'api, MB',
        'worker, MB',
        'Redis, MB',
      ],
      runs.map(({ cpuUs, peakMb }, at) => [
        ...(named[at] ?? []),
        cpuUs.api,
        cpuUs.worker,
        cpuUs.postgres,
        cpuUs.redis,
        cpuUs.simulator,
        peakMb.api,
        peakMb.worker,
        peakMb.redis,
      ]),
    ),
  ];
  if (parseServer !== null) {
    const rows = runs
      .filter(
        ({ backend, shape, workers }) => backend === 'redis' && shape === 'bulk' && workers === 2,
      )
      .map((run) => [
        `Fanfare, 2 workers, ${run.jobSize} ids a job`,
        run.pushesPerSecond,
        Math.round((run.pushesPerSecond / parseServer.pushesPerSecond) * 100) / 100,
        run.failed,
        run.peakMb.worker,
      ]);
    parts.push(
      'Beside `parse-server` 9 with its push adapter, on the same PostgreSQL and simulator (APNs only, no record a recipient, nothing rendered):',
      table(
        ['who', 'pushes/s', 'ratio', 'reported failed', 'peak, MB'],
        [
          ['parse-server', parseServer.pushesPerSecond, 1, parseServer.failed, parseServer.peakMb],
          ...rows,
        ],
      ),
    );
  }
  return parts.join('\n\n');
}

/** @param {AcceptFigures} figures */
const acceptSection = ({ idle, loaded, peakMb }) =>
  [
    table(
      ['gateway', 'recipients', 'p50, ms', 'p95, ms', 'p99, ms'],
      Object.entries({ idle, delivering: loaded }).flatMap(([gateway, runs]) =>
        runs.map(({ recipients, ms }) => [gateway, recipients, ms.p50, ms.p95, ms.p99]),
      ),
    ),
    `The api held ${peakMb} MB at most.`,
  ].join('\n\n');

/** @param {GrowthFigures} figures */
const growthSection = ({ sizes }) =>
  [
    table(
      ['stored pushes', 'call', 'p50, ms', 'p95, ms', 'p50, ratio', 'p95, ratio'],
      sizes.flatMap(({ pushes, calls }) =>
        Object.entries(calls).map(([name, { p50, p95, p50Ratio, p95Ratio }]) => [
          pushes,
          name,
          p50,
          p95,
          p50Ratio,
          p95Ratio,
        ]),
      ),
    ),
    'Pages that each one’s statements touch, by EXPLAIN (ANALYZE, BUFFERS); send, dispatch, claim and settle of 100:',
    table(
      ['stored pushes', 'send', 'dispatch', 'claim', 'settle', 'list', 'fetch', 'operation'],
      sizes.map(({ pushes, pages }) => [
        pushes,
        pages.send,
        pages.dispatch,
        pages.claim,
        pages.settle,
        pages.list,
        pages.fetch,
        pages.operation,
      ]),
    ),
  ].join('\n\n');

/** @param {FairnessFigures} figures */
const fairnessSection = ({ rate, runs, paused }) =>
  [
    table(
      [
        'the other’s backlog',
        'idle p50, ms',
        'beside it p50, ms',
        'ratio',
        'p99, ms',
        'backlog, pushes/s',
        'api, MB',
        'worker, MB',
        'Redis, MB',
      ],
      runs.map((run) => [
        backlogOf(run),
        run.idleMs.p50,
        run.besideMs.p50,
        run.ratio,
        run.besideMs.p99,
        run.backlogPerSecond,
        run.peakMb.api,
        run.peakMb.worker,
        run.peakMb.redis,
      ]),
    ),
    `Single pushes of the second account at ${rate} a second, from accept to the provider.`,
    `Beside ${paused.backlog.toLocaleString('en-US')} pushes of the first behind a pause they took ${paused.besideMs.p50} ms (p50; p99 ` +
      `${paused.besideMs.p99} ms), without them ${paused.withoutMs.p50} ms (p99 ${paused.withoutMs.p99} ms), in turn on one gateway: ` +
      `${paused.ratio} ×. Of those behind the pause: ${paused.claims} claims, ${paused.handedOver} handed over, ${paused.attempts} ` +
      `attempts, ${paused.jobs} jobs.`,
  ].join('\n\n');
