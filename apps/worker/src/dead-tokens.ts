import { heedRegistration, retiredBefore, type Outcome, type Settlement } from '@app/domain';
import type { ClaimedPush, DeadToken, DeadTokenRepository, SentToken } from '@app/persistence';
import { Batcher, type Logger } from '@app/platform';

export interface DeadTokensOptions {
  onRetired?: (tokens: number) => void;
  logger: Pick<Logger, 'warn'>;
  /** Waits between repetitions; given by tests. */
  wait?: (ms: number) => Promise<void>;
}

/** What waits for its turn at most; what comes on top is retired by its next push. */
const MAX_WAITING = 10_000;

/** A settlement waits for the look at the registration, so it must be short. */
const LOOK_MS = 2_000;

/** Milliseconds before retiring is tried again; after the last it is given up. */
const REPEAT_MS = [100, 200, 400, 800, 1_600, 3_200, 6_400] as const;

/**
 * What follows for device registrations when a provider calls a token dead. Beside the settlement,
 * never in its way: what is lost here heals by the next push to that token.
 */
export class DeadTokens {
  private readonly looks: Batcher<SentToken, Date | null>;
  private readonly retirements: Batcher<DeadToken, undefined>;
  private readonly wait: (ms: number) => Promise<void>;
  private giveUp: () => void = () => undefined;
  private readonly givenUp = new Promise<void>((resolve) => (this.giveUp = resolve));
  private stopped = false;

  constructor(
    private readonly repository: Pick<DeadTokenRepository, 'registeredAt' | 'retire'>,
    private readonly options: DeadTokensOptions,
  ) {
    this.wait = options.wait ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms).unref()));
    this.looks = new Batcher((tokens) => repository.registeredAt(tokens, LOOK_MS), {
      concurrency: 2,
    });
    this.retirements = new Batcher(async (tokens) => {
      await this.retireAll(tokens);
      return tokens.map(() => undefined);
    });
  }

  /** Apple says since when a token is dead: the registration may be younger than that. */
  async heed(push: ClaimedPush, outcome: Outcome): Promise<Outcome> {
    if (outcome.kind !== 'unregistered' || outcome.since === undefined) return outcome;
    try {
      return heedRegistration(outcome, await this.looks.add(sentToken(push)));
    } catch {
      // Nothing is retired on doubt all the same: the rows themselves are asked then.
      return outcome;
    }
  }

  /** Drops the token from its registration soon. Throws nothing and makes nobody wait. */
  retire(push: ClaimedPush, { since }: NonNullable<Settlement['retire']>): void {
    if (this.stopped || this.retirements.size >= MAX_WAITING) return;
    const registeredBefore = retiredBefore(push.claimedAt, since);
    void this.retirements.add({ ...sentToken(push), registeredBefore });
  }

  /** Takes no more; resolves when what waits was tried once more. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.giveUp();
    await this.retirements.drain();
  }

  private async retireAll(tokens: readonly DeadToken[]): Promise<void> {
    for (let failures = 0; ; failures++) {
      try {
        const retired = await this.repository.retire(tokens);
        if (retired > 0) this.options.onRetired?.(retired);
        return;
      } catch (err) {
        const waitMs = REPEAT_MS[failures];
        if (waitMs === undefined || this.stopped) {
          const fields = { err, tokens: tokens.length };
          this.options.logger.warn(fields, 'Dead tokens stay registered until their next push');
          return;
        }
        await Promise.race([this.wait(waitMs), this.givenUp]);
      }
    }
  }
}

function sentToken({ accountId, credentialId, provider, token }: ClaimedPush): SentToken {
  return { accountId, credentialId, provider, token };
}
