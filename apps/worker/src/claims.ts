import type { Uuid } from '@app/domain';
import type { ClaimedPush, DeliveryRepository, NotClaimed } from '@app/persistence';
import { Batcher, type Logger } from '@app/platform';

export interface Claim {
  state: 'claimed';
  push: ClaimedPush;
  /**
   * On the clock of `performance.now()`: a request may be put on the wire before this only, so that
   * its deadline ends well inside the lease.
   */
  sendBefore: number;
}

export interface LeaseTimes {
  leaseMs: number;
  /** Wall-clock deadline of one request. */
  requestTimeoutMs: number;
  /** What stays between the last deadline and the end of the lease. */
  leaseMarginMs: number;
}

/** Takes leases in batches: jobs that start together share one statement. */
export class Claims {
  private readonly batcher: Batcher<Uuid, Claim | NotClaimed>;

  constructor(
    deliveries: Pick<DeliveryRepository, 'claim'>,
    times: LeaseTimes,
    logger: Pick<Logger, 'warn'>,
    monotonicMs: () => number = () => performance.now(),
  ) {
    const usableMs = times.leaseMs - times.requestTimeoutMs - times.leaseMarginMs;
    this.batcher = new Batcher(
      async (ids) => {
        // Read before the statement is sent: the lease can only have begun later.
        const sendBefore = monotonicMs() + usableMs;
        try {
          const results = await deliveries.claim(ids, times.leaseMs);
          return results.map((result) =>
            result.state === 'claimed' ? { ...result, sendBefore } : result,
          );
        } catch (err) {
          // Once a batch: an outage must not write a line a job.
          logger.warn({ err, pushes: ids.length }, 'Claiming failed');
          throw err;
        }
      },
      { concurrency: 2 },
    );
  }

  /** @throws Unavailable when PostgreSQL cannot answer; whether the lease was taken is unknown then. */
  take(id: Uuid): Promise<Claim | NotClaimed> {
    return this.batcher.add(id);
  }
}
