import { z } from 'zod';

/** No answer names more faults. */
export const MAX_FAULTS = 100;

/** The body of every answer that is not a success. */
export const ErrorBody = z
  .strictObject({
    code: z.int(),
    message: z.string(),
    status: z.int().meta({ description: 'HTTP status.' }),
    errors: z
      .array(
        z.strictObject({
          code: z.int(),
          message: z.string(),
          context: z.string().meta({ description: 'JSONPath.', examples: ['$.to[3].token'] }),
        }),
      )
      .meta({ description: `One item a fault found, up to ${MAX_FAULTS}.` }),
  })
  .meta({
    id: 'Error',
    examples: [
      {
        code: 70002,
        message: 'The request breaks the contract.',
        status: 400,
        errors: [{ code: 70002, message: 'Expected a string.', context: '$.to[3].token' }],
      },
    ],
  });
export type ErrorBody = z.output<typeof ErrorBody>;

export const Health = z
  .strictObject({
    status: z.enum(['ok', 'unavailable']),
    checks: z.record(z.string(), z.enum(['ok', 'failed'])),
  })
  .meta({ id: 'Health' });
export type Health = z.output<typeof Health>;
