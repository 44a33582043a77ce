/** What each part should reach, beside what it did: ratios within one run, and the few absolute bounds. */
import { rounded } from '../statistics.js';
import { table } from './table.js';

/** @import { AcceptFigures, EngineFigures, FairnessFigures, GatewayFigures, GrowthFigures, Pages } from '../types.js' */

/** @typedef {{ what: string, wanted: number, found: number | undefined, atMost?: boolean }} Goal */

/** @param {readonly Goal[]} goals @returns {string} */
export const reach = (goals) =>
  `What is wanted, and what this run shows:\n\n${table(
    ['what', 'wanted', 'measured', 'reached'],
    goals.flatMap(({ what, wanted, found, atMost = false }) =>
      found === undefined
        ? []
        : [
            [
              what,
              `${atMost ? '≤' : '≥'} ${wanted}`,
              Math.round(found * 1000) / 1000,
              (atMost ? found <= wanted : found >= wanted) ? 'yes' : 'no',
            ],
          ],
    ),
  )}`;

/** Undefined where one of them was not measured. @param {number | undefined} found @param {number | undefined} other */
const of = (found, other) =>
  found === undefined || other === undefined ? undefined : found / other;

/** @param {EngineFigures} figures @returns {Goal[]} */
export function engineGoals({ ratios }) {
  const beside = (/** @type {string} */ provider, /** @type {string} */ than) =>
    ratios.find((each) => each.provider === provider && each.than === than && each.latencyMs === 0);
  const [fcm, apn] = [beside('FCM', 'bare'), beside('APN', 'bare')];
  const [sendEach, provider] = [beside('FCM', 'sendEach'), beside('APN', 'provider')];
  return [
    { what: 'FCM, messages/s of the bare loop’s', wanted: 0.9, found: fcm?.messagesPerSecond },
    { what: 'APNs, messages/s of the bare loop’s', wanted: 0.9, found: apn?.messagesPerSecond },
    { what: 'messages/s of `sendEach`’s', wanted: 1.5, found: sendEach?.messagesPerSecond },
    { what: 'CPU a message of `sendEach`’s', wanted: 1, found: sendEach?.cpuUs, atMost: true },
    { what: 'messages/s of `Provider`’s', wanted: 1.1, found: provider?.messagesPerSecond },
    { what: 'CPU a message of `Provider`’s', wanted: 1, found: provider?.cpuUs, atMost: true },
  ];
}

/** @param {GatewayFigures} figures @param {number | undefined} limit messages/s of the bare loop @returns {Goal[]} */
export function gatewayGoals({ runs, parseServer }, limit) {
  const bulk = runs.filter(({ backend, shape }) => backend === 'redis' && shape === 'bulk');
  const best = (/** @type {(jobSize: number) => boolean} */ wanted) => {
    const some = bulk.filter(({ jobSize, workers }) => wanted(jobSize) && workers <= 2);
    return some.length === 0
      ? undefined
      : Math.max(...some.map(({ pushesPerSecond }) => pushesPerSecond));
  };
  const one = best((jobSize) => jobSize === 1);
  const hundred = best((jobSize) => jobSize > 1);
  const peer = parseServer?.pushesPerSecond;
  const most = (/** @type {'api' | 'worker'} */ name) =>
    Math.max(...runs.map(({ peakMb }) => peakMb[name]));
  return [
    { what: 'one id a job, of the bare loop', wanted: 0.15, found: of(one, limit) },
    { what: '100 ids a job, of the bare loop', wanted: 0.28, found: of(hundred, limit) },
    { what: 'one id a job, of parse-server', wanted: 0.7, found: of(one, peer) },
    { what: '100 ids a job, of parse-server', wanted: 1.3, found: of(hundred, peer) },
    { what: 'peak of an api, MB', wanted: 300, found: most('api'), atMost: true },
    { what: 'peak of a worker, MB', wanted: 300, found: most('worker'), atMost: true },
  ];
}

/** @param {AcceptFigures} figures @returns {Goal[]} */
export function acceptGoals({ idle, peakMb }) {
  const p50 = (/** @type {number} */ wanted) =>
    idle.find(({ recipients }) => recipients === wanted)?.ms.p50;
  const [thousand, tenThousand] = [p50(1_000), p50(10_000)];
  return [
    { what: '10,000 recipients, p50 idle, ms', wanted: 600, found: tenThousand, atMost: true },
    {
      what: 'p50 idle of 10,000 recipients, of 1,000’s (10 is linear)',
      wanted: 12,
      found: of(tenThousand, thousand),
      atMost: true,
    },
    { what: 'one recipient, p50 idle, ms', wanted: 10, found: p50(1), atMost: true },
    { what: 'peak of the api, MB', wanted: 300, found: peakMb, atMost: true },
  ];
}

/** So many pages more are a level more of a few indexes, however few the statement touches at all. */
const MORE_PAGES = 6;

/** @param {GrowthFigures} figures @returns {Goal[]} of the largest database */
export function growthGoals({ sizes }) {
  const [first, last] = [sizes[0], sizes.at(-1)];
  if (first === undefined || last === undefined) return [];
  const names = /** @type {(keyof Pages)[]} */ (Object.keys(last.pages));
  return [
    ...Object.entries(last.calls).map(([name, { p50Ratio }]) => ({
      what: `${name}, median of the smallest database’s`,
      wanted: 1.5,
      found: p50Ratio,
      atMost: true,
    })),
    ...names.map((name) => ({
      what: `${name}, pages of the smallest database’s`,
      wanted: Math.max(1.5, rounded(1 + MORE_PAGES / first.pages[name])),
      found: last.pages[name] / first.pages[name],
      atMost: true,
    })),
  ];
}

/** @param {FairnessFigures['runs'][number]} run */
export const backlogOf = ({ backlog, size }) =>
  `${backlog.toLocaleString('en-US')} in operations of ${size.toLocaleString('en-US')}`;

/** @param {FairnessFigures} figures @returns {Goal[]} */
export function fairnessGoals({ runs, paused }) {
  const behind = paused.backlog.toLocaleString('en-US');
  const goals = [
    {
      what: `beside ${behind} behind a pause, median of that without them`,
      wanted: 1.1,
      found: paused.ratio,
      atMost: true,
    },
    {
      what: 'claims, jobs and attempts of those',
      wanted: 0,
      found: paused.claims + paused.jobs + paused.attempts + paused.handedOver,
      atMost: true,
    },
    ...runs.flatMap((run) => {
      const beside = `beside ${backlogOf(run)}`;
      return [
        { what: `${beside}, median of the idle one’s`, wanted: 3, found: run.ratio, atMost: true },
        {
          what: `${beside}, peak of the api, MB`,
          wanted: 300,
          found: run.peakMb.api,
          atMost: true,
        },
        {
          what: `${beside}, peak of a worker, MB`,
          wanted: 300,
          found: run.peakMb.worker,
          atMost: true,
        },
      ];
    }),
  ];
  // A queue that holds a window and not the backlog is as large beside five times as many.
  const largest = runs.reduce((most, run) => (run.backlog > most.backlog ? run : most));
  const smaller = runs.find(
    ({ size, backlog }) => size === largest.size && backlog < largest.backlog,
  );
  if (smaller !== undefined)
    goals.push({
      what: `peak of Redis beside ${largest.backlog.toLocaleString('en-US')}, of that beside ${smaller.backlog.toLocaleString('en-US')}`,
      wanted: 1.2,
      found: largest.peakMb.redis / smaller.peakMb.redis,
      atMost: true,
    });
  return goals;
}
