import { MAX_FAULTS, tagValueFault } from '@app/contract';
import type { Recipient } from '@app/contract';
import type { Fault, Tags } from '@app/domain';
import { RenderError, compile } from '@app/templating';
import { jsonPath } from '../errors/json-path.js';
import type { RenderBudget } from './render-budget.js';

/**
 * Renders the tags with each recipient's variables; they must parse. Stops at the hundredth fault.
 *
 * @returns one for each of `to`, or what is wrong.
 */
export async function renderTags(
  tags: Tags,
  to: readonly Recipient[],
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
    const rendered = await budget.spend(() => renderTagsFor(tags, recipient.variables ?? {}, now));
    if ('message' in rendered) {
      faults.push({ message: rendered.message, context: jsonPath(['to', at]) });
      if (faults.length >= MAX_FAULTS) break;
    } else {
      each.push(rendered.tags);
    }
  }
  return faults.length > 0 ? { faults } : { each };
}

/** @returns the tags, or the first fault in a sentence. */
export function renderTagsFor(
  tags: Tags,
  variables: Record<string, string>,
  now: Date,
): { tags: Tags } | { message: string } {
  const rendered: Tags = {};
  for (const [key, source] of Object.entries(tags)) {
    try {
      const value = compile(source).render(variables, now);
      const fault = tagValueFault(value);
      if (fault !== undefined) return { message: `The tag ${key} does not render: ${fault}` };
      rendered[key] = value;
    } catch (error) {
      if (!(error instanceof RenderError)) throw error;
      return { message: `The tag ${key} does not render: ${error.message}.` };
    }
  }
  return { tags: rendered };
}
