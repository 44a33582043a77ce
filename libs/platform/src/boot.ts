import { ConfigError, loadConfig } from './config.js';
import type { Config } from './config.js';
import { createLogger } from './logger.js';
import type { Logger } from './logger.js';
import { announceReady } from './ready.js';
import { onShutdown } from './shutdown.js';

/** A process that runs: what it tells whoever started it, and how it ends. */
export interface Started {
  /** Ports and the like. */
  ready: Record<string, string | number>;
  /** Takes no more work, finishes what is in hand, closes everything. */
  stop: () => Promise<void>;
}

/**
 * The life of api and worker: configuration with every fault listed, warnings, start, ready, and a
 * graceful stop on SIGTERM. Exits with 1 when it cannot start.
 */
export async function boot(
  name: string,
  start: (config: Config, logger: Logger) => Promise<Started>,
): Promise<void> {
  const config = readConfig();
  const logger = createLogger({ level: config.logLevel, name });
  for (const warning of config.warnings) logger.warn(warning);
  const starting = start(config, logger);
  // A signal that comes while it starts waits for the start: half a process has no good order to stop.
  const { shutdownGraceMs: graceMs, exitWithParent } = config;
  onShutdown(async () => (await starting).stop(), { graceMs, logger, exitWithParent });
  try {
    const { ready } = await starting;
    logger.info(ready, 'Ready');
    announceReady(ready);
  } catch (err) {
    logger.fatal({ err }, `The ${name} cannot start`);
    process.exit(1);
  }
}

function readConfig(): Config {
  try {
    return loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Before there is a log level there is no logger.
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
