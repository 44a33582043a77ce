import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { updateWithJson } from './canonical-json.js';

const hashOf = (value: unknown) => {
  const hash = createHash('sha256');
  updateWithJson(hash, value);
  return hash.digest('hex');
};

/** What the fingerprints of stored keys were made of: a copy with its fields put in in order. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
}
const expected = (value: unknown) =>
  createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex');

describe('updateWithJson', () => {
  it('hashes what JSON.stringify makes of a sorted copy', () => {
    const key = fc.oneof(fc.string(), fc.nat(12).map(String), fc.constantFrom('4294967295', '01'));
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'medium' },
        fc.string({ unit: 'binary' }),
        fc.constantFrom('\ud800', '"', '\\', '\n', 0.1, -0, 1e21, true, false, null),
        fc.array(tie('value')),
        fc.dictionary(key, tie('value'), { noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(value, (parsed) => {
        expect(hashOf(parsed)).toBe(expected(parsed));
      }),
      { numRuns: 1_000 },
    );
  });

  it('also in several pieces, and where the fields of a list differ from item to item', () => {
    const list = Array.from({ length: 5_000 }, (_, at) =>
      at % 3 === 0
        ? { token: `t${at}`, variables: { b: 'é', a: '"', 10: '', 9: '' } }
        : { variables: {}, token: 't', [`x${at % 5}`]: [at, null, {}] },
    );
    expect(hashOf({ to: list, content: {} })).toBe(expected({ to: list, content: {} }));
  });
});
