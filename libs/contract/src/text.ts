import { z } from 'zod';

/**
 * Text that PostgreSQL can keep unchanged: no NUL, no half of a surrogate pair. Found here rather
 * than at the insert, so that the fault has its place.
 */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

const UNSTORABLE = 'The text holds a NUL or half of a surrogate pair.';

/** Any text that can be stored. */
export function text() {
  return z.string().refine(isStorable, UNSTORABLE);
}

/** UTF-8 bytes, the unit of all byte limits of the contract. */
export function byteLength(value: string): number {
  return Buffer.byteLength(value, 'utf8');
}

/**
 * A string → string map with bounded work: at the first fault it stops, so that a map of a million
 * wrong values costs one fault and not a million.
 *
 * @param rules.keyFault says what is wrong with a key, if anything; `valueFault` with a value.
 */
export function stringMap(rules: {
  maxEntries: number;
  maxBytes?: number;
  keyFault?: (key: string) => string | undefined;
  valueFault?: (value: string) => string | undefined;
  description: string;
}) {
  return z
    .custom<Record<string, string>>()
    .superRefine((value, ctx) => {
      const fault = faultOf(value, rules);
      if (fault === undefined) return;
      ctx.addIssue({ code: 'custom', message: fault.message, path: fault.path });
    })
    .meta({
      type: 'object',
      additionalProperties: { type: 'string' },
      maxProperties: rules.maxEntries,
      description: rules.description,
    });
}

function faultOf(
  value: unknown,
  rules: Parameters<typeof stringMap>[0],
): { message: string; path: string[] } | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { message: 'Invalid input: expected an object of strings.', path: [] };
  }
  let entries = 0;
  let bytes = 0;
  for (const key in value) {
    if (++entries > rules.maxEntries) {
      return { message: `There are more than ${rules.maxEntries} entries.`, path: [] };
    }
    const entry: unknown = (value as Record<string, unknown>)[key];
    if (typeof entry !== 'string') {
      return { message: 'Invalid input: expected a string.', path: [key] };
    }
    if (!isStorable(key) || !isStorable(entry)) return { message: UNSTORABLE, path: [key] };
    const message = rules.keyFault?.(key) ?? rules.valueFault?.(entry);
    if (message !== undefined) return { message, path: [key] };
    if (rules.maxBytes !== undefined) bytes += byteLength(key) + byteLength(entry);
  }
  if (rules.maxBytes !== undefined && bytes > rules.maxBytes) {
    return { message: `Keys and values are larger than ${rules.maxBytes} bytes.`, path: [] };
  }
  return undefined;
}
