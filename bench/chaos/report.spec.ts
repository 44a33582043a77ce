import { describe, expect, it } from '@jest/globals';
import { isGood, summary, table } from './report.js';
import type { Outcome } from './types.js';

const outcome = (
  more: Partial<Outcome> = {},
  found: Partial<Outcome['judgement']> = {},
): Outcome => ({
  options: { seconds: 9, rate: 8, seed: 77, backend: 'redis', jobSize: 1, kinds: ['down'] },
  faults: { down: 2 },
  cases: 2,
  counts: { requests: 5, unanswered: 1, replayed: 1, cancels: 1, users: 1 },
  unresolved: 0,
  lostJobs: 4,
  settledMs: 1_234,
  crashes: [],
  uncleanStops: [],
  judgement: {
    accepted: 10,
    sent: 7,
    failed: 2,
    canceled: 1,
    lost: 0,
    unaccounted: 0,
    duplicates: 3,
    duplicatesOutsideWindow: 0,
    findings: [],
    ...found,
  },
  ...more,
});

describe('a run', () => {
  it('is good when nothing was lost, contradicted, or doubled without need', () => {
    expect(isGood(outcome())).toBe(true);
    for (const found of ['lost', 'unaccounted', 'duplicatesOutsideWindow'])
      expect(isGood(outcome({}, { [found]: 1 }))).toBe(false);
  });

  it('is not good when a process ended by itself, or SIGTERM did not end it in order', () => {
    expect(isGood(outcome({ crashes: ['api ended by itself'] }))).toBe(false);
    expect(isGood(outcome({ uncleanStops: ['worker-1: exit code 1'] }))).toBe(false);
  });

  it('is not good when a request was never answered', () => {
    expect(isGood(outcome({ unresolved: 1 }))).toBe(false);
    expect(table(outcome({ unresolved: 1 }))).toMatch(/^ +never answered +1$/m);
  });

  it('says in its table and its object what was promised of both', () => {
    const names = [
      'cases',
      'accepted',
      'sent',
      'failed',
      'canceled',
      'lost',
      'unaccounted',
      'duplicates',
    ];
    const object = summary(outcome());
    expect(Object.keys(object).slice(0, 10)).toEqual([...names, 'duplicatesOutsideWindow', 'seed']);
    expect(object).toMatchObject({ cases: 2, accepted: 10, seed: 77, crashes: 0, uncleanStops: 0 });
    expect(object).toMatchObject({ unresolved: 0, lostJobs: 4, kinds: ['down'] });
    expect(object.command).toContain('--seconds 9 --rate 8 --seed 77');
    const lines = table(outcome({ crashes: ['api ended by itself'] }));
    for (const name of [...names, 'outside the window', 'seed'])
      expect(lines).toMatch(new RegExp(`^ +${name} +\\d+$`, 'm'));
    expect(lines).toContain('crash: api ended by itself');
    expect(lines).toMatch(/^ +settled after the last request +1\.2 s$/m);
    expect(object).toMatchObject({ settledSeconds: 1.2 });
  });

  it('tells the first twenty of what was found, in both', () => {
    const findings = Array.from({ length: 25 }, (_, n) => ({
      kind: 'lost' as const,
      what: `t${n}`,
    }));
    const found = outcome({}, { lost: 25, findings });
    expect(summary(found).findings).toHaveLength(20);
    expect(summary(found).findings[19]).toBe('lost: t19');
    expect(table(found)).toMatch(/^ {2}lost: t19\n {2}and 5 more$/m);
  });

  it('says of one that was never settled that it was not', () => {
    expect(table(outcome({ settledMs: null }))).toMatch(/settled after the last request +never$/m);
    expect(summary(outcome({ settledMs: null }))).toMatchObject({ settledSeconds: null });
  });
});
