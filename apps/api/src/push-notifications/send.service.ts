import type { Send } from '@app/contract';
import { InvalidRequest } from '@app/domain';
import type { OperationSettings, Uuid } from '@app/domain';
import { DispatchSignal, OperationRepository } from '@app/persistence';
import type { Done, Once } from '@app/persistence';
import { Injectable } from '@nestjs/common';
import { SendCheck } from './send-check.js';

/** Steps 1 to 3 of the straight line: resolve, commit, wake. */
@Injectable()
export class SendService {
  constructor(
    private readonly checks: SendCheck,
    private readonly operations: OperationRepository,
    private readonly dispatchers: DispatchSignal,
  ) {}

  /**
   * Accepts a send that keeps the schema.
   *
   * @param once of a request that may be a repetition; it then gets its first answer again, also
   *   where it would be refused by now.
   * @param charge called once the send is known to be good; refuses it by throwing.
   * @returns the operation's id, once it and every recipient are committed.
   * @throws InvalidRequest, also when its users have too many devices; KeyReused, Unavailable
   */
  async accept(
    accountId: Uuid,
    send: Send,
    once?: Once,
    charge?: (recipients: number) => Promise<void>,
  ): Promise<Done> {
    const before = once === undefined ? null : await this.operations.findDone(accountId, once);
    if (before !== null) return before;

    const { resolved, faults } = await this.checks.check(accountId, send, new Date());
    if (faults.length > 0) throw new InvalidRequest(faults);

    const { pushes, users, appName, credentials } = resolved;
    if (appName === null) throw new Error('A send without an App has a fault.');
    await charge?.(send.to.length);
    const done = await this.operations.accept(
      accountId,
      {
        settings: settingsOf(send),
        scheduledFor: send.schedule?.sendAt ?? null,
        recipients: send.to.length,
        tags: send.tags ?? null,
        pushes,
        users,
        appName,
        credentials,
      },
      once,
    );
    // Not awaited: a lost signal costs a second at most, the caller's 202 waits for nothing more.
    this.dispatchers.notify();
    return done;
  }
}

export function settingsOf(send: Send): OperationSettings {
  const { content, priority, sound, ttlSeconds, collapseKey, badge, overrides } = send;
  return {
    content,
    priority,
    sound,
    ttlSeconds,
    collapseKey: collapseKey ?? null,
    badge: badge ?? null,
    overrides: overrides ?? null,
  };
}
