import { failed, isExpired, released, type Settlement } from '@app/domain';
import type { DeliverJob } from '@app/queue';
import type { Claim, Claims } from './claims.js';
import { Delivery, type DeliverOptions } from './delivery.js';
import type { Sender } from './sender.js';
import type { Settlements } from './settlements.js';

/** How a job ends: for good, or to come back in so many milliseconds. */
export type JobEnd = { state: 'over' } | { state: 'wait'; waitMs: number };

/** After a fault of ours, before the same push is tried again. */
const FAULT_WAIT_MS = 1_000;

/** One push: claim → render → send → settle. Everything that can happen to it ends in a settlement. */
export class DeliverProcessor {
  constructor(
    private readonly claims: Pick<Claims, 'take'>,
    private readonly sender: Pick<Sender, 'prepare'>,
    private readonly settlements: Pick<Settlements, 'commit'>,
    private readonly options: DeliverOptions,
  ) {}

  /** @throws Unavailable when the claim could not be asked for: the job is to come back. */
  async deliver(job: DeliverJob): Promise<JobEnd> {
    const claim = await this.claims.take(job.id);
    if (claim.state !== 'claimed') return claim;
    const delivery = new Delivery(claim.push, this.options);
    const next = await this.attempt(claim, delivery);
    await this.settlements.commit(delivery.settlement(next));
    return next.to === 'QUEUED' ? { state: 'wait', waitMs: next.dueInMs } : { state: 'over' };
  }

  private async attempt(claim: Claim, delivery: Delivery): Promise<Settlement> {
    try {
      const prepared = await this.sender.prepare(claim.push);
      delivery.immediate = prepared.immediate;
      const lost = delivery.settleLostLease();
      if (lost !== null) return lost;
      if (isExpired(delivery.state, this.options.clock.now())) return delivery.expired();
      if (prepared.state === 'no-credential') return failed('CREDENTIAL_DELETED');
      if (prepared.state === 'refused') return delivery.settle(prepared.outcome);
      // Too late to be sure of the lease until the deadline: somebody else may take it.
      if (this.options.monotonicMs() >= claim.sendBefore) return released(0);
      return await delivery.attempt(prepared.send);
    } catch (err) {
      this.options.logger.warn({ err, pushNotificationId: claim.push.id }, 'Delivery interrupted');
      return delivery.settleLostLease() ?? released(FAULT_WAIT_MS);
    }
  }
}
