import { defaultRetryPolicy, newId, systemClock } from '@app/domain';
import {
  AdmissionRepository,
  ApnsTokenRepository,
  AuditRepository,
  CredentialRepository,
  Database,
  DatabaseClock,
  DeadTokenRepository,
  DeliveryRepository,
  DispatchListener,
  DispatchRepository,
  ExpireRepository,
  PartitionRepository,
  RetentionRepository,
  ScheduleRepository,
  SecretBox,
  SweepRepository,
} from '@app/persistence';
import { startMetricsServer, type Config, type Logger } from '@app/platform';
import {
  CheckConsumer,
  createDeliveryConsumer,
  createQueueConnection,
  DeliveryProducer,
  QUEUES,
} from '@app/queue';
import { Admission } from './admission.js';
import { Backlogs } from './backlogs.js';
import { BulkMover } from './bulk-mover.js';
import { CheckProcessor } from './check.processor.js';
import { Claims } from './claims.js';
import { Courtesy } from './courtesy.js';
import { Credentials } from './credentials.js';
import { DeadTokens } from './dead-tokens.js';
import { DeliverProcessor } from './deliver.processor.js';
import { connectProviders } from './connect-providers.js';
import { Dispatcher } from './dispatcher.js';
import { handOver, type PushToQueue } from './hand-over.js';
import { OperationContents } from './operation-contents.js';
import { Retention } from './retention.js';
import { Scheduler } from './scheduler.js';
import { Sender } from './sender.js';
import { Settlements } from './settlements.js';
import { stopWorker } from './stop-worker.js';
import { Sweeper } from './sweeper.js';
import { WorkerMetrics } from './worker-metrics.js';

export interface RunningWorker {
  metricsPort: number;
  /** Takes no more work, finishes what is in hand, commits it and closes everything. */
  stop: () => Promise<void>;
}

/** At once: each holds a connection to a provider for some seconds at most. */
const MAX_CHECKS = 10;

const monotonicMs = () => performance.now();

/**
 * Puts a worker together and starts it: the only place that knows all its parts.
 *
 * @throws when PostgreSQL or, with the queue there, BullMQ's schema cannot be reached.
 */
