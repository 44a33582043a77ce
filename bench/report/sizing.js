/** The sizing guide: nothing in it but arithmetic on what the gateway run printed. */
import { table } from './table.js';

/** @import { GatewayFigures, GatewayRun } from '../types.js' */

/** What a core is loaded with on purpose: queues grow without end at 1. */
const LOAD = 0.6;
/** The busiest hour of a day holds this share of it. */
const PEAK_HOUR = 0.1;
const DAILY = [1e6, 1e7, 1e8, 1e9];

/** @param {GatewayFigures} figures @returns {string} */
export function sizingOf({ runs }) {
  const bulk = runs.filter(({ backend, shape }) => backend === 'redis' && shape === 'bulk');
  const base = bulk.find(({ jobSize, workers }) => jobSize === 1 && workers === 2) ?? runs[0];
  if (base === undefined) return 'Nothing was measured.';
  const batched = bulk.find(({ jobSize }) => jobSize > 1);
  const single = runs.find(
    ({ backend, shape, jobSize }) =>
      backend === base.backend && shape === 'single' && jobSize === 1,
  );
  /** @type {[string, GatewayRun | undefined][]} */
  const all = [
    ['operations of 10,000, one id a job', base],
    ['operations of 10,000, 100 ids a job', batched],
    ['operations of one', single],
  ];
  const cases = all.flatMap(([name, run]) =>
    run === undefined ? [] : [{ name, cores: coresAThousand(run) }],
  );
  return [
    `A process of Node uses one core. A push costs a core so many microseconds (above), so 1,000 pushes/s take this many cores, at ${LOAD * 100} % load: \`1,000 × µs ÷ 1,000,000 ÷ ${LOAD}\`.`,
    table(
      ['sent as', 'api', 'worker', 'PostgreSQL', 'Redis'],
      cases.map(({ name, cores }) => [name, cores.api, cores.worker, cores.postgres, cores.redis]),
    ),
    `A day’s pushes, of which the busiest hour holds ${PEAK_HOUR * 100} % (\`a day × ${PEAK_HOUR} ÷ 3,600\` a second), need at that hour:`,
    table(
      [
        'pushes a day',
        'at the peak, a second',
        'sent as',
        'api',
        'workers',
        'PostgreSQL, cores',
        'Redis, cores',
      ],
      DAILY.flatMap((daily) => {
        const perSecond = (daily * PEAK_HOUR) / 3_600;
        return cases.map(({ name, cores }) => [
          daily,
          Math.round(perSecond),
          name,
          processes(cores.api, perSecond),
          processes(cores.worker, perSecond),
          coresAt(cores.postgres, perSecond),
          coresAt(cores.redis, perSecond),
        ]);
      }),
    ),
  ].join('\n\n');
}

/** @param {GatewayRun} run */
const coresAThousand = ({ cpuUs }) => ({
  api: share(cpuUs.api),
  worker: share(cpuUs.worker),
  postgres: share(cpuUs.postgres),
  redis: share(cpuUs.redis),
});

/** @param {number} us */
const share = (us) => Math.round((us / 1_000 / LOAD) * 1_000) / 1_000;

/** Whole processes, one at least. @param {number} cores @param {number} perSecond */
const processes = (cores, perSecond) => Math.max(1, Math.ceil((cores * perSecond) / 1_000));

/** @param {number} cores @param {number} perSecond */
const coresAt = (cores, perSecond) => Math.round((cores * perSecond) / 100) / 10;
