import { FAILURES, type ProviderKind, type Uuid } from '@app/domain';
import {
  MAX_WINDOW,
  SPARSE_BURST,
  WHOLE,
  type BusyCredentials,
  type Shares,
  type AdmissionRepository,
  type Probe,
  type PushSettlement,
} from '@app/persistence';
import type { Logger } from '@app/platform';

export interface AdmissionOptions {
  workerId: Uuid;
  /** Pushes of one provider that this worker can have in hand at once. */
  slots: number;
  /** Between two looks, ± 20 %. */
  intervalMs: number;
  /** A probe that nothing was heard of for so long is followed by another one. */
  probeTimeoutMs: number;
  /** Start value of a window; a tenth of it is what a quiet one grows by. */
  startWindow: number;
  /** Adds the job of a probe. */
  handOver: (probe: Probe) => Promise<void>;
  /** A credential goes on: there is work to dispatch. */
  onResumed: () => void;
  logger: Pick<Logger, 'info' | 'warn'>;
}

/**
 * Half of the slots at most, and no more than leaves each of the busy ones as much. The slots of a provider are no
 * other's: a credential that alone has work there has its window, so that the queue always holds its next push.
 */
const shareAmong = ({ active, busy }: BusyCredentials, slots: number): number =>
  active > 1 ? Math.max(Math.floor(slots / Math.max(busy, 2)), 1) : MAX_WINDOW;

/**
 * Whether what a credential sends after a while may go to the front of the line: the line was made when nobody else had
 * work, and may be a whole window long. The front never fills more than half of the slots, so that the line moves on.
 */
const mayPass = ({ busy }: BusyCredentials, slots: number): boolean =>
  (busy + 1) * SPARSE_BURST <= slots / 2;

/** After a probe that could not tell. */
const UNCLEAR_WAIT_MS = 5_000;
/** After one that the queue did not take. */
const NOT_HANDED_OVER_WAIT_MS = 1_000;
const GROW_EVERY = 5;
/** The same warning of a credential is written this often at most. */
const WARN_EVERY_MS = 60_000;

/**
 * Decides how much of a credential may be handed over: its share while others have work, and when a
 * pause is over. One push goes first, the probe; what it hears ends the pause or lengthens it.
 */
export class Admission {
  /** Most that one credential may have outstanding, whatever its window. */
  shares: Shares = WHOLE;
  /** By provider, whether sparse pushes go before the others in the queue. */
  sparsePass: Readonly<Record<ProviderKind, boolean>> = { FCM: false, APN: false };
  /** Pushes of one provider that all workers can have in hand at once. */
  slots: number;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private wanted = false;
  private looks = 0;
  private current: Promise<void> | undefined;
  /** What probes that were committed said is written down. */
  private readonly answering = new Set<Promise<void>>();
  private readonly warnedAt = new Map<Uuid, number>();

  constructor(
    private readonly admissions: Pick<
      AdmissionRepository,
      | 'seen'
      | 'countWaiting'
      | 'gone'
      | 'grow'
      | 'due'
      | 'beginProbe'
      | 'probeAgain'
      | 'resume'
      | 'warn'
    >,
    private readonly options: AdmissionOptions,
  ) {
    this.slots = options.slots;
  }

  /** The first look is over when it resolves: until then the share is not known. */
  async start(): Promise<void> {
    this.wake();
    await this.current;
  }

  /** A paused credential may be tried now. */
  wake(): void {
    this.wanted = true;
    if (this.stopped || this.current !== undefined) return;
    clearTimeout(this.timer);
    this.current = this.run();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.current;
    await this.drain();
    await this.admissions.gone(this.options.workerId).catch(() => undefined);
  }

  /** Resolves when what probes said is written down, of those too that were committed after `stop`. */
  async drain(): Promise<void> {
    while (this.answering.size > 0) await Promise.all(this.answering);
  }

