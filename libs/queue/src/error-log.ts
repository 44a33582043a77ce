import type { Logger } from '@app/platform';

/** A queue that is away fails many times a second; one line in this time says so. */
const QUIET_MS = 10_000;

/** Logs the first error of a kind and then, every ten seconds, how many more there were. */
export class ErrorLog {
  private readonly kinds = new Map<string, { quietUntil: number; suppressed: number }>();

  constructor(
    private readonly logger: Pick<Logger, 'warn'>,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** @param kind a small closed set of sentences; becomes the message. */
  warn(kind: string, err: unknown): void {
    const known = this.kinds.get(kind) ?? { quietUntil: 0, suppressed: 0 };
    this.kinds.set(kind, known);
    if (this.now() < known.quietUntil) {
      known.suppressed++;
      return;
    }
    this.logger.warn({ err, suppressed: known.suppressed }, kind);
    known.quietUntil = this.now() + QUIET_MS;
    known.suppressed = 0;
  }
}
