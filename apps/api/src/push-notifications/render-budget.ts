import { setImmediate } from 'node:timers/promises';

/** Rendering may not keep the process from others for longer than this at a time. */
const SLICE_MS = 15;

/**
 * The time that one request may spend on rendering. Templates and variables come from outside: one
 * render is bounded, ten thousand of the worst are not.
 */
export class RenderBudget {
  private spentMs = 0;
  private sliceMs = 0;

  constructor(
    private readonly maxMs: number,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  get exhausted(): boolean {
    return this.spentMs >= this.maxMs;
  }

  /** Runs `work` on the budget; lets others have the process now and then. */
  async spend<T>(work: () => T): Promise<T> {
    if (this.sliceMs >= SLICE_MS) {
      this.sliceMs = 0;
      await setImmediate();
    }
    const start = this.nowMs();
    try {
      return work();
    } finally {
      const ms = this.nowMs() - start;
      this.spentMs += ms;
      this.sliceMs += ms;
    }
  }
}
