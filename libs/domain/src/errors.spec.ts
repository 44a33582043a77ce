import { describe, expect, it } from '@jest/globals';
import {
  Conflict,
  FAILURES,
  Forbidden,
  InvalidRequest,
  NotFound,
  TooLarge,
  Unauthorized,
  Unavailable,
} from './errors.js';

describe('errors', () => {
  it('have the codes of the contract', () => {
    const errors = [
      new InvalidRequest([]),
      new Unauthorized(''),
      new Forbidden(''),
      new NotFound(''),
      new Conflict(''),
      new TooLarge(''),
      new Unavailable(''),
    ];
    expect(errors.map(({ status, code }) => [status, code])).toEqual([
      [400, 70002],
      [401, 20003],
      [403, 20403],
      [404, 20404],
      [409, 20409],
      [413, 20413],
      [503, 20503],
    ]);
    expect(errors.map(({ name }) => name)).toContain('InvalidRequest');
  });

  it('an invalid request speaks with its first fault', () => {
    const faults = [
      { message: 'one', context: '$.a' },
      { message: 'two', context: '$.b' },
    ];
    expect(new InvalidRequest(faults)).toMatchObject({ message: 'one', faults });
    expect(new InvalidRequest([]).message).toBe('The request is not valid.');
  });
});

describe('the catalogue of failures', () => {
  const failures = Object.values(FAILURES);

  it('has one number a failure', () => {
    expect(new Set(failures.map(({ code }) => code)).size).toBe(failures.length);
  });

  it('keeps its numbers: callers store them', () => {
    const numbers = Object.entries(FAILURES).map(([name, { code }]) => `${code} ${name}`);
    expect(numbers).toEqual([
      '71001 UNREGISTERED',
      '71002 INVALID_TOKEN',
      '71003 PAYLOAD_REJECTED',
      '71004 PAYLOAD_TOO_LARGE',
      '71005 LIQUID_RENDER',
      '71006 CREDENTIAL_DELETED',
      '71007 CREDENTIAL_REJECTED',
      '71008 EXPIRED',
      '71009 RETRIES_EXHAUSTED',
      '71010 OUTCOME_UNKNOWN',
      '71011 THIRD_PARTY_AUTH',
      '71012 UNADDRESSABLE',
    ]);
  });

  it('says in a sentence each what happened and what to do', () => {
    for (const { sentence, action } of failures) {
      expect(sentence).toMatch(/^[A-Z].*\.$/);
      expect(action).toMatch(/^[A-Z].*\.$/);
      // They stand in a table.
      expect(sentence + action).not.toMatch(/[|\n]/);
    }
  });
});
