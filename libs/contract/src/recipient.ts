import { PROVIDERS } from '@app/domain';
import { z } from 'zod';
import { MAX_FAULTS } from './error-body.js';
import { idText } from './ids.js';
import { LIMITS } from './limits.js';
import { isStorable, isText, stringMap } from './text.js';

export const MAX_RECIPIENTS = LIMITS.recipients.max;

const variables = stringMap({
  maxEntries: LIMITS.variables.max,
  maxBytes: LIMITS.variableBytes.max,
  description: 'Values for the templates, at most 100 and 32 KB a recipient.',
}).optional();

export const DeviceToken = z
  .string()
  .min(1)
  .max(LIMITS.tokenCharacters.max)
  // The providers' business beyond this: never check the form of a token.
  .refine(isStorable, 'The token holds a NUL or half of a surrogate pair.')
  .meta({ description: 'Device token, opaque.' });

export const TokenRecipient = z
  .strictObject({
    token: DeviceToken,
    provider: z.enum(PROVIDERS),
    variables,
  })
  .meta({ id: 'TokenRecipient', description: 'One device.' });
export type TokenRecipient = z.output<typeof TokenRecipient>;

export const UserRecipient = z.strictObject({ userId: idText('user'), variables }).meta({
  id: 'UserRecipient',
  description:
    'Every device of a user in the App in force: that of `from`, else the default App. Devices that ' +
    'the send has no credential for are left out; a user who is unknown or left without a device is ' +
    'counted as unaddressable. At most 100,000 pushes may come of one request.',
});
export type UserRecipient = z.output<typeof UserRecipient>;

export const Recipient = z.union([TokenRecipient, UserRecipient]).meta({ id: 'Recipient' });
export type Recipient = z.output<typeof Recipient>;

/**
 * The work on a bad list is bounded: its length is checked before any item, and of a list with very
 * many bad items only so much is checked as holds all the faults that an answer can name.
 */
export const Recipients = z
  .preprocess((value, ctx) => {
    if (!Array.isArray(value)) return value;
    if (value.length <= MAX_RECIPIENTS) return untilFaulty(value);
    ctx.issues.push({
      code: 'custom',
      message: `There are ${value.length} recipients, at most ${MAX_RECIPIENTS} are taken.`,
      input: undefined,
    });
    return z.NEVER;
  }, z.array(Recipient).min(1, 'At least one recipient is needed.').max(MAX_RECIPIENTS))
  .meta({ description: 'Who gets it; FCM and APN may be mixed.' });

/** The list up to its 100th item that is plainly wrong; the schema then says what is wrong. */
function untilFaulty(items: unknown[]): unknown[] {
  let faulty = 0;
  for (const [at, item] of items.entries()) {
    if (isPlainlyWrong(item) && ++faulty === MAX_FAULTS) return items.slice(0, at + 1);
  }
  return items;
}

/** Cheap, and never true of a recipient that the schema takes. */
function isPlainlyWrong(item: unknown): boolean {
  if (typeof item !== 'object' || item === null) return true;
  const { token, provider, userId, variables: map } = item as Record<string, unknown>;
  if (typeof map === 'object' && map !== null && !Object.values(map).every(isText)) return true;
  if (userId !== undefined) return typeof userId !== 'string';
  return typeof token !== 'string' || (provider !== 'FCM' && provider !== 'APN');
}
