import { describe, expect, it } from '@jest/globals';
import { readConfig } from './config.js';

describe('the configuration', () => {
  it('has a default for everything', () => {
    expect(readConfig({})).toEqual({
      SIMULATOR_DIR: '.data/simulator',
      SIMULATOR_HOST: '127.0.0.1',
      SIMULATOR_PUBLIC_HOST: 'localhost',
      SIMULATOR_FCM_PORT: 0,
      SIMULATOR_APNS_PORT: 0,
      SIMULATOR_APNS_SANDBOX_PORT: 0,
      SIMULATOR_CONTROL_PORT: 0,
      SIMULATOR_CONTROL_HOST: '127.0.0.1',
      SIMULATOR_LEDGER_CAP: 250_000,
      SIMULATOR_LEDGER_BODIES: 1_000,
      LOG_LEVEL: 'info',
      EXIT_WITH_PARENT: false,
    });
  });

  it('takes numbers as text, and what is empty as absent', () => {
    const config = readConfig({ SIMULATOR_FCM_PORT: '8443', SIMULATOR_APNS_PORT: '', HOME: '/x' });
    expect(config).toMatchObject({ SIMULATOR_FCM_PORT: 8443, SIMULATOR_APNS_PORT: 0 });
  });

  it('lists every fault at once', () => {
    const read = (): unknown =>
      readConfig({
        SIMULATOR_FCM_PORT: '70000',
        SIMULATOR_PUBLIC_HOST: 'https://x',
        LOG_LEVEL: 'x',
      });
    expect(read).toThrow(/SIMULATOR_PUBLIC_HOST.*\n.*SIMULATOR_FCM_PORT.*\n.*LOG_LEVEL/);
  });
});
