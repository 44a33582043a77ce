import { readFile } from 'node:fs/promises';
import type { Clock } from '@app/domain';
import type { ApnsTokenRepository } from '@app/persistence';
import type { Config, Logger } from '@app/platform';
import { createProviders, needsMinting, type ApnsTokenStore, type Providers } from '@app/providers';

/**
 * The adapters as configured. Their APNs tokens lie in the database, so that all workers of all
 * times show the same one.
 *
 * @param clock the one that all workers share: Apple and Google refuse what was signed by a wrong one.
 * @throws when PROVIDER_CA_FILE cannot be read.
 */
export async function connectProviders(
  options: Config['providers'],
  tokens: Pick<ApnsTokenRepository, 'current'>,
  clock: Clock,
  logger: Pick<Logger, 'warn'>,
): Promise<Providers> {
  const { caFile } = options;
  const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
  const apnsTokens: ApnsTokenStore = {
    current: (key, mint, rejected) =>
      tokens.current(key, (stored) => !needsMinting(stored, rejected, clock.now()), mint),
  };
  return createProviders(
    { ...options, ...(ca === undefined ? {} : { ca }) },
    { apnsTokens, clock, warn: (message, detail) => logger.warn(detail, message) },
  );
}
