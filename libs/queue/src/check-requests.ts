import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { QueueUnavailable, type QueueConnection } from './connection.js';
import { CHECK_CREDENTIAL, type CheckAnswer, type CheckJob } from './jobs.js';

/** How long a queue that is not connected may take to be so. Milliseconds. */
const CONNECT_MS = 1_000;
/** Answers are looked for, not waited for: no connection of its own, and it works on both backends. */
const LOOK_MS = 50;
/** Ended jobs, which hold the answers, are kept so long, and so many. Seconds. */
const KEPT = { age: 60, count: 1_000 };

/** Has a worker check a credential, and waits for its answer. */
export class CheckRequests {
  constructor(private readonly connection: Pick<QueueConnection, 'checks' | 'usable'>) {}

  /**
   * @param timeoutMs in all; nothing asks the provider after it.
   * @throws QueueUnavailable when the queue is away, forgot the job, or no worker has answered in time.
   */
  async ask(asked: Omit<CheckJob, 'until'>, timeoutMs: number): Promise<CheckAnswer> {
    const end = AbortSignal.timeout(timeoutMs);
    const within = <T>(work: Promise<T>) => race(work, end);
    await this.connection.usable(Math.min(timeoutMs, CONNECT_MS));
    const queue = this.connection.checks();
    const jobId = randomUUID();
    try {
      const data = { ...asked, until: Date.now() + timeoutMs };
      const options = { jobId, attempts: 1, removeOnComplete: KEPT, removeOnFail: KEPT };
      await within(queue.add('check', data, options));
      for (;;) {
        const job = await within(queue.getJob(jobId));
        if (job === undefined) throw new QueueUnavailable('The queue has forgotten the check.');
        if (job.finishedOn !== undefined && job.finishedOn !== null) {
          // A worker that fails says why in its own log.
          if (job.failedReason) throw new QueueUnavailable('The worker could not check.');
          return job.returnvalue;
        }
        await within(pause(LOOK_MS));
      }
    } catch (cause) {
      // Nobody needs to take it any more; taken already, it notices by itself that it is late.
      queue.remove(jobId).catch(() => undefined);
      if (cause instanceof QueueUnavailable) throw cause;
      throw new QueueUnavailable(`${CHECK_CREDENTIAL} has not taken the check.`, { cause });
    }
  }
}

/** `race` listens to `work` to the end, so that its late failure is not an unhandled one. */
async function race<T>(work: Promise<T>, end: AbortSignal): Promise<T> {
  let onEnd: (() => void) | undefined;
  const late = new Promise<never>((_, reject) => {
    onEnd = () => reject(new QueueUnavailable('No worker has answered in time.'));
    if (end.aborted) onEnd();
    else end.addEventListener('abort', onEnd);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    if (onEnd !== undefined) end.removeEventListener('abort', onEnd);
  }
}
