import { readFile } from 'node:fs/promises';
import { systemClock } from '@app/domain';
import type { ApnsTokenRepository } from '@app/persistence';
import type { Config, Logger } from '@app/platform';
import { createProviders, needsMinting, type ApnsTokenStore, type Providers } from '@app/providers';

/**
 * The adapters as configured. Their APNs tokens lie in the database, so that all workers of all
 * times show the same one.
 *
 * @throws when PROVIDER_CA_FILE cannot be read.
 */
export async function connectProviders(
  options: Config['providers'],
  tokens: Pick<ApnsTokenRepository, 'current'>,
  logger: Pick<Logger, 'warn'>,
): Promise<Providers> {
  const { caFile } = options;
  const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
  const apnsTokens: ApnsTokenStore = {
    current: (key, mint, rejected) =>
      tokens.current(key, (stored) => !needsMinting(stored, rejected, systemClock.now()), mint),
  };
  return createProviders(
    { ...options, ...(ca === undefined ? {} : { ca }) },
    { apnsTokens, warn: (message, detail) => logger.warn(detail, message) },
  );
}
