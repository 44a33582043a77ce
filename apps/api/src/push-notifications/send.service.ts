import { MAX_FAULTS, isTemplate } from '@app/contract';
import type { Send } from '@app/contract';
import { InvalidRequest } from '@app/domain';
import type { Fault, OperationSettings, Tags, Uuid } from '@app/domain';
import { DispatchSignal, OperationRepository } from '@app/persistence';
import type { Done, Once } from '@app/persistence';
import { Injectable } from '@nestjs/common';
import { RenderBudget } from './render-budget.js';
import { renderTags } from './render-tags.js';
import { SendResolver } from './send-resolver.js';
import { sendFaults } from './send-rules.js';

/** For the tags of one send. */
const MAX_RENDER_MS = 5_000;

/** Steps 1 to 3 of the straight line: resolve, commit, wake. */
@Injectable()
export class SendService {
  constructor(
    private readonly resolver: SendResolver,
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

    const now = new Date();
    const scheduledFor = send.schedule?.sendAt ?? null;
    const faults = sendFaults(send, now);
    const tags = faults.length > 0 ? {} : await tagsOf(send, scheduledFor ?? now);
    const resolved = await this.resolver.resolve(accountId, send, tags.each);
    faults.push(...resolved.faults, ...(tags.faults ?? []));
    if (faults.length > 0) throw new InvalidRequest(faults.slice(0, MAX_FAULTS));

    const { pushes, users, appName, credentials } = resolved;
    if (appName === null) throw new Error('A send without an App has a fault.');
    await charge?.(send.to.length);
    const done = await this.operations.accept(
      accountId,
      {
        settings: settingsOf(send),
        scheduledFor,
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

/** Tags without a template are the same for all and need no rendering. */
async function tagsOf(send: Send, now: Date): Promise<{ each?: Tags[]; faults?: Fault[] }> {
  if (send.tags === undefined || !Object.values(send.tags).some(isTemplate)) return {};
  return renderTags(send.tags, send.to, now, new RenderBudget(MAX_RENDER_MS));
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
