/** The table of a run. */
import { seconds } from '../../scripts/sentence.js';

import { commandOf } from './options.js';

/** @import { Outcome } from './types.js' */

const SHOWN = 20;

/** @param {Outcome} outcome @returns {string} */
export function table(outcome) {
  const { judgement, faults, options, counts } = outcome;
  const wide = (/** @type {string} */ name, /** @type {number | string} */ value) =>
    `  ${name.padEnd(52)} ${String(value).padStart(8)}`;
  const { findings } = summary(outcome);
  const more = judgement.findings.length - findings.length;
  return [
    '',
    `Chaos with seed ${options.seed}: ${options.seconds} s at ${options.rate} pushes/s, queue on ${options.backend}, ${options.jobSize} a job`,
    '',
    ...Object.entries(faults).map(([kind, times]) => wide(kind, times)),
    wide('cases', outcome.cases),
    '',
    wide('seed', options.seed),
    wide('requests', counts.requests),
    wide('  without an answer at first', counts.unanswered),
    wide('  of those accepted all the same', counts.replayed),
    wide('  never answered', outcome.unresolved),
    wide('  to users, by their registered devices', counts.users),
    wide('cancels', counts.cancels),
    wide(
      'settled after the last request',
      outcome.settledMs === null ? 'never' : seconds(outcome.settledMs),
    ),
    wide('jobs that the sweep added again', outcome.lostJobs),
    wide('processes that ended by themselves', outcome.crashes.length),
    wide('SIGTERM not answered by exit code 0', outcome.uncleanStops.length),
    '',
    wide('accepted', judgement.accepted),
    wide('sent', judgement.sent),
    wide('failed', judgement.failed),
    wide('canceled', judgement.canceled),
    wide('lost', judgement.lost),
    wide('unaccounted', judgement.unaccounted),
    wide('duplicates', judgement.duplicates),
    wide('  outside the window', judgement.duplicatesOutsideWindow),
    '',
    ...findings.map((finding) => `  ${finding}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
    ...outcome.crashes.map((what) => `  crash: ${what}`),
    ...outcome.uncleanStops.map((what) => `  stop: ${what}`),
  ].join('\n');
}

/** One object for machines. @param {Outcome} outcome */
export const summary = ({ judgement, options, ...outcome }) => ({
  cases: outcome.cases,
  accepted: judgement.accepted,
  sent: judgement.sent,
  failed: judgement.failed,
  canceled: judgement.canceled,
  lost: judgement.lost,
  unaccounted: judgement.unaccounted,
  duplicates: judgement.duplicates,
  duplicatesOutsideWindow: judgement.duplicatesOutsideWindow,
  seed: options.seed,
  backend: options.backend,
  seconds: options.seconds,
  rate: options.rate,
  jobSize: options.jobSize,
  kinds: options.kinds,
  command: commandOf(options),
  requests: outcome.counts.requests,
  unresolved: outcome.unresolved,
  lostJobs: outcome.lostJobs,
  crashes: outcome.crashes.length,
  uncleanStops: outcome.uncleanStops.length,
  settledSeconds: outcome.settledMs === null ? null : Math.round(outcome.settledMs / 100) / 10,
  faults: outcome.faults,
  findings: judgement.findings.slice(0, SHOWN).map(({ kind, what }) => `${kind}: ${what}`),
});

/**
 * Nothing was lost, contradicted or doubled, nothing ended by itself, SIGTERM was answered by exit code 0, and each request
 * was answered in the end.
 * @param {Pick<Outcome, 'judgement' | 'crashes' | 'uncleanStops' | 'unresolved'>} outcome
 */
export const isGood = ({ judgement, crashes, uncleanStops, unresolved }) =>
  judgement.lost + judgement.unaccounted + judgement.duplicatesOutsideWindow === 0 &&
  crashes.length + uncleanStops.length + unresolved === 0;
