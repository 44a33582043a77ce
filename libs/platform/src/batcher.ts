interface Waiting<I, O> {
  item: I;
  resolve: (output: O) => void;
  reject: (error: unknown) => void;
}

export interface BatcherOptions {
  /** Longest time that an item waits for company while nothing is in flight. Default 5. */
  maxWaitMs?: number;
  /** Largest batch. Default 500. */
  maxSize?: number;
  /** Flushes in flight at once; items collect meanwhile. Default 1. */
  concurrency?: number;
}

/**
 * Group commit: items that arrive close together go through `flush` as one batch.
 *
 * `flush` gets the items in the order of `add` and answers one output an item in that order. When
 * it throws, every `add` of that batch rejects with its error; later batches are not touched.
 */
export class Batcher<I, O> {
  private waiting: Waiting<I, O>[] = [];
  private oldestAt = 0;
  private inFlight = 0;
  private timer: NodeJS.Timeout | undefined;
  private drained: (() => void)[] = [];
  private readonly maxWaitMs: number;
  private readonly maxSize: number;
  private readonly concurrency: number;

  constructor(
    private readonly flush: (items: I[]) => Promise<readonly O[]>,
    options: BatcherOptions = {},
  ) {
    this.maxWaitMs = options.maxWaitMs ?? 5;
    this.maxSize = options.maxSize ?? 500;
    this.concurrency = options.concurrency ?? 1;
  }

  /** Items that wait for a batch; those in flight not counted. */
  get size(): number {
    return this.waiting.length;
  }

  add(item: I): Promise<O> {
    return new Promise((resolve, reject) => {
      if (this.waiting.length === 0) this.oldestAt = performance.now();
      this.waiting.push({ item, resolve, reject });
      this.pump();
    });
  }

  /** Flushes what waits without further waiting; resolves when nothing waits or is in flight. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.drained.push(resolve);
      this.pump();
    });
  }

  private pump(): void {
    while (this.waiting.length > 0 && this.inFlight < this.concurrency) {
      const restMs = this.oldestAt + this.maxWaitMs - performance.now();
      if (this.waiting.length < this.maxSize && restMs > 0 && this.drained.length === 0) {
        this.timer ??= setTimeout(() => {
          this.timer = undefined;
          this.pump();
        }, Math.ceil(restMs));
        return;
      }
      void this.run(this.waiting.splice(0, this.maxSize));
    }
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.waiting.length === 0 && this.inFlight === 0) {
      for (const resolve of this.drained.splice(0)) resolve();
    }
  }

  private async run(batch: Waiting<I, O>[]): Promise<void> {
    this.inFlight++;
    try {
      const outputs = await this.flush(batch.map(({ item }) => item));
      if (outputs.length !== batch.length) {
        throw new Error(`A batch of ${batch.length} was answered with ${outputs.length} outputs.`);
      }
      for (const [index, { resolve }] of batch.entries()) resolve(outputs[index] as O);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.inFlight--;
      this.pump();
    }
  }
}
