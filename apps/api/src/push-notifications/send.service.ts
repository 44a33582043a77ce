import type { Recipient, Send } from '@app/contract';
import { InvalidRequest } from '@app/domain';
import type { ProviderKind, PushTarget, Uuid } from '@app/domain';
import { CredentialRepository, DispatchSignal, OperationRepository } from '@app/persistence';
import { Injectable } from '@nestjs/common';
import { chooseCredentials, selectorOf } from './choose-credentials.js';
import { templateFaults } from './templates.js';

/** Steps 1 to 3 of the straight line: resolve, commit, wake. */
@Injectable()
export class SendService {
  constructor(
    private readonly credentials: CredentialRepository,
    private readonly operations: OperationRepository,
    private readonly dispatchers: DispatchSignal,
  ) {}

  /**
   * Accepts a send that keeps the schema.
   *
   * @returns the operation's id, once it and every recipient are committed.
   * @throws InvalidRequest, Unavailable
   */
  async accept(accountId: Uuid, send: Send): Promise<Uuid> {
    const { content, priority, sound, ttlSeconds } = send;
    const faults = templateFaults(content);
    const { pushes, unaddressable, providers } = addressees(send.to);
    const found = await this.credentials.select(accountId, selectorOf(send.from));
    const chosen = chooseCredentials(send.from, found, providers);
    if ('faults' in chosen) throw new InvalidRequest([...faults, ...chosen.faults]);
    if (faults.length > 0) throw new InvalidRequest(faults);

    const id = await this.operations.accept(accountId, {
      settings: { content, priority, sound, ttlSeconds, collapseKey: send.collapseKey ?? null },
      scheduledFor: null,
      recipients: send.to.length,
      pushes,
      unaddressable,
      credentials: chosen.credentials,
    });
    // Not awaited: a lost signal costs a second at most, the caller's 202 waits for nothing more.
    this.dispatchers.notify();
    return id;
  }
}

/** One pass over up to 10,000 recipients. There are no users yet: each counts as unaddressable. */
function addressees(to: readonly Recipient[]) {
  const pushes: PushTarget[] = [];
  const unaddressable: string[] = [];
  const providers = new Set<ProviderKind>();
  for (const recipient of to) {
    if ('userId' in recipient) {
      unaddressable.push(recipient.userId);
      continue;
    }
    const { provider, token, variables } = recipient;
    providers.add(provider);
    pushes.push({ provider, token, variables: variables ?? null });
  }
  return { pushes, unaddressable, providers };
}
