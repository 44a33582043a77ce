import { MAX_FAULTS, tagValueFault } from '@app/contract';
import type { Recipient } from '@app/contract';
import type { Fault, Tags } from '@app/domain';
import { RenderError, compile } from '@app/templating';
import { jsonPath } from '../errors/json-path.js';
import type { RenderBudget } from './render-budget.js';

/**
 * Renders the tags with each recipient's variables; they must parse. Stops at the hundredth fault.
 *
 * @param to with gaps where there is nobody to render for.
 * @returns one for each of `to`, or what is wrong.
 */
export async function renderTags(
  tags: Tags,
  to: readonly (Recipient | undefined)[],
  now: Date,
  budget: RenderBudget,
): Promise<{ each: Tags[] } | { faults: Fault[] }> {
  const each: Tags[] = [];
  const faults: Fault[] = [];
  for (const [at, recipient] of to.entries()) {
    if (budget.exhausted) {
      faults.push({ message: 'The tags take too long to render.', context: '$.tags' });
      break;
    }
    if (recipient === undefined) continue;
    const rendered = await budget.spend(() => renderTagsFor(tags, recipient.variables ?? {}, now));
    if ('messages' in rendered) {
      const context = jsonPath(['to', at]);
      faults.push(...rendered.messages.map((message) => ({ message, context })));
      if (faults.length >= MAX_FAULTS) break;
    } else {
      each.push(rendered.tags);
    }
  }
  return faults.length > 0 ? { faults } : { each };
}

/** @returns the tags, or a sentence for each that does not render. */
export function renderTagsFor(
  tags: Tags,
  variables: Record<string, string>,
  now: Date,
): { tags: Tags } | { messages: string[] } {
  const rendered: Tags = {};
  const messages: string[] = [];
  for (const [key, source] of Object.entries(tags)) {
    try {
      const value = compile(source).render(variables, now);
      const fault = tagValueFault(value);
      if (fault === undefined) rendered[key] = value;
      else messages.push(`The tag ${key} does not render: ${fault}`);
    } catch (error) {
      if (!(error instanceof RenderError)) throw error;
      messages.push(`The tag ${key} does not render: ${error.message}.`);
    }
  }
  return messages.length > 0 ? { messages } : { tags: rendered };
}
