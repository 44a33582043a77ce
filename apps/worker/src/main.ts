import { boot } from '@app/platform';
import { startWorker } from './worker.js';

await boot('worker', async (config, logger) => {
  const { metricsPort, stop } = await startWorker(config, logger);
  return { ready: { metricsPort }, stop };
});
