import { z } from 'zod';
import { ErrorBody } from './error-body.js';
import { RenderedContent } from './push-notification.js';
import { Recipient } from './recipient.js';

const errors = ErrorBody.shape.errors;
const bytes = z.int().min(0);

export const PreflightRecipient = z
  .strictObject({
    to: Recipient,
    content: RenderedContent.optional().meta({
      description: 'As the device would show it. Absent when it cannot be rendered.',
    }),
    tags: z.record(z.string(), z.string()).optional(),
    bytes: z
      .strictObject({ fcm: bytes, apn: bytes })
      .optional()
      .meta({ description: 'What counts against the limit of each provider, 4,096 bytes.' }),
    errors,
  })
  .meta({ id: 'PreflightRecipient' });
export type PreflightRecipient = z.output<typeof PreflightRecipient>;

export const Preflight = z
  .strictObject({
    checked: z
      .int()
      .min(0)
      .meta({
        description:
          'How many recipients were looked at; less than all of `to` when rendering took too long or ' +
          'the answer would grow too large, and 0 when `content` or `tags` break a rule: `errors` says which.',
      }),
    recipients: z.array(PreflightRecipient),
    errors: errors.meta({ description: 'Rules that the send as a whole breaks.' }),
  })
  .meta({ id: 'Preflight' });
export type Preflight = z.output<typeof Preflight>;
