/** Where the figures were measured. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { execFileSync } from 'node:child_process';

/** @returns {Record<string, string | number>} nothing in it names the machine */
export function machine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    redis: versionOf('redis-server', ['--version'], /v=([\d.]+)/),
  };
}

/** @param {string} program @param {string[]} args @param {RegExp} pattern */
function versionOf(program, args, pattern) {
  try {
    return pattern.exec(execFileSync(program, args, { encoding: 'utf8' }))?.[1] ?? 'unknown';
  } catch {
    return 'none';
  }
}
