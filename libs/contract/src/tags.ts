import { z } from 'zod';
import { LIMITS } from './limits.js';
import { stringMap } from './text.js';

export const MAX_TAGS = LIMITS.tags.max;
const MAX_KEY = LIMITS.tagKeyCharacters.max;
const MAX_VALUE = LIMITS.tagValueCharacters.max;
/** Room for a template that renders to a value. */
const MAX_TEMPLATE = LIMITS.tagTemplateCharacters.max;
const FORM = /^[a-zA-Z0-9._~-]+$/;

/** @returns what is wrong with a tag's value, rendered; undefined when nothing is. */
export function tagValueFault(value: string): string | undefined {
  if (value.length > MAX_VALUE) return `A tag's value has at most ${MAX_VALUE} characters.`;
  return FORM.test(value) ? undefined : "A tag's value consists of A-Z a-z 0-9 . _ ~ - only.";
}

function tagKeyFault(key: string): string | undefined {
  if (key.length > MAX_KEY) return `A tag's key has at most ${MAX_KEY} characters.`;
  return FORM.test(key) ? undefined : "A tag's key consists of A-Z a-z 0-9 . _ ~ - only.";
}

/** Whether a value is a template; all others are checked as they are. */
export function isTemplate(value: string): boolean {
  return value.includes('{{') || value.includes('{%');
}

export const Tags = stringMap({
  maxEntries: MAX_TAGS,
  keyFault: tagKeyFault,
  valueFault: (value) => {
    if (!isTemplate(value)) return tagValueFault(value);
    return value.length > MAX_TEMPLATE
      ? `A tag's template has at most ${MAX_TEMPLATE} UTF-16 code units.`
      : undefined;
  },
  description:
    'At most 10. Keys (≤ 128) and values (≤ 256 characters) consist of A-Z a-z 0-9 . _ ~ -; ' +
    'values are Liquid templates of at most 4,096 UTF-16 code units.',
});

/**
 * The `tags` filter: `key:value;key:value;`, the last `;` may be missing. Comes out in one spelling,
 * so that a page token can be compared with it.
 */
export const TagsFilter = z
  .string()
  .transform((text, ctx): string => {
    const pairs = text.replace(/;$/, '').split(';');
    const fault = filterFault(pairs);
    if (fault === undefined) return `${[...new Set(pairs)].sort().join(';')};`;
    ctx.issues.push({ code: 'custom', message: fault, input: undefined });
    return z.NEVER;
  })
  .meta({
    description: 'All of these tags: `key:value;key:value;`, at most 10.',
    examples: ['campaign:spring;locale:de;'],
  });

function filterFault(pairs: readonly string[]): string | undefined {
  if (pairs.length > MAX_TAGS) return `At most ${MAX_TAGS} tags can be asked for.`;
  for (const pair of pairs) {
    const [key = '', value, ...rest] = pair.split(':');
    if (value === undefined || rest.length > 0) return 'Expected key:value;key:value;';
    const fault = tagKeyFault(key) ?? tagValueFault(value);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** What a filter that was checked asks for. */
export function parseTagsFilter(filter: string): [key: string, value: string][] {
  return filter
    .slice(0, -1)
    .split(';')
    .map((pair) => pair.split(':') as [string, string]);
}
