import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAccountId } from '@app/domain';
import { AccountRepository, Database, PartitionRepository } from '@app/persistence';
import { Metrics, startMetricsServer } from '@app/platform';
import type { Config, Logger } from '@app/platform';
import { connectRateLimitStores, createQueueConnection } from '@app/queue';
import { hashToken } from './auth/authenticator.js';
import { createApp } from './create-app.js';
import { readiness } from './health/readiness.js';
import { Leaving } from './http/leaving.js';
import { PublicUrl } from './http/public-url.js';
import { RateLimits } from './rate-limits/rate-limits.js';
import { QueueAccess } from './http/queue-access.js';

export interface RunningApi {
  port: number;
  metricsPort: number;
  /**
   * Says that it leaves and serves on for the configured drain, then stops accepting, finishes what is in flight and
   * closes the database.
   */
  stop: () => Promise<void>;
}

/**
 * Starts the api: makes the configured account, listens on both ports.
 *
 * @throws when the database does not answer or a port is taken; nothing is left running then.
 */
export async function startApi(config: Config, logger: Logger): Promise<RunningApi> {
  const { http, database: db, encryptionKeys, providers } = config;
  const database = new Database({ ...db, applicationName: 'fanfare-api' });
  const metrics = new Metrics('api');
  const queue = new QueueAccess(() => createQueueConnection(config.queue, logger));
  const limits = connectRateLimitStores(config.queue, database.pool, http.rateLimits, logger);
  const leaving = new Leaving();
  const stops: (() => Promise<unknown>)[] = [
    () => database.close(),
    () => queue.close(),
    async () => limits.close(),
  ];
  const stop = async () => {
    leaving.begin();
    for (const step of stops.splice(0).reverse()) await step();
  };
  try {
    await bootstrapAccount(config, database);
    await ensurePartitions(database, logger);
    const app = await createApp({
      database,
      encryptionKeys,
      credentialWindow: providers.credentialWindow,
      queue,
      rateLimits: new RateLimits(http.rateLimits, limits.stores),
      checkTimeoutMs: config.queue.checkTimeoutMs,
      publicUrl: http.publicUrl,
      leaving,
      logger,
      metrics,
    });
    stops.push(() => app.close());
    await app.listen(http.port, http.host);
    const { port } = app.getHttpServer().address() as AddressInfo;
    app.get(PublicUrl).listensOn(port);
    const metricsServer = await startMetricsServer({
      host: http.host,
      port: http.metricsPort,
      registry: metrics.registry,
      ready: readiness(database, leaving),
      logger,
    });
    stops.push(() => metricsServer.close());
    // The first of them: whoever routes callers here is given the time to hear of it.
    stops.push(() => sleep(http.drainMs));
    return { port, metricsPort: metricsServer.port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function bootstrapAccount({ bootstrap }: Config, database: Database): Promise<void> {
  if (bootstrap === undefined) return;
  const accountId = parseAccountId(bootstrap.accountSid);
  if (accountId === null) throw new Error('BOOTSTRAP_ACCOUNT_SID is no account id.');
  await new AccountRepository(database).ensure(accountId, hashToken(bootstrap.authToken));
}

/** A send finds its day even when no worker has run for long. Away, the database is no reason not to start. */
async function ensurePartitions(database: Database, logger: Logger): Promise<void> {
  try {
    await new PartitionRepository(database).ensure();
  } catch (err) {
    logger.warn({ err }, 'The partitions of the coming days could not be made');
  }
}
