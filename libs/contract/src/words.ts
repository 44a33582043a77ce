import { z } from 'zod';

/** JSON's types, as a sentence has them. A type that is not listed speaks for itself. */
const NOUNS: Partial<Record<string, string>> = {
  array: 'an array',
  boolean: 'a boolean',
  int: 'a whole number',
  number: 'a number',
  object: 'an object',
  string: 'a string',
};

/** What there is how many of, by the origin of a size. Numbers have no unit. */
const UNITS: Partial<Record<string, readonly [one: string, more: string]>> = {
  array: ['item', 'items'],
  string: ['character', 'characters'],
};

const either = new Intl.ListFormat('en', { type: 'disjunction' });

/** @returns that something else was expected, or that it is required where there is nothing. */
export function expected(noun: string, input: unknown): string {
  return input === undefined
    ? `${noun[0]?.toUpperCase()}${noun.slice(1)} is required.`
    : `Expected ${noun}.`;
}

function oneOf(values: readonly unknown[], input: unknown): string {
  return expected(either.format(values.map(String)), input);
}

function size(word: 'at least' | 'at most', bound: number | bigint, origin: string): string {
  const [one, more] = UNITS[origin] ?? ['', ''];
  return `Expected ${word} ${bound} ${Number(bound) === 1 ? one : more}`.trimEnd() + '.';
}

/** The sentence of an issue whose schema has none of its own. It never repeats the value: that may be a token. */
export function wordsOf(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return expected(NOUNS[issue.expected] ?? issue.expected, issue.input);
    case 'invalid_value':
      return oneOf(issue.values, issue.input);
    case 'invalid_union':
      // Only one that goes by a discriminator has options; its input is the whole object.
      return issue.inclusive === false || !issue.options || issue.discriminator === undefined
        ? NOT_ALLOWED
        : oneOf(issue.options, (issue.input as Record<string, unknown>)[issue.discriminator]);
    case 'too_small':
      return size('at least', issue.minimum, issue.origin);
    case 'too_big':
      return size('at most', issue.maximum, issue.origin);
    case 'not_multiple_of':
      return `Expected a multiple of ${issue.divisor}.`;
    case 'invalid_format':
      return `Expected text of the form ${issue.pattern ?? issue.format}.`;
    case 'unrecognized_keys':
      return 'This field is unknown.';
    case 'invalid_key':
    case 'invalid_element':
    case 'custom':
      return NOT_ALLOWED;
  }
}

const NOT_ALLOWED = 'This value is not allowed.';

// The contract's schemas are parsed by Nest as well as by us, so this is no argument of a parse but the language
// that Zod speaks in this process. A schema's own message goes before it.
z.config({ localeError: wordsOf });
