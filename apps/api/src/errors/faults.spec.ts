import { describe, expect, it } from '@jest/globals';
import { MAX_FAULTS } from '@app/contract';
import { z } from 'zod';
import { faultsOf } from './faults.js';

const contexts = (schema: z.ZodType, value: unknown) =>
  faultsOf(schema.safeParse(value).error?.issues ?? []).map(({ context }) => context);

describe('faultsOf', () => {
  it('names each unknown field', () => {
    expect(contexts(z.strictObject({}), { a: 1, b: 2 })).toEqual(['$.a', '$.b']);
  });

  it('lets the alternative speak that knows most of the fields', () => {
    const union = z.array(
      z.union([
        z.strictObject({ token: z.string(), provider: z.string() }),
        z.strictObject({ userId: z.string() }),
      ]),
    );
    expect(contexts(union, [{ token: 1, provider: 'x' }])).toEqual(['$[0].token']);
    expect(contexts(union, [{ userId: 1 }])).toEqual(['$[0].userId']);
    expect(contexts(union, [{}])).toEqual(['$[0].token', '$[0].provider']);
  });

  it('stops at a hundred, also inside one issue', () => {
    const many = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`k${i}`, 1]));
    expect(contexts(z.strictObject({}), many)).toHaveLength(MAX_FAULTS);
    expect(contexts(z.array(z.string()), Array(150).fill(1))).toHaveLength(MAX_FAULTS);
  });

  it('reads the standard’s own form of a path', () => {
    expect(faultsOf([{ message: 'm', path: [{ key: 'a' }, { key: 1 }] }])).toEqual([
      { message: 'm', context: '$.a[1]' },
    ]);
  });
});
