import {
  describeAttempt,
  FAILURES,
  settle,
  type Attempt,
  type Clock,
  type Outcome,
  type PushState,
  type Random,
  type RetryPolicy,
  type Settlement,
} from '@app/domain';
import type { ClaimedPush, PushSettlement } from '@app/persistence';
import type { Logger } from '@app/platform';
import type { Claim } from './claims.js';
import type { DeadTokens } from './dead-tokens.js';

export interface DeliverOptions {
  policy: RetryPolicy;
  /** For the queue only, which lives by the clocks of its workers. */
  clock: Clock;
  random: Random;
  /** The clock that `Claim.sendBefore` is on. */
  monotonicMs: () => number;
  deadTokens: Pick<DeadTokens, 'heed' | 'retire'>;
  /** A push that was put before others is tried for the first time, so many milliseconds after it was due. */
  onFirstTried: (lateMs: number) => void;
  logger: Pick<Logger, 'warn'>;
}

/** Answers about the push alone. Without a status they are our own checks'. */
const ABOUT_PUSH: readonly Outcome['kind'][] = ['unregistered', 'invalid-token', 'payload'];

/** One claim of a push, from its lease to its settlement: what was tried, and what it counts. */
export class Delivery {
  /** `ttlSeconds: 0`; known once the content is loaded. */
  immediate = false;
  /** Of the secret that it is sent with. */
  version = 0;
  private heard: Outcome | undefined;
  private leaseLost: boolean;
  private readonly attempts: Attempt[] = [];
  private counted = 0;
  private unknown = 0;

  private readonly push: ClaimedPush;

  constructor(
    private readonly claim: Pick<Claim, 'push' | 'answeredAt'>,
    private readonly dispatchedAt: Date,
    private readonly options: DeliverOptions,
  ) {
    this.push = claim.push;
    this.leaseLost = claim.push.leaseLost;
  }

  /** By the clock that wrote the push's instants, the database's, whatever the one of this machine says. */
  now(): Date {
    return new Date(this.push.claimedAt.getTime() + this.sinceClaimMs);
  }

  /** Milliseconds since the answer that brought the claim. */
  get sinceClaimMs(): number {
    return Math.max(this.options.monotonicMs() - this.claim.answeredAt, 0);
  }

  /** As `settle` sees the push now. */
  get state(): PushState {
    return {
      attemptCount: this.push.attemptCount + this.counted,
      unknownCount: this.push.unknownCount + this.unknown,
      wasBlamed: this.push.wasBlamed,
      firstAttemptAt: this.push.firstAttemptAt,
      expiresAt: this.push.expiresAt,
      immediate: this.immediate,
    };
  }

  /**
   * The claim before this one ended without a word: its outcome is unknown.
   *
   * @returns null when the push may be sent (again) now.
   */
  settleLostLease(): Settlement | null {
    if (!this.leaseLost) return null;
    this.leaseLost = false;
    const next = this.settle({ kind: 'unknown', reason: 'lease-lost', message: '' });
    if (next.to === 'FAILED') return next;
    this.count(next);
    return null;
  }

  /** Hands the push over and settles what came of it. */
  async attempt(send: (at: Date) => Promise<Outcome>): Promise<Settlement> {
    const at = this.now();
    const startMs = this.options.monotonicMs();
    const outcome = await send(at).catch((err: unknown): Outcome => {
      // Adapters answer by values; should one throw all the same, the request may have left.
      this.options.logger.warn({ err, pushNotificationId: this.push.id }, 'A send threw');
      return { kind: 'unknown', reason: 'internal', message: '' };
    });
    const latencyMs = this.options.monotonicMs() - startMs;
    return this.settle(await this.options.deadTokens.heed(this.push, outcome), at, latencyMs);
  }

  settle(outcome: Outcome, at = this.now(), latencyMs = 0): Settlement {
    const { policy, random } = this.options;
    const next = settle(this.state, outcome, policy, this.now(), random);
    this.heard = outcome;
    this.attempts.push(describeAttempt(outcome, next, at, latencyMs));
    return next;
  }

  /** The row to commit. */
  settlement(next: Settlement): PushSettlement {
    this.count(next);
    const { id, operationId, credentialId, lease } = this.push;
    return {
      id,
      operationId,
      credentialId,
      lease,
      to: next.to,
      dueInMs: next.dueInMs,
      attempts: this.attempts,
      countedAttempts: this.counted,
      unknownAttempts: this.unknown,
      errorCode: next.error?.code ?? null,
      errorMessage: next.error?.message ?? null,
      providerMessageId: next.providerMessageId,
      pause: next.pause === null ? null : { ...next.pause, version: this.version },
      probe: this.push.probing ? this.probe(next) : null,
      dispatchedAt: this.handedOverAt(),
    };
  }

  /** It was before the claim, however far off its worker had read the database's clock. */
  private handedOverAt(): Date {
    const { claimedAt } = this.push;
    return this.dispatchedAt < claimedAt ? this.dispatchedAt : claimedAt;
  }

  /** A credential works when its provider had anything to say of the push. */
  private probe(next: Settlement): PushSettlement['probe'] {
    if (next.pause !== null) return 'refused';
    // Nothing more can be sent with it, and everything that waits for it should hear so.
    if (next.error?.code === FAILURES.CREDENTIAL_DELETED.code) return 'works';
    const { heard } = this;
    if (heard === undefined) return 'unclear';
    if (heard.kind === 'accepted') return 'works';
    // A device's own limit comes after its credential; a server in trouble may not have looked at that.
    if (heard.kind === 'retry')
      return heard.scope === 'device' && heard.status === 429 ? 'works' : 'unclear';
    return ABOUT_PUSH.includes(heard.kind) && heard.status !== undefined ? 'works' : 'unclear';
  }

  private count(next: Settlement): void {
    if (next.counted) this.counted++;
    if (next.unknown) this.unknown++;
  }
}
