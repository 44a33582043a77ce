import { describe, expect, it } from '@jest/globals';
import { heedRegistration, retiredBefore } from './dead-token.js';
import type { UnregisteredOutcome } from './outcome.js';

const at = (second: number) => new Date(Date.UTC(2026, 3, 20, 14, 22, second));
const answer = { status: 410, reason: 'Unregistered', message: '' };
const gone = (since?: Date): UnregisteredOutcome => ({
  ...answer,
  kind: 'unregistered',
  ...(since === undefined ? {} : { since }),
});

describe('heedRegistration', () => {
  it('takes a death before the registration for a token that does not fit', () => {
    expect(heedRegistration(gone(at(1)), at(2))).toEqual({ ...answer, kind: 'invalid-token' });
  });

  it.each([
    ['dies after its registration', gone(at(3)), at(2)],
    ['dies at that very instant', gone(at(2)), at(2)],
    ['is not registered', gone(at(1)), null],
    ['died nobody says when', gone(), at(2)],
  ])('leaves a token dead that %s', (_, outcome, registeredAt) => {
    expect(heedRegistration(outcome, registeredAt)).toBe(outcome);
  });
});

describe('retiredBefore', () => {
  it("is the attempt's beginning, or the provider's instant when that is earlier", () => {
    expect(retiredBefore(at(5), null)).toEqual(at(5));
    expect(retiredBefore(at(5), at(3))).toEqual(at(3));
    expect(retiredBefore(at(5), at(7))).toEqual(at(5));
  });
});
