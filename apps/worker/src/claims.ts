import type { Uuid } from '@app/domain';
import {
  claimName,
  type ClaimedPush,
  type DeliveryRepository,
  type NotClaimed,
} from '@app/persistence';
import { Batcher, type Logger } from '@app/platform';
import { LRUCache } from 'lru-cache';

export interface Claim {
  state: 'claimed';
  push: ClaimedPush;
  /**
   * On the clock of `performance.now()`: a request may be put on the wire before this only, so that
   * its deadline ends well inside the lease.
   */
  sendBefore: number;
  /** On the same clock: when the answer came; it was `push.claimedAt` a moment before. */
  answeredAt: number;
}

export interface LeaseTimes {
  leaseMs: number;
  /** Wall-clock deadline of one request. */
  requestTimeoutMs: number;
  /** What stays between the last deadline and the end of the lease. */
  leaseMarginMs: number;
}

/**
 * Of claims that nobody answers, so many are remembered. The oldest give way: their leases have run out, or another worker
 * has long taken those pushes and this one never asks for them again.
 */
const MAX_UNANSWERED = 50_000;

/**
 * Takes leases in batches: jobs that start together share one statement. One whose answer is lost is repeated,
 * at once and when its jobs come back, and finds its own leases: nothing was sent under them.
 */
export class Claims {
  private readonly batcher: Batcher<Uuid, Claim | NotClaimed>;
  /** By push: the name of the first claim of it that was not answered. */
  private readonly unanswered = new LRUCache<Uuid, number>({ max: MAX_UNANSWERED });

  constructor(
    private readonly deliveries: Pick<DeliveryRepository, 'claim'>,
    private readonly times: LeaseTimes,
    logger: Pick<Logger, 'warn'>,
    private readonly monotonicMs: () => number = () => performance.now(),
  ) {
    this.batcher = new Batcher(
      async (ids) => {
        // A connection that broke is replaced, and another worker would have to wait for the lease.
        const claim = () => this.claim(ids);
        try {
          return await claim().catch(claim);
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

  private async claim(ids: readonly Uuid[]): Promise<(Claim | NotClaimed)[]> {
    const { leaseMs, requestTimeoutMs, leaseMarginMs } = this.times;
    const name = claimName();
    // Taken out while it is asked for: of two claims under way only one may take a lease back.
    const unanswered = new Map<Uuid, number>();
    for (const id of ids) {
      const earlier = this.unanswered.get(id);
      if (earlier !== undefined) unanswered.set(id, earlier);
      this.unanswered.delete(id);
    }
    // Read before the statement is sent: the lease can only have begun later.
    const sendBefore = this.monotonicMs() + leaseMs - requestTimeoutMs - leaseMarginMs;
    try {
      const results = await this.deliveries.claim(ids, leaseMs, name, unanswered);
      const answeredAt = this.monotonicMs();
      return results.map((result) =>
        result.state === 'claimed' ? { ...result, sendBefore, answeredAt } : result,
      );
    } catch (err) {
      for (const id of ids) this.unanswered.set(id, unanswered.get(id) ?? name);
      throw err;
    }
  }
}
