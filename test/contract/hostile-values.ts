import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { Json } from '../../scripts/types.js';

/** Texts that a careless reader stumbles over. */
export const hostileText: Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    ...['', ' ', '\0', 'a\0b', '\ud800', '\udfff\ud800', 'a\r\nb: c', '\u202e\ufeff', '👩‍👩‍👧'],
    ...['x'.repeat(5_000), 'é'.repeat(2_000), 'null', '-1', '0', '1e3', '0x10', '1,000', 'NaN'],
    ...['{{', '{{ a | nope }}', '{% if %}', "{% include 'x' %}", '{{ "now" | date: "%s" }}'],
    ...['{% for i in (1..100000000) %}x{% endfor %}', '{{ a["b"].c }}', '{%- raw -%}{{'],
    ...['{% capture a %}{{ a }}{{ a }}{% endcapture %}{{ a }}', '{{ 1 | divided_by: 0 }}'],
    ...['__proto__', 'constructor', 'toString', '../..', '%00', '%2e%2e', "' OR 1=1", '$1'],
    ...[
      '2026-13-45T99:99:99Z',
      '9999-12-31T23:59:59Z',
      '0000-01-01',
      '+275760-09-13',
      '1969-12-31',
    ],
    ...['https://', 'https://[::1', 'javascript:x', 'a:b;', ';', 'a:b:c', '1'.repeat(400)],
    ...['comms_pushnotification_7zzzzzzzzzzzzzzzzzzzzzzzzz', `SK${'f'.repeat(32)}`],
    'comms_credential_00000000000000000000000000',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

const nested = (depth: number): unknown => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`);

export const hostileValue: Arbitrary<unknown> = fc.oneof(
  hostileText,
  fc.constantFrom<unknown>(
    ...[null, true, false, 0, -0, -1, 0.5, 1e308, -1e308, 2 ** 31, 2 ** 53, 5e-324, [], {}, [[]]],
    ...[Array(300).fill(null), Array(300).fill({}), Array(300).fill(''), nested(1_000)],
    Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`k${at}`, at])),
    JSON.parse('{"constructor":{"prototype":{"x":1}}}'),
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

/** One change somewhere in a value: which place, and what happens to it. */
const change = fc.record({
  at: fc.nat(),
  value: fc.oneof(
    { weight: 3, arbitrary: hostileValue.map((value) => ({ value })) },
    { weight: 1, arbitrary: fc.constantFrom('drop' as const, 'add' as const, 'wrap' as const) },
  ),
});

/** Values like those of `good`, with up to three changes each. */
export function mutated(good: Arbitrary<unknown>): Arbitrary<unknown> {
  return fc
    .tuple(good, fc.array(change, { maxLength: 3 }))
    .map(([value, changes]) =>
      changes.reduce(
        (before, each) => changed(before, each.at, each.value),
        JSON.parse(JSON.stringify(value)),
      ),
    );
}

type Holder = Record<string | number, Json>;

function changed(root: Json, at: number, how: { value: unknown } | 'drop' | 'add' | 'wrap'): Json {
  const top: Holder = { root };
  const places = placesOf(top);
  const [holder, key] = places[at % places.length]!;
  if (typeof how === 'object') holder[key] = structuredClone(how.value);
  else if (how === 'wrap') holder[key] = [holder[key]];
  else if (how === 'drop') delete holder[key];
  else if (typeof holder[key] === 'object' && holder[key] !== null) holder[key].unheardOf = 1;
  return top.root;
}

/** Every member of every object and array in it, at most some hundred. */
function placesOf(top: Holder): [Holder, string][] {
  const places: [Holder, string][] = [];
  const rest: Holder[] = [top];
  for (let holder = rest.shift(); holder !== undefined && places.length < 500;) {
    for (const key of Object.keys(holder)) {
      places.push([holder, key]);
      if (typeof holder[key] === 'object' && holder[key] !== null) rest.push(holder[key] as Holder);
    }
    holder = rest.shift();
  }
  return places;
}

/** JSON text that JavaScript's values do not come to, and text that is no JSON at all. */
export const hostileJson: Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    ...['', ' ', '{', '[', '"', 'nul', '\ufeff{}', '{"to":[],}', "{'to':[]}", '1e999', '-1e999'],
    ...['{"badge":1e400}', '{"ttlSeconds":99999999999999999999999999}', '{"to":[],"to":null}'],
    ...[
      '{"__proto__":{"x":1}}',
      '{"content":{"data":{"__proto__":"x"}}}',
      '"\\ud800"',
      '{"\\u0000":1}',
    ],
    ...[
      `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
      `${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}`,
    ],
    `{"to":[${'{"token":1},'.repeat(3_000)}{}],"content":{"body":"B"}}`,
  ),
  fc.string({ unit: 'binary', maxLength: 100 }),
);
