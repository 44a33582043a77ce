import type { Outcome, UnregisteredOutcome } from './outcome.js';

/**
 * A provider that names the instant of a token's death speaks of the token as it was then: one that
 * was registered later is not dead, it only does not fit.
 *
 * @param registeredAt when the token was last registered; null: it is not.
 * @see docs/providers.md, 410 of APNs
 */
export function heedRegistration(outcome: UnregisteredOutcome, registeredAt: Date | null): Outcome {
  const { since, ...answer } = outcome;
  if (since === undefined || registeredAt === null || since >= registeredAt) return outcome;
  return { ...answer, kind: 'invalid-token' };
}

/**
 * A dead token is retired only when it was registered before this instant: before the attempt began
 * and before the provider's own instant. Whatever was registered later is another story.
 *
 * @param claimedAt by the clock that registrations are dated by.
 */
export function retiredBefore(claimedAt: Date, since: Date | null): Date {
  return since !== null && since < claimedAt ? since : claimedAt;
}
