import type { CredentialCheck } from '@app/contract';
import { Unavailable } from '@app/domain';
import type { Uuid } from '@app/domain';
import { CheckRequests } from '@app/queue';
import type { QueueAccess } from '../http/queue-access.js';

const RETRY_AFTER_SECONDS = 5;

/** Checks run in the worker: the api never talks to a provider. */
export class CredentialChecks {
  constructor(
    private readonly queue: Pick<QueueAccess, 'get'>,
    private readonly timeoutMs: number,
  ) {}

  /** @throws Unavailable when no worker has answered in time, at once when the queue is away. */
  async ask(accountId: Uuid, credentialId: Uuid): Promise<CredentialCheck> {
    try {
      const requests = new CheckRequests(await this.queue.get());
      return await requests.ask({ accountId, credentialId }, this.timeoutMs);
    } catch {
      throw new Unavailable('No worker can check the credential now.', RETRY_AFTER_SECONDS);
    }
  }
}
