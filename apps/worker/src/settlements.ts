import {
  isBadRow,
  type DeliveryRepository,
  type PushSettlement,
  type Settled,
} from '@app/persistence';
import { Batcher, type Logger } from '@app/platform';

/** Milliseconds before a settlement that failed is tried again: doubled up to the last. */
const REPEAT_MS = [50, 100, 200, 400, 800, 1_600] as const;

/** What became of one settlement. */
export interface Committed {
  /** False when the claim was no longer valid. */
  changed: boolean;
  /** It was to come back, and is CANCELED instead. */
  canceled: boolean;
  /** Its credential is paused by it. */
  paused: boolean;
}

const NOTHING: Settled = { changed: new Set(), canceled: new Set(), paused: new Set() };

export interface SettlementsOptions {
  /** Told when settlements begin to fail and when they work again: no new jobs meanwhile. */
  onFailing: (failing: boolean) => void;
  /**
   * Told what a transaction really changed. One that is `repeated` may change nothing because the first did it all, and
   * its answer was lost.
   */
  onCommitted?: (batch: readonly PushSettlement[], settled: Settled, repeated: boolean) => void;
  logger: Pick<Logger, 'warn' | 'error'>;
  /** Waits between repetitions; given by tests. */
  wait?: (ms: number) => Promise<void>;
}

/**
 * Group commit: settlements that arrive together are one transaction. A batch is repeated until it
 * is committed: what a provider said is known here only, and a job must not fail for a database that
 * is away. The fence makes repeating harmless.
 */
export class Settlements {
  private readonly batcher: Batcher<PushSettlement, Committed>;
  private readonly wait: (ms: number) => Promise<void>;

  constructor(
    private readonly deliveries: Pick<DeliveryRepository, 'settle'>,
    private readonly options: SettlementsOptions,
  ) {
    this.wait = options.wait ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
    this.batcher = new Batcher(async (batch) => {
      const { changed, canceled, paused } = await this.settleAll(batch);
      return batch.map(({ id, credentialId, pause }) => ({
        changed: changed.has(id),
        canceled: canceled.has(id),
        paused: pause !== null && paused.has(credentialId),
      }));
    });
  }

  commit(settlement: PushSettlement): Promise<Committed> {
    return this.batcher.add(settlement);
  }

  /** Resolves when everything given so far is committed. */
  drain(): Promise<void> {
    return this.batcher.drain();
  }

  /** Halves a batch that holds a row PostgreSQL refuses until that row is alone. */
  private async settleAll(batch: readonly PushSettlement[]): Promise<Settled> {
    try {
      return await this.settleUntilCommitted(batch);
    } catch (error) {
      const [only] = batch;
      if (only === undefined) return NOTHING;
      if (batch.length === 1) return this.settleWithoutText(only, error);
      const middle = batch.length >> 1;
      const left = await this.settleAll(batch.slice(0, middle));
      const right = await this.settleAll(batch.slice(middle));
      return {
        changed: new Set([...left.changed, ...right.changed]),
        canceled: new Set([...left.canceled, ...right.canceled]),
        paused: new Set([...left.paused, ...right.paused]),
      };
    }
  }

  /** The state matters more than the words: they are given up, the push is not. */
  private async settleWithoutText(settlement: PushSettlement, cause: unknown): Promise<Settled> {
    this.options.logger.error(
      { err: cause, pushNotificationId: settlement.id },
      'A settlement cannot be stored with its texts, storing it without',
    );
    try {
      return await this.settleUntilCommitted([
        {
          ...settlement,
          attempts: [],
          errorMessage: null,
          providerMessageId: null,
          pause: settlement.pause && { ...settlement.pause, reason: '' },
        },
      ]);
    } catch (err) {
      this.options.logger.error(
        { err, pushNotificationId: settlement.id },
        'A settlement cannot be stored at all, its lease will run out',
      );
      return NOTHING;
    }
  }

  /** @throws the error of a row that can never be stored; everything else is repeated. */
  private async settleUntilCommitted(batch: readonly PushSettlement[]): Promise<Settled> {
    for (let failures = 0; ; failures++) {
      try {
        const settled = await this.deliveries.settle(batch);
        if (failures > 0) this.options.onFailing(false);
        this.options.onCommitted?.(batch, settled, failures > 0);
        return settled;
      } catch (err) {
        if (isBadRow(err)) {
          if (failures > 0) this.options.onFailing(false);
          throw err;
        }
        if (failures === 0) this.options.onFailing(true);
        this.options.logger.warn({ err, pushes: batch.length }, 'Settling failed, trying again');
        await this.wait(REPEAT_MS[Math.min(failures, REPEAT_MS.length - 1)] ?? 0);
      }
    }
  }
}
