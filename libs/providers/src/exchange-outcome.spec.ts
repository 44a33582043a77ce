import { describe, expect, it } from '@jest/globals';
import { unansweredOutcome } from './exchange-outcome.js';

describe('unansweredOutcome', () => {
  it('says of a refused client certificate that nothing had left', () => {
    expect(unansweredOutcome({ kind: 'certificate-refused', message: 'alert 42' })).toEqual({
      kind: 'credential',
      unsent: true,
      reason: 'certificate-refused',
      message: 'alert 42',
    });
  });

  it('does not say so of a request that was lost on the wire', () => {
    const outcome = unansweredOutcome({ kind: 'lost', reason: 'deadline', message: '' });
    expect(outcome).toEqual({ kind: 'unknown', reason: 'deadline', message: '' });
  });
});
