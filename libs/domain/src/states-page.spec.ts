import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { OPERATION_STATUSES } from './operation.js';
import type { Outcome } from './outcome.js';
import { PUSH_STATUSES } from './push-notification.js';
import { failed, released, rescheduled, sent } from './settle.js';
import * as moves from './transitions.js';

const page = readFileSync(join(import.meta.dirname, '../../../docs/states.md'), 'utf8');

/** First cells of the table rows below a heading. */
const rowsOf = (heading: string): string[][] => {
  const section = page.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    .slice(1)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
};

// A kind that is added to the union does not compile without its line here.
const OUTCOMES: Record<Outcome['kind'], true> = {
  accepted: true,
  unregistered: true,
  'invalid-token': true,
  payload: true,
  credential: true,
  retry: true,
  unknown: true,
  'not-sent': true,
};

describe('docs/states.md', () => {
  it('names every transition, with its ends; those of a settlement with their count', () => {
    const transitions = {
      sent: sent('id'),
      failed: failed('EXPIRED'),
      rescheduled: rescheduled(1),
      released: released(1),
    };
    const rows = rowsOf('A push notification').map(([name, move]) => `${name} ${move}`);
    const commanded = ['begun', 'canceled', 'expired', 'redriven'] as const;
    expect(rows).toEqual([
      ...Object.entries(transitions).map(([name, { to }]) => `\`${name}\` QUEUED → ${to}`),
      ...commanded.map((name) => `\`${name}\` ${moves[name].from.join(', ')} → ${moves[name].to}`),
    ]);
    expect(Object.keys(moves).sort()).toEqual(commanded);
    expect(transitions.rescheduled.counted).toBe(true);
    expect(transitions.released.counted).toBe(false);
  });

  it('draws every move of a caller or the clock', () => {
    for (const [name, { from, to }] of Object.entries(moves)) {
      for (const state of from) expect(page).toContain(`    ${state} --> ${to}: ${name}`);
    }
  });

  it('draws every state', () => {
    for (const status of PUSH_STATUSES) expect(page).toMatch(new RegExp(`--> ${status}\\b`));
    expect(new Set(rowsOf('An operation').map(([status]) => status))).toEqual(
      new Set(OPERATION_STATUSES),
    );
  });

  it('says what follows from every outcome', () => {
    expect(rowsOf('An outcome').map(([kind]) => kind)).toEqual(
      Object.keys(OUTCOMES).map((kind) => `\`${kind}\``),
    );
  });
});
