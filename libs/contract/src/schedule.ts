import { z } from 'zod';
import { parseInstant } from './instants.js';
import { LIMITS } from './limits.js';

export const MAX_SCHEDULE_DAYS = LIMITS.scheduleDays.max;

const FAULT =
  'Expected one date-time such as 2026-04-20T14:22:00Z; without a zone it is taken as UTC.';

const dateTime = () =>
  z.string(FAULT).meta({ format: 'date-time', examples: ['2026-04-20T14:22:00Z'] });

/**
 * The form only. Whether the instant lies ahead is looked at after the idempotency key: a request
 * that is repeated later gets its first answer.
 */
export const Schedule = z
  .strictObject({
    sendAt: z
      .union([z.array(dateTime(), FAULT).min(1).max(1), dateTime()])
      .transform((value, ctx): Date => {
        const [text = ''] = Array.isArray(value) ? value : [value];
        const instant = parseInstant(text);
        if (instant !== null) return instant;
        ctx.issues.push({ code: 'custom', message: FAULT, input: undefined });
        return z.NEVER;
      })
      .meta({ description: `When to send: one instant, at most ${MAX_SCHEDULE_DAYS} days ahead.` }),
  })
  .meta({ id: 'Schedule' });
