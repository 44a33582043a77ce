/** A process of its own for one contender: sends, measures itself, answers, ends. */

/** @import { Assignment, Contender, ContenderOptions, Measured } from './types.js' */

/** @type {Record<Assignment['contender'], (options: ContenderOptions) => Promise<Contender>>} */
const CONTENDERS = {
  bare: async (options) => (await import('./bare.js')).bare(options),
  ours: async (options) => (await import('./ours.js')).ours(options),
  sendEach: async (options) => (await import('./firebase.js')).sendEach(options),
  send: async (options) => (await import('./firebase.js')).sendOne(options),
  provider: async (options) => (await import('./node-apn.js')).provider(options),
};

/** @param {Assignment} assignment @returns {Promise<Measured>} */
async function measure(assignment) {
  const contender = await CONTENDERS[assignment.contender](assignment);
  // Connections, tokens and the JIT are there before the clock runs.
  await sendAll(contender, assignment.warmUp, assignment.inFlight, 'warm');
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const accepted = await sendAll(contender, assignment.count, assignment.inFlight, 'run');
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await contender.close();
  return {
    seconds,
    cpuMs: (user + system) / 1000,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    accepted,
  };
}

/**
 * @param {Contender} contender @param {number} count @param {number} inFlight @param {string} name
 * @returns {Promise<number>} how many were accepted
 */
async function sendAll(contender, count, inFlight, name) {
  let next = 0;
  let accepted = 0;
  const tokenAt = (/** @type {number} */ at) => `sim.ok.${name}-${at}`;
  const work = async () => {
    while (next < count) {
      if ('batch' in contender) {
        const from = next;
        next = Math.min(count, next + contender.batch);
        const tokens = Array.from({ length: next - from }, (_, at) => tokenAt(from + at));
        // In two steps: the other lanes count meanwhile.
        const taken = await contender.sendBatch(tokens);
        accepted += taken;
      } else if (await contender.send(tokenAt(next++))) accepted++;
    }
  };
  const lanes = 'batch' in contender ? Math.max(1, Math.floor(inFlight / 100)) : inFlight;
  await Promise.all(Array.from({ length: lanes }, work));
  return accepted;
}

process.once('message', (assignment) => {
  measure(/** @type {Assignment} */ (assignment)).then(
    (measured) => process.send?.(measured, () => process.exit(0)),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
