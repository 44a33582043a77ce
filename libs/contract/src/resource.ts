import { z } from 'zod';

/** What a change is answered with: which resource, and where to look at it. */
export const ResourceAccepted = z
  .strictObject({ resourceId: z.string(), resourceLocation: z.url() })
  .meta({ id: 'ResourceAccepted' });
export type ResourceAccepted = z.output<typeof ResourceAccepted>;

export const DefaultChange = z
  .strictObject({
    isDefault: z.boolean().meta({
      description: '`true` moves the mark here; `false` on the default is a conflict.',
    }),
  })
  .meta({ id: 'DefaultChange' });
export type DefaultChange = z.output<typeof DefaultChange>;
