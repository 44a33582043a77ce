import { failed, released, timeIsUp, type Settlement, type Uuid } from '@app/domain';
import type { NotClaimed } from '@app/persistence';
import type { Claim, Claims } from './claims.js';
import { Delivery, type DeliverOptions } from './delivery.js';
import type { Prepared, Sender } from './sender.js';
import type { Settlements } from './settlements.js';

/** After a fault of ours, before the same push is tried again. */
const FAULT_WAIT_MS = 1_000;

/** A fault of ours is logged this often at most, however many pushes it holds up. */
const FAULT_LOG_MS = 5_000;

/** Comes back so soon what could not be prepared: the database away, a credential that does not open. */
const NOT_PREPARED_WAIT_MS = 5_000;

/** One push: claim → render → send → settle. Everything that can happen to it ends in a settlement. */
export class DeliverProcessor {
  private faults = 0;
  private faultLoggedAt = -Infinity;

  constructor(
    private readonly claims: Pick<Claims, 'take'>,
    private readonly sender: Pick<Sender, 'prepare'>,
    private readonly settlements: Pick<Settlements, 'commit'>,
    private readonly options: DeliverOptions,
  ) {}

  /**
   * Delivers one push; throws for nothing that a push, a provider or the database did.
   *
   * @param dispatchedAt when it was handed over.
   * @param wentFirst whether it was put before others.
   * @returns when it shall come back; nothing when it is over.
   */
  async deliver(id: Uuid, dispatchedAt: Date, wentFirst: boolean): Promise<Date | undefined> {
    const claim = await this.claim(id);
    if (claim.state === 'over') return undefined;
    if (claim.state === 'wait') return this.in(claim.waitMs);
    const delivery = new Delivery(claim, dispatchedAt, this.options);
    const next = await this.attempt(claim, delivery, wentFirst);
    const { canceled, paused } = await this.settlements.commit(delivery.settlement(next));
    if (next.retire !== null) this.options.deadTokens.retire(claim.push, next.retire);
    // Behind a pause it has no job: the end of the pause hands it over again.
    const comesBack = next.to === 'QUEUED' && !canceled && !paused;
    return comesBack ? this.in(next.dueInMs) : undefined;
  }

  private async claim(id: Uuid): Promise<Claim | NotClaimed> {
    try {
      return await this.claims.take(id);
    } catch {
      // Whether the lease was taken is unknown: the job comes back and sees.
      return { state: 'wait', waitMs: FAULT_WAIT_MS };
    }
  }

  private in(ms: number): Date {
    return new Date(this.options.clock.now().getTime() + ms);
  }

  private async attempt(claim: Claim, delivery: Delivery, wentFirst: boolean): Promise<Settlement> {
    const prepared = await this.prepare(claim);
    // Whether its time is up hangs on its content (`immediate`): the sweep ends what is over.
    if (prepared === null) return delivery.settleLostLease() ?? released(NOT_PREPARED_WAIT_MS);
    delivery.immediate = prepared.immediate;
    const lost = delivery.settleLostLease();
    if (lost !== null) return lost;
    // What is given back of a canceled operation is canceled.
    if (claim.push.isCanceled) return released(0);
    const over = timeIsUp(delivery.state, this.options.policy, delivery.now());
    if (over !== null) return over;
    if (prepared.state === 'no-credential')
      return { ...failed('CREDENTIAL_DELETED'), counted: false };
    if (prepared.state === 'refused') return delivery.settle(prepared.outcome);
    // Too late to be sure of the lease until the deadline: somebody else may take it.
    if (this.options.monotonicMs() >= claim.sendBefore) return released(0);
    delivery.version = prepared.version;
    // What was tried before, or had its time, has waited for other reasons.
    if (wentFirst && claim.push.lease === 1 && !prepared.isScheduled)
      this.options.onFirstTried(claim.push.waitedMs + delivery.sinceClaimMs);
    return delivery.attempt(prepared.send);
  }

  /** @returns null after a fault of ours: nothing was sent. */
  private async prepare({ push }: Claim): Promise<Prepared | null> {
    try {
      return await this.sender.prepare(push);
    } catch (err) {
      this.faults++;
      const now = this.options.monotonicMs();
      if (now - this.faultLoggedAt >= FAULT_LOG_MS) {
        const fields = { err, pushNotificationId: push.id, faults: this.faults };
        this.options.logger.warn(fields, 'Pushes cannot be prepared');
        this.faultLoggedAt = now;
        this.faults = 0;
      }
      return null;
    }
  }
}
