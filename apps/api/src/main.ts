import { ConfigError, announceReady, createLogger, loadConfig, onShutdown } from '@app/platform';
import type { Config } from '@app/platform';
import { startApi } from './api.js';

await main(readConfig());

async function main(config: Config): Promise<void> {
  const logger = createLogger({ level: config.logLevel, name: 'api' });
  for (const warning of config.warnings) logger.warn(warning);
  try {
    const { port, metricsPort, stop } = await startApi(config, logger);
    const { shutdownGraceMs: graceMs, exitWithParent } = config;
    onShutdown(stop, { graceMs, logger, exitWithParent });
    logger.info({ port, metricsPort }, 'Listening');
    announceReady({ port, metricsPort });
  } catch (err) {
    logger.fatal({ err }, 'The api cannot start');
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
