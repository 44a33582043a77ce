import { announceReady, createLogger, onShutdown } from '@app/platform';
import { readConfig } from './config.js';
import { startSimulator } from './simulator.js';

const STOP_GRACE_MS = 5_000;

try {
  const config = readConfig();
  const logger = createLogger({ level: config.LOG_LEVEL, name: 'simulator' });
  const simulator = await startSimulator({
    dir: config.SIMULATOR_DIR,
    host: config.SIMULATOR_HOST,
    publicHost: config.SIMULATOR_PUBLIC_HOST,
    controlHost: config.SIMULATOR_CONTROL_HOST,
    fcmPort: config.SIMULATOR_FCM_PORT,
    apnsPort: config.SIMULATOR_APNS_PORT,
    apnsSandboxPort: config.SIMULATOR_APNS_SANDBOX_PORT,
    controlPort: config.SIMULATOR_CONTROL_PORT,
    ledgerCap: config.SIMULATOR_LEDGER_CAP,
    ledgerBodies: config.SIMULATOR_LEDGER_BODIES,
    ledgerFile: config.SIMULATOR_LEDGER_FILE,
  });
  onShutdown(() => simulator.stop(), {
    graceMs: STOP_GRACE_MS,
    logger,
    exitWithParent: config.EXIT_WITH_PARENT,
  });

  const { fcmOrigin, tokenUrl, apnsOrigin, apnsSandboxOrigin, controlOrigin, caFile } = simulator;
  const places = { fcmOrigin, tokenUrl, apnsOrigin, apnsSandboxOrigin, controlOrigin, caFile };
  logger.info(places, 'Simulating FCM and APNs');
  announceReady(places);
} catch (error) {
  // A wrong variable, a taken port, a damaged file: the sentence is enough.
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
