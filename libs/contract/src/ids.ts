import { ID_PREFIX, parseId } from '@app/domain';
import type { IdKind, Uuid } from '@app/domain';
import { z } from 'zod';
import { LIMITS } from './limits.js';

/** Crockford's alphabet, lower case; the first character holds only three bits. */
const SUFFIX = '[0-7][0-9a-hjkmnp-tv-z]{25}';

const unknownId = (kind: IdKind) => `Unknown id: expected ${ID_PREFIX[kind]}_… of 26 characters.`;

const pattern = (kind: IdKind) => new RegExp(`^${ID_PREFIX[kind]}_${SUFFIX}$`);

/** An id as an answer holds it. */
export function idText(kind: IdKind) {
  return z.string().regex(pattern(kind), unknownId(kind));
}

/** An id in a body or a query: text in, UUID out; what does not decode is a fault. */
export function id(kind: IdKind) {
  const text = z.string().meta({ pattern: pattern(kind).source });
  return text.transform((value, ctx): Uuid => {
    const uuid = parseId(kind, value);
    if (uuid !== null) return uuid;
    ctx.issues.push({
      code: 'custom',
      message: unknownId(kind),
      input: undefined,
    });
    return z.NEVER;
  });
}

export const AppName = z
  .string()
  .regex(
    new RegExp(`^[a-z0-9_]{1,${LIMITS.appNameCharacters.max}}$`),
    `An App name has 1 to ${LIMITS.appNameCharacters.max} characters out of a-z, 0-9 and _.`,
  )
  .meta({ description: 'Name of an App.', examples: ['shop'] });
