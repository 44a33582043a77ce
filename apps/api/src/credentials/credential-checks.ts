import type { CredentialCheck } from '@app/contract';
import { Unavailable } from '@app/domain';
import type { Uuid } from '@app/domain';
import { within } from '@app/platform';
import { CheckRequests } from '@app/queue';
import type { QueueAccess } from '../http/queue-access.js';

const RETRY_AFTER_SECONDS = 5;

/** Checks run in the worker: the api never talks to a provider. */
export class CredentialChecks {
  constructor(
    private readonly queue: Pick<QueueAccess, 'get'>,
    private readonly timeoutMs: number,
  ) {}

  /**
   * @throws Unavailable when no worker has answered in time, that of the first connection to the queue included; at
   *   once when the queue is away.
   */
  async ask(accountId: Uuid, credentialId: Uuid): Promise<CredentialCheck> {
    const begin = performance.now();
    try {
      const queue = await within(this.queue.get(), this.timeoutMs, () => {
        throw new Error('The queue is not connected.');
      });
      const leftMs = Math.max(1, Math.round(this.timeoutMs - (performance.now() - begin)));
      return await new CheckRequests(queue).ask({ accountId, credentialId }, leftMs);
    } catch {
      throw new Unavailable('No worker can check the credential now.', RETRY_AFTER_SECONDS);
    }
  }
}