export async function startWorker(config: Config, logger: Logger): Promise<RunningWorker> {
  const db = new Database({
    url: config.database.url,
    poolSize: config.database.poolSize,
    applicationName: 'fanfare-worker',
  });
  await db.ping();
  const connection = await createQueueConnection(config.queue, logger);
  const clock = await DatabaseClock.start(db);
  const box = new SecretBox(config.encryptionKeys);
  const deliveries = new DeliveryRepository(db);
  const producer = new DeliveryProducer(connection, clock, config.delivery.jobSize);
  const providers = await connectProviders(
    config.providers,
    new ApnsTokenRepository(db, box),
    clock,
    logger,
  );
  const metrics = new WorkerMetrics();
  const backlogs: Backlogs = new Backlogs({ monotonicMs, pace: () => courtesy.pace });
  const courtesy = new Courtesy({ monotonicMs, hasBacklog: () => backlogs.exist });
  metrics.watchQueues(connection);
  metrics.watchPace(courtesy);

  const enqueue = (pushes: readonly PushToQueue[]) =>
    handOver(producer, pushes, config.dispatch.timeoutMs);
  const admission = new Admission(new AdmissionRepository(db), {
    workerId: newId(),
    slots: config.delivery.concurrency,
    intervalMs: config.dispatch.intervalMs,
    probeTimeoutMs: config.delivery.leaseMs,
    startWindow: config.providers.credentialWindow,
    handOver: (probe) => enqueue([{ ...probe, delayMs: 0 }]),
    onResumed: () => dispatcher.wake(),
    logger,
  });
  const dispatcher = new Dispatcher(new DispatchRepository(db), {
    ...config.dispatch,
    shares: () => admission.shares,
    backlogs,
    usable: () => connection.usable(config.dispatch.timeoutMs),
    handOver: ({ lane, deliveries }) =>
      enqueue(
        deliveries.map(({ sparse, ...push }) => ({
          ...push,
          lane,
          first: sparse && lane === 'small' && admission.sparsePass[push.provider],
        })),
      ),
    onHandedOver: metrics.onHandedOver,
    logger,
  });
  const settlements = new Settlements(deliveries, {
    onFailing(failing) {
      metrics.onFailing(failing);
      for (const consumer of consumers) void (failing ? consumer.pause() : consumer.resume());
    },
    onCommitted(batch, settled, repeated) {
      metrics.onCommitted(batch, settled);
      courtesy.onCommitted(batch, settled.changed);
      admission.onCommitted(batch, settled.changed, repeated);
      // What ended made room in its credential's window.
      dispatcher.wake();
    },
    logger,
  });
  const deadTokens = new DeadTokens(new DeadTokenRepository(db), {
    onRetired: metrics.onRetired,
    logger,
  });
  const credentials = new Credentials(new CredentialRepository(db, box));
  const processor = new DeliverProcessor(
    new Claims(
      deliveries,
      { ...config.delivery, requestTimeoutMs: config.providers.requestTimeoutMs },
      logger,
    ),
    new Sender(credentials, new OperationContents(deliveries), providers),
    settlements,
    {
      policy: {
        ...defaultRetryPolicy,
        retryWindowMs: config.delivery.retryWindowMs,
        refusedBackoff: {
          ...defaultRetryPolicy.refusedBackoff,
          baseMs: config.delivery.refusedPauseMs,
        },
        unknown: config.delivery.unknownOutcomes,
      },
      clock: systemClock,
      random: Math.random,
      monotonicMs,
      deadTokens,
      onFirstTried: (lateMs) => {
        if (config.dispatch.backlogPace === 'courteous') courtesy.onTried(lateMs);
      },
      logger,
    },
  );
  const consumers = QUEUES.map((queue) =>
    createDeliveryConsumer(connection, queue, (...delivery) => processor.deliver(...delivery), {
      concurrency: config.delivery.concurrency,
      requeue: (deliveries) => producer.enqueue(queue, deliveries, config.dispatch.timeoutMs),
      lockMs: config.queue.jobLockMs,
      stalledIntervalMs: config.queue.stalledIntervalMs,
      logger,
    }),
  );
  const checks = new CheckProcessor(credentials, providers);
  const checkConsumer = new CheckConsumer(connection, (job) => checks.check(job), {
    concurrency: MAX_CHECKS,
    lockMs: config.queue.jobLockMs,
    stalledIntervalMs: config.queue.stalledIntervalMs,
    logger,
  });
  const partitions = new PartitionRepository(db);
  await partitions.ensure();
  const sweeper = new Sweeper(
    new SweepRepository(db),
    new ExpireRepository(db),
    new AuditRepository(db),
    {
      ...config.sweep,
      retentionDays: config.retentionDays,
      retryWindowMs: config.delivery.retryWindowMs,
      leaseMs: config.delivery.leaseMs,
      epoch: () => connection.epoch(),
      requeue: async (lost) => {
        const { timeoutMs } = config.dispatch;
        await Promise.all(QUEUES.map((queue) => producer.forgetEnded(queue, timeoutMs)));
        await handOver(
          { enqueue: (queue, pushes, ms) => producer.enqueueDue(queue, pushes, ms) },
          lost.map((push) => ({ ...push, delayMs: 0 })),
          timeoutMs,
        );
      },
      onWork: () => dispatcher.wake(),
      onExpired: metrics.onExpired,
      onFault: metrics.onFault,
      logger,
    },
  );
  const retention = new Retention(partitions, new RetentionRepository(db), {
    retentionDays: config.retentionDays,
    logger,
  });
  const scheduler = new Scheduler(new ScheduleRepository(db), {
    intervalMs: config.sweep.intervalMs,
    onBegun: () => dispatcher.wake(),
    logger,
  });
  const bulkMover = new BulkMover(producer, {
    intervalMs: config.dispatch.intervalMs,
    slots: () => admission.slots,
    timeoutMs: config.dispatch.timeoutMs,
    logger,
  });
  const listener = new DispatchListener(config.database.url, (signal) => {
    if (signal === 'work') return dispatcher.wake();
    // With the secret of before, what has only one attempt would fail.
    credentials.forgetAll();
    admission.wake();
  });
  const metricsServer = await startMetricsServer({
    host: config.http.host,
    port: config.http.metricsPort,
    registry: metrics.registry,
    ready: { postgres: () => db.ping(), queue: () => connection.ping() },
    logger,
  });

  sweeper.start();
  retention.start();
  scheduler.start();
  bulkMover.start();
  await admission.start();
  await listener.start();
  dispatcher.wake();
  for (const warning of await connection.warnings().catch(() => [])) logger.warn(warning);

  return {
    metricsPort: metricsServer.port,
    stop: () =>
      stopWorker(
        {
          takers: [
            ...[...consumers, checkConsumer].map((consumer) => () => consumer.close()),
            ...[sweeper, retention, scheduler, bulkMover, listener, dispatcher, admission].map(
              (taker) => () => taker.stop(),
            ),
          ],
          settlements,
          admission,
          deadTokens,
          providers: [providers.FCM, providers.APN],
          async close() {
            await Promise.all([connection.close(), clock.stop()]);
            await Promise.all([db.close(), metricsServer.close()]);
          },
        },
        config.shutdownGraceMs,
        logger,
      ),
  };
}
