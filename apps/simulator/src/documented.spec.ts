import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { behaviourChangeSchema } from './behaviour.js';
import { environmentSchema } from './config.js';
import { behaviours } from './rules.js';

const page = readFileSync(new URL('../../../docs/simulator.md', import.meta.url), 'utf8');
const control = readFileSync(new URL('control.ts', import.meta.url), 'utf8');
/** Set by who starts it, not by who uses it. */
const INTERNAL = ['EXIT_WITH_PARENT'];

/** First cells of all tables. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split(' |')[0] ?? '');

const hasRow = (name: string) => rows.some((row) => row.includes(`\`${name}`));

// A customer's staging system is built on that page: what it does not tell does not exist.
describe('docs/simulator.md has a row for', () => {
  it.each(behaviours)('tokens of sim.%s', (behaviour) => {
    expect(rows.some((row) => new RegExp(`\`sim\\.${behaviour}\\b`).test(row))).toBe(true);
  });

  it.each(Object.keys(environmentSchema.shape).filter((name) => !INTERNAL.includes(name)))(
    'the variable %s',
    (name) => {
      expect(hasRow(`${name}\``)).toBe(true);
    },
  );

  it.each(Object.keys(behaviourChangeSchema.shape).filter((field) => field !== 'provider'))(
    'the field %s of PUT /behaviour',
    (field) => {
      expect(hasRow(`${field}\``)).toBe(true);
    },
  );

  it.each([...control.matchAll(/case '([A-Z]+ \/[a-z/]+)'/g)].map(([, route]) => route as string))(
    '%s of the control port',
    (route) => {
      expect(rows.some((row) => new RegExp(`\`${route}[\`[]`).test(row))).toBe(true);
    },
  );
});

it('docs/simulator.md names no token, variable or field that is none', () => {
  const known = new Set<string>(behaviours);
  const tokens = [...page.matchAll(/`sim\.([a-z]+)/g)].map(([, name]) => name as string);
  expect(tokens.filter((name) => !known.has(name))).toEqual([]);
  const variables = [...page.matchAll(/`(SIMULATOR_[A-Z_]+)`/g)].map(([, name]) => name as string);
  expect(variables.filter((name) => !(name in environmentSchema.shape))).toEqual([]);
});
