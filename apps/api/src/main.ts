import { boot } from '@app/platform';
import { startApi } from './api.js';

await boot('api', async (config, logger) => {
  const { port, metricsPort, stop } = await startApi(config, logger);
  return { ready: { port, metricsPort }, stop };
});
