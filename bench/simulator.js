/** The simulator as the rig needs it: alone on free ports, its control port, what it costs. */
import { join } from 'node:path';
import { startProcess } from '../scripts/processes.js';
import { bareEnvironment } from '../scripts/gateway.js';

/** @import { Json, ReadyInfo, RunningProcess } from '../scripts/types.js' */

/**
 * @param {string} dir for its files and log
 * @returns {Promise<RunningProcess<ReadyInfo['simulator']>>}
 */
export const startSimulator = (dir) =>
  startProcess('simulator', {
    env: { ...bareEnvironment(), SIMULATOR_DIR: join(dir, 'simulator'), LOG_LEVEL: 'warn' },
    logFile: join(dir, 'simulator.log'),
  });

/**
 * @param {string} origin
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<Json>}
 */
export async function control(origin, method, path, body) {
  const answer = await fetch(origin + path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}