  /**
   * What was committed tells how a probe went, and what the owner of a credential should know. A probe is heard also when
   * it is `repeated` and changed nothing: the first commit, whose answer was lost, may have done it, and the word of one
   * that is no more its credential's probe does nothing.
   */
  onCommitted(
    batch: readonly PushSettlement[],
    changed: ReadonlySet<Uuid>,
    repeated: boolean,
  ): void {
    for (const settlement of batch) {
      const isChanged = changed.has(settlement.id);
      if (settlement.probe !== null && (isChanged || repeated)) this.probed(settlement);
      if (isChanged && settlement.errorCode === FAILURES.THIRD_PARTY_AUTH.code)
        this.warn(settlement);
    }
  }

  private async run(): Promise<void> {
    while (this.wanted && !this.stopped) {
      this.wanted = false;
      await this.look().catch((err: unknown) =>
        this.options.logger.warn({ err }, 'Admission failed, trying again'),
      );
    }
    this.current = undefined;
    if (this.stopped) return;
    const { intervalMs } = this.options;
    this.timer = setTimeout(() => this.wake(), intervalMs * (0.8 + 0.4 * Math.random()));
  }

  private async look(): Promise<void> {
    const { workerId, slots, startWindow } = this.options;
    const crew = await this.admissions.seen(workerId, slots);
    const { FCM, APN } = crew.credentials;
    this.shares = { FCM: shareAmong(FCM, crew.slots), APN: shareAmong(APN, crew.slots) };
    this.sparsePass = { FCM: mayPass(FCM, crew.slots), APN: mayPass(APN, crew.slots) };
    await this.admissions.countWaiting(this.shares);
    if (this.looks++ % GROW_EVERY === 0) await this.admissions.grow(startWindow);
    for (const credentialId of await this.admissions.due()) await this.probe(credentialId);
  }

  private async probe(credentialId: Uuid): Promise<void> {
    const probe = await this.admissions.beginProbe(credentialId, this.options.probeTimeoutMs);
    if (probe === 'taken') return;
    // Nothing else is due: what comes next tries it.
    if (probe === null) {
      await this.resume(credentialId, null);
      return;
    }
    try {
      // It goes before everything else, also when its operation is a large one.
      await this.options.handOver({ ...probe, lane: 'small' });
    } catch (err) {
      this.options.logger.warn({ err, credentialId }, 'A probe was not handed over');
      await this.admissions.probeAgain(credentialId, probe.id, NOT_HANDED_OVER_WAIT_MS);
    }
  }

  private async resume(credentialId: Uuid, probe: Uuid | null): Promise<void> {
    const isStopped = () => this.stopped;
    if (!(await this.admissions.resume(credentialId, probe, { isStopped }))) return;
    this.options.logger.info({ credentialId }, 'A paused credential goes on');
    this.options.onResumed();
  }

  private probed({ id, credentialId, probe }: PushSettlement): void {
    if (probe === 'refused') return;
    const work =
      probe === 'works'
        ? this.resume(credentialId, id)
        : this.admissions.probeAgain(credentialId, id, UNCLEAR_WAIT_MS);
    // Should it fail: after the time-out of the probe there is another one.
    const answering = work
      .catch((err: unknown) =>
        this.options.logger.warn({ err, credentialId }, 'The word of a probe was lost'),
      )
      .finally(() => this.answering.delete(answering));
    this.answering.add(answering);
  }

  private warn({ credentialId, errorMessage }: PushSettlement): void {
    const now = performance.now();
    if (now - (this.warnedAt.get(credentialId) ?? -Infinity) < WARN_EVERY_MS) return;
    if (this.warnedAt.size >= 1_000) this.warnedAt.clear();
    this.warnedAt.set(credentialId, now);
    this.admissions
      .warn(credentialId, errorMessage ?? FAILURES.THIRD_PARTY_AUTH.sentence)
      .catch((err: unknown) =>
        this.options.logger.warn({ err, credentialId }, 'A warning was lost'),
      );
  }
}
