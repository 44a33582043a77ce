/**
 * A shell that waits for this process to end, however it ends, and then cleans up after it: kill -9 of a
 * starter leaves no PostgreSQL and no Redis behind.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * @param {string} script POSIX shell, run when this process is gone; `$1`… are the arguments
 * @param {string[]} args
 * @returns {() => Promise<void>} dismisses the guardian, everything was stopped in good order; resolves when it is gone
 */
export function guard(script, args) {
  const shell = spawn(
    '/bin/sh',
    ['-c', `while read -r _; do :; done; ${script}`, 'fanfare-guardian', ...args],
    {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    },
  );
  shell.on('error', () => {}); // no shell, no guardian: what it does is a kindness
  shell.stdin.on('error', () => {});
  shell.unref();
  if ('unref' in shell.stdin && typeof shell.stdin.unref === 'function') shell.stdin.unref();
  return async () => {
    // Gone by itself, killed by somebody, or never there.
    if (!shell.kill('SIGKILL')) return;
    shell.ref();
    if (shell.exitCode === null && shell.signalCode === null) await once(shell, 'exit');
  };
}
