import { MAX_FAULTS, isTemplate, tagValueFault } from '@app/contract';
import { InvalidRequest } from '@app/domain';
import type { Fault, Tags, Uuid } from '@app/domain';
import { Injectable } from '@nestjs/common';
import { RenderBudget } from './render-budget.js';
import { renderTags } from './render-tags.js';
import { partsOf } from './send-parts.js';
import type { SendParts } from './send-parts.js';
import { SendResolver } from './send-resolver.js';
import type { Resolved } from './send-resolver.js';
import { sendFaults } from './send-rules.js';
import { parses } from './templates.js';

/** For the tags of one send. */
const MAX_RENDER_MS = 5_000;

/** Everything that a send may break beyond its schema. */
@Injectable()
export class SendCheck {
  constructor(private readonly resolver: SendResolver) {}

  /**
   * @param now what the tags call `now`, unless the send is for later; a schedule lies after it.
   * @param isRefused it is in any case, for something else.
   * @returns who the send goes to and with what, and all that is wrong with it, at most 100.
   * @throws Unavailable
   */
  async check(
    accountId: Uuid,
    send: SendParts,
    now: Date,
    isRefused = false,
  ): Promise<{ resolved: Resolved; faults: Fault[] }> {
    const faults = sendFaults(send, now);
    const tags = await tagsOf(send, send.schedule?.sendAt ?? now);
    const resolved = await this.resolver.resolve(accountId, send, tags.each);
    faults.push(...resolved.faults, ...(tags.faults ?? []));
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
): Promise<{ each?: Tags[]; faults?: Fault[] }> {
  if (tags === undefined || !Object.values(tags).some(isTemplate)) return {};
  const good = Object.entries(tags).filter(([, source]) =>
    isTemplate(source) ? parses(source) : tagValueFault(source) === undefined,
  );
  return renderTags(Object.fromEntries(good), to, now, new RenderBudget(MAX_RENDER_MS));
}
