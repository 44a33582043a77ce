import type { PushSettlement, Settled } from '@app/persistence';
import { Metrics, within, type Registry } from '@app/platform';
import { countJobs, QUEUES, type QueueConnection } from '@app/queue';
import type { Courtesy } from './courtesy.js';
import type { SweepRule } from './sweeper.js';

const QUEUE_STATES = ['waiting', 'delayed', 'active', 'failed'] as const;

const COUNT_TIMEOUT_MS = 1_000;

/** What an operator watches of a worker. */
export class WorkerMetrics {
  private readonly metrics = new Metrics('worker');

  private readonly settled = this.metrics.counter(
    'fanfare_settlements_total',
    'Committed settlements by the state that followed; QUEUED is a retry.',
    ['to'],
  );
  private readonly handedOver = this.metrics.counter(
    'fanfare_dispatched_total',
    'Pushes handed over to the delivery queues, repetitions included.',
    [],
  );
  private readonly pauses = this.metrics.counter(
    'fanfare_credential_pauses_total',
    'Times that an answer began or lengthened the pause of a credential.',
    [],
  );
  private readonly faults = this.metrics.counter(
    'fanfare_sweep_faults_total',
    'Faults that the sweep found and repaired.',
    ['rule'],
  );
  private readonly retired = this.metrics.counter(
    'fanfare_retired_tokens_total',
    'Devices dropped from their registration since their provider called the token dead.',
    [],
  );
  private readonly failing = this.metrics.gauge(
    'fanfare_settling_failing',
    '1 while settlements cannot be committed and no jobs are taken.',
    [],
  );

  get registry(): Registry {
    return this.metrics.registry;
  }

  watchQueues(connection: Pick<QueueConnection, 'queue'>): void {
    this.metrics.gauge(
      'fanfare_queue_jobs',
      'Jobs in the delivery queues by state.',
      ['queue', 'state'],
      async (gauge) => {
        // A queue that is away must not take the other metrics with it.
        gauge.reset();
        await Promise.all(
          QUEUES.map(async (queue) => {
            const counts = await within(
              countJobs(connection.queue(queue)).catch(() => undefined),
              COUNT_TIMEOUT_MS,
            );
            if (counts === undefined) return;
            for (const state of QUEUE_STATES) gauge.set({ queue, state }, counts[state]);
          }),
        );
      },
    );
  }

  watchPace(courtesy: Pick<Courtesy, 'pace'>): void {
    this.metrics.gauge(
      'fanfare_backlog_pace',
      'Pushes of backlogs a second that this worker holds itself to, about; +Inf: as many as there is room for.',
      [],
      (gauge) => Promise.resolve(gauge.set(courtesy.pace)),
    );
  }

  onCommitted = (
    batch: readonly PushSettlement[],
    { changed, canceled, paused }: Settled,
  ): void => {
    for (const { id, to } of batch)
      if (changed.has(id)) this.settled.inc({ to: canceled.has(id) ? 'CANCELED' : to });
    this.pauses.inc(paused.size);
  };

  onHandedOver = (pushes: number): void => {
    this.handedOver.inc(pushes);
  };

  /** Ended by the sweep: a settlement that no worker made. */
  onExpired = (pushes: number): void => {
    this.settled.inc({ to: 'FAILED' }, pushes);
  };

  onRetired = (tokens: number): void => {
    this.retired.inc({}, tokens);
  };

  onFault = (rule: SweepRule, count: number): void => {
    this.faults.inc({ rule }, count);
  };

  onFailing = (failing: boolean): void => {
    this.failing.set(failing ? 1 : 0);
  };
}
