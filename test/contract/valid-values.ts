import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { Json } from '../../scripts/types.js';
import { openApi } from './documented.js';
import { hostileText } from './hostile-values.js';

/** Ids that exist, by the prefix of their kind. */
export type KnownIds = Record<string, readonly string[]>;

/**
 * Values that fit a schema of the document, ids among them that exist. What the schema says in words
 * only is left to chance.
 */
export function validValue(schema: Json, ids: KnownIds): Arbitrary<unknown> {
  const { $ref, const: constant, enum: values, anyOf, oneOf, type } = schema;
  if ($ref !== undefined) return validValue(resolve($ref), ids);
  if (constant !== undefined) return fc.constant(constant);
  if (values !== undefined) return fc.constantFrom(...values);
  const alternatives: Json[] | undefined =
    anyOf ??
    oneOf ??
    (Array.isArray(type) ? type.map((each) => ({ ...schema, type: each })) : undefined);
  if (alternatives !== undefined) {
    return fc.oneof(...alternatives.map((each) => validValue(each, ids)));
  }
  switch (type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({
        min: schema.minimum ?? -100,
        max: Math.min(schema.maximum ?? 100, 2 ** 31 - 1),
      });
    case 'string':
      return validText(schema, ids);
    case 'array':
      return fc.array(validValue(schema.items, ids), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 4, 4),
      });
    case 'object':
      return validObject(schema, ids);
    default:
      throw new Error(`No values for ${JSON.stringify(schema)}`);
  }
}

function resolve(ref: string): Json {
  return ref
    .split('/')
    .slice(1)
    .reduce((value: Json, key) => value[key], openApi);
}

function validObject(schema: Json, ids: KnownIds): Arbitrary<unknown> {
  const { properties, required = [], additionalProperties } = schema;
  if (properties === undefined) {
    const value =
      typeof additionalProperties === 'object' && 'type' in additionalProperties
        ? validValue(additionalProperties, ids)
        : fc.jsonValue({ maxDepth: 2 });
    return fc.dictionary(fc.stringMatching(/^[a-z._~-]{1,8}$/), value, { maxKeys: 4 });
  }
  const members = Object.entries(properties).map(([name, member]) => [
    name,
    validValue(member, ids),
  ]);
  return fc.record(Object.fromEntries(members) as Record<string, Arbitrary<unknown>>, {
    requiredKeys: required,
  });
}

const TEMPLATES = [
  'Hello {{ name }}',
  "{{ name | default: 'there' | upcase }}",
  '{% if a %}{{ a }}{% else %}-{% endif %}',
  '{% for i in (1..3) %}{{ i }}{% endfor %}',
];

function validText(schema: Json, ids: KnownIds): Arbitrary<string> {
  const { pattern, format, minLength = 0, maxLength = 60 } = schema;
  if (format === 'date-time') {
    const min = new Date(Date.now() - 86_400_000);
    const max = new Date(Date.now() + 35 * 86_400_000);
    return fc.date({ min, max, noInvalidDate: true }).map((date) => date.toISOString());
  }
  if (format === 'uri') return fc.constantFrom('https://a.example/x.png', 'https://b.example/ü');
  if (pattern !== undefined) {
    const known = Object.entries(ids).find(([prefix]) => pattern.startsWith(`^${prefix}`))?.[1];
    const any = fc.stringMatching(new RegExp(pattern));
    return known === undefined
      ? any
      : fc.oneof(
          { weight: 3, arbitrary: fc.constantFrom(...known) },
          { weight: 1, arbitrary: any },
        );
  }
  return fc.oneof(
    fc.string({ minLength, maxLength: Math.min(maxLength, 60), unit: 'grapheme' }),
    fc.constantFrom('t', ...TEMPLATES),
    hostileText,
  );
}
