import { MAX_FAULTS, tagValueFault } from '@app/contract';
import type { Recipient } from '@app/contract';
import type { Fault, Tags } from '@app/domain';
import { RenderError, compile } from '@app/templating';
import { jsonPath } from '../errors/json-path.js';
import type { RenderBudget } from './render-budget.js';

export interface RenderedTags {
  /** One for each of `to` that was come to, in its place; undefined where there is none. */
  each: (Tags | undefined)[];
  faults: Fault[];
  /** The budget was over before the end. */
  isCut: boolean;
}

/**
 * Renders the tags with each recipient's variables; they must parse. Stops at the hundredth fault, and when the budget
 * is exhausted.
 *
 * @param to with gaps where there is nobody to render for.
 */
export async function renderTags(
  tags: Tags,
  to: readonly (Recipient | undefined)[],
  now: Date,
  budget: RenderBudget,
): Promise<RenderedTags> {
  const each: RenderedTags['each'] = [];
  const faults: Fault[] = [];
  for (const [at, recipient] of to.entries()) {
    if (faults.length >= MAX_FAULTS) break;
    if (budget.exhausted) return { each, faults, isCut: true };
    if (recipient === undefined) {
      each.push(undefined);
      continue;
    }
    const rendered = await budget.spend(() => renderTagsFor(tags, recipient.variables ?? {}, now));
    if ('messages' in rendered) {
      each.push(undefined);
      const context = jsonPath(['to', at]);
      faults.push(...rendered.messages.map((message) => ({ message, context })));
    } else {
      each.push(rendered.tags);
    }
  }
  return { each, faults, isCut: false };
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
