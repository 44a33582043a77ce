import { exitsWithParent } from './config.js';
import type { Logger } from './logger.js';

/** The part of `process` that a shutdown needs; given by tests. */
export interface ShutdownHost {
  on(event: 'SIGTERM' | 'SIGINT' | 'disconnect', listener: () => void): unknown;
  exit(code: number): void;
  /** Whether an IPC channel to a parent is open; absent when there never was one. */
  connected?: boolean | undefined;
}

/**
 * Stops the process once, on SIGTERM, on SIGINT, or when the process that started it is gone
 * (`EXIT_WITH_PARENT=true` and its IPC channel closes): calls `stop`, then exits with 0. Exits with
 * 1 when `stop` rejects, when it takes longer than `graceMs`, or at once on a repeated signal.
 *
 * Only the same signal again counts as repeated: Ctrl-C reaches a whole process group, and the
 * launcher's SIGTERM that follows it must not cut the graceful stop short.
 *
 * @returns a function that begins the same stop for another reason.
 */
export function onShutdown(
  stop: () => Promise<void>,
  options: {
    graceMs: number;
    logger: Pick<Logger, 'info' | 'error'>;
    exitWithParent?: boolean;
    host?: ShutdownHost;
  },
): (reason: string) => void {
  const { graceMs, logger, host = process } = options;
  const seen = new Set<string>();
  let stopping = false;

  const begin = (reason: string): void => {
    if (stopping) return;
    stopping = true;
    logger.info({ reason }, 'Stopping');
    const timer = setTimeout(() => {
      logger.error({ graceMs }, 'Not stopped within the grace period, exiting');
      host.exit(1);
    }, graceMs);
    (async () => stop())().then(
      () => {
        clearTimeout(timer);
        logger.info('Stopped');
        host.exit(0);
      },
      (err: unknown) => {
        clearTimeout(timer);
        logger.error({ err }, 'Stopping failed');
        host.exit(1);
      },
    );
  };

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    host.on(signal, () => {
      if (seen.has(signal)) {
        logger.error({ signal }, 'Second signal, exiting at once');
        host.exit(1);
      }
      seen.add(signal);
      begin(signal);
    });
  }
  if (options.exitWithParent ?? exitsWithParent()) {
    host.on('disconnect', () => {
      begin('parent gone');
    });
    // The parent may have died before this line.
    if (host.connected === false) begin('parent gone');
  }
  return begin;
}
