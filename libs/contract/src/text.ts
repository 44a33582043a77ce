import { z } from 'zod';
import { MAX_FAULTS } from './error-body.js';

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
 * A string → string map with bounded work: with the last entry that may be, or the last fault that an
 * answer can name, it stops. So a map of a million wrong values costs a hundred faults and not a million.
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
      for (const { message, path } of faultsOf(value, rules)) {
        ctx.addIssue({ code: 'custom', message, path });
      }
    })
    .meta({
      type: 'object',
      additionalProperties: { type: 'string' },
      maxProperties: rules.maxEntries,
      description: rules.description,
    });
}

type Rules = Parameters<typeof stringMap>[0];
interface MapFault {
  message: string;
  path: string[];
}

function faultsOf(value: unknown, rules: Rules): MapFault[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [{ message: 'Expected an object of strings.', path: [] }];
  }
  const faults: MapFault[] = [];
  let entries = 0;
  let bytes = 0;
  for (const key in value) {
    if (faults.length >= MAX_FAULTS) return faults;
    if (++entries > rules.maxEntries) {
      return [...faults, { message: `There are more than ${rules.maxEntries} entries.`, path: [] }];
    }
    const entry: unknown = (value as Record<string, unknown>)[key];
    for (const message of entryFaults(key, entry, rules)) faults.push({ message, path: [key] });
    if (rules.maxBytes !== undefined && typeof entry === 'string') {
      bytes += byteLength(key) + byteLength(entry);
    }
  }
  if (rules.maxBytes !== undefined && bytes > rules.maxBytes) {
    const message = `Keys and values are larger than ${rules.maxBytes} bytes.`;
    faults.push({ message, path: [] });
  }
  return faults;
}

function entryFaults(key: string, entry: unknown, rules: Rules): string[] {
  const ofKey = isStorable(key) ? rules.keyFault?.(key) : UNSTORABLE;
  const ofValue =
    typeof entry !== 'string'
      ? 'Expected a string.'
      : isStorable(entry)
        ? rules.valueFault?.(entry)
        : UNSTORABLE;
  // Many maps have no fault, and this is asked of every entry of ten thousand recipients.
  if (ofKey === undefined && ofValue === undefined) return NONE;
  return [...new Set([ofKey, ofValue])].filter((message) => message !== undefined);
}

const NONE: string[] = [];

/**
 * For rules that look at several fields of an object: Zod leaves them out where a field is of a wrong type, but
 * a caller is to hear of all faults at once. They must take any value for such a field.
 */
export const EVEN_WHEN_BROKEN = {
  when: ({ value }: { value: unknown }) =>
    typeof value === 'object' && value !== null && !Array.isArray(value),
};

/** The entries of a value of any shape that are text, among as many as there may be. */
export function textsOf(map: unknown, maxEntries: number): Record<string, string> {
  if (typeof map !== 'object' || map === null || Array.isArray(map)) return {};
  const texts: Record<string, string> = {};
  let entries = 0;
  for (const key in map) {
    if (++entries > maxEntries) break;
    const entry: unknown = (map as Record<string, unknown>)[key];
    if (isStorable(key) && isText(entry)) texts[key] = entry;
  }
  return texts;
}

/** Text that can be stored. */
export function isText(value: unknown): value is string {
  return typeof value === 'string' && isStorable(value);
}
