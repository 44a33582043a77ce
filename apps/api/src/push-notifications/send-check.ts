import { MAX_FAULTS, WORK_LIMITS, isTemplate, tagValueFault } from '@app/contract';
import { InvalidRequest } from '@app/domain';
import type { Fault, Uuid } from '@app/domain';
import { Injectable } from '@nestjs/common';
import { RenderBudget } from './render-budget.js';
import { renderTags } from './render-tags.js';
import type { RenderedTags } from './render-tags.js';
import { partsOf } from './send-parts.js';
import type { SendParts } from './send-parts.js';
import { SendResolver } from './send-resolver.js';
import type { Resolved } from './send-resolver.js';
import { sendFaults } from './send-rules.js';
import { parses } from './templates.js';

/** Everything that a send may break beyond its schema. */
@Injectable()
export class SendCheck {
  constructor(private readonly resolver: SendResolver) {}

  /**
   * @param now what the tags call `now`, unless the send is for later; a schedule lies after it.
   * @param isRefused it is in any case, for something else.
   * @returns who the send goes to and with what, and all that is wrong with it, at most 100. Of one that is refused
   *   before its tags are rendered, those that render within a quarter of a second.
   * @throws Unavailable
   */
  async check(
    accountId: Uuid,
    send: SendParts,
    now: Date,
    isRefused = false,
  ): Promise<{ resolved: Resolved; faults: Fault[] }> {
    const faults = sendFaults(send, now);
    const tags = await tagsOf(send, send.schedule?.sendAt ?? now, isRefused || faults.length > 0);
    const resolved = await this.resolver.resolve(accountId, send, tags.each);
    faults.push(...resolved.faults, ...tags.faults);
    // What is good is counted where it is accepted.
    if (isRefused || faults.length > 0) {
      faults.push(...(await this.resolver.expand(accountId, resolved)).faults);
    }
    return { resolved, faults: faults.slice(0, MAX_FAULTS) };
  }

  /**
   * Of a body that breaks the schema: what those of its parts break that keep it.
   *
   * @throws InvalidRequest, Unavailable
   */
  async refuse(accountId: Uuid, body: unknown): Promise<void> {
    const { faults } = await this.check(accountId, partsOf(body), new Date(), true);
    if (faults.length > 0) throw new InvalidRequest(faults);
  }
}

/** Tags without a template are the same for all and need no rendering. */
async function tagsOf(
  { tags, to }: SendParts,
  now: Date,
  isRefused: boolean,
): Promise<{ each?: RenderedTags['each']; faults: Fault[] }> {
  if (tags === undefined || !Object.values(tags).some(isTemplate)) return { faults: [] };
  const good = Object.entries(tags).filter(([, source]) =>
    isTemplate(source) ? parses(source) : tagValueFault(source) === undefined,
  );
  const budget = new RenderBudget(isRefused ? WORK_LIMITS.refusedRenderMs : WORK_LIMITS.renderMs);
  const { each, faults, isCut } = await renderTags(Object.fromEntries(good), to, now, budget);
  // That the small budget was over says nothing of the tags.
  if (isCut && !isRefused) {
    faults.push({ message: 'The tags take too long to render.', context: '$.tags' });
  }
  return { each, faults };
}
