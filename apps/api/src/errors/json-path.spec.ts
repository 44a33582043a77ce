import { describe, expect, it } from '@jest/globals';
import { jsonPath } from './json-path.js';

describe('jsonPath', () => {
  it.each<[PropertyKey[], string]>([
    [[], '$'],
    [['to', 3, 'token'], '$.to[3].token'],
    [['content', 'data', 'a b'], "$.content.data['a b']"],
    [['x', "it's \\"], "$.x['it\\'s \\\\']"],
    [['0'], "$['0']"],
    [[''], "$['']"],
  ])('%j → %s', (path, text) => {
    expect(jsonPath(path)).toBe(text);
  });

  it('does not repeat a key of any length', () => {
    expect(jsonPath(['k'.repeat(10_000)])).toBe(`$.${'k'.repeat(100)}`);
  });
});
