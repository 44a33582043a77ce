import {
  announceReady,
  ConfigError,
  createLogger,
  loadConfig,
  onShutdown,
  serializeError,
} from '@app/platform';
import { startWorker } from './worker.js';

async function main(): Promise<void> {
  const config = loadConfig();
  const logger = createLogger({ level: config.logLevel, name: 'worker' });
  for (const warning of config.warnings) logger.warn(warning);
  const worker = await startWorker(config, logger);
  onShutdown(() => worker.stop(), { graceMs: config.shutdownGraceMs, logger });
  logger.info({ metricsPort: worker.metricsPort }, 'Worker ready');
  announceReady({ metricsPort: worker.metricsPort });
}

main().catch((error: unknown) => {
  // A configuration's faults are sentences for the operator; anything else needs its stack.
  console.error(error instanceof ConfigError ? error.message : serializeError(error));
  process.exit(1);
});
