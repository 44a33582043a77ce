import { SCOPES, formatApiKeyId } from '@app/domain';
import type { ApiKey as DomainApiKey } from '@app/domain';
import { z } from 'zod';
import { Timestamp, formatInstant } from './instants.js';
import { LIMITS } from './limits.js';
import { Pagination, paging } from './list.js';
import { text } from './text.js';

const name = text()
  .min(1)
  .max(LIMITS.apiKeyNameCharacters.max)
  .meta({ description: 'For people.', examples: ['shop backend'] });

const scopes = z
  .array(z.enum(SCOPES))
  .min(1, 'At least one scope is needed.')
  .max(SCOPES.length)
  .refine((list) => new Set(list).size === list.length, 'A scope is named twice.')
  .meta({
    uniqueItems: true,
    description:
      '`send` hands over pushes, `read` looks at everything, `manage` changes everything else.',
  });

export const ApiKeyCreate = z
  .strictObject({ name, scopes })
  .meta({ id: 'ApiKeyCreate', examples: [{ name: 'shop backend', scopes: ['send', 'read'] }] });
export type ApiKeyCreate = z.output<typeof ApiKeyCreate>;

export const ApiKey = z
  .strictObject({
    id: z.string().regex(/^SK[0-9a-f]{32}$/),
    name,
    scopes,
    createdAt: Timestamp,
  })
  .meta({ id: 'ApiKey' });
export type ApiKey = z.output<typeof ApiKey>;

export const ApiKeyCreated = ApiKey.extend({
  secret: z.string().meta({ description: 'Shown this once; only its hash is kept.' }),
}).meta({ id: 'ApiKeyCreated' });
export type ApiKeyCreated = z.output<typeof ApiKeyCreated>;

export const ApiKeyList = z
  .strictObject({ apiKeys: z.array(ApiKey), pagination: Pagination })
  .meta({ id: 'ApiKeyList' });
export type ApiKeyList = z.output<typeof ApiKeyList>;

export const ApiKeyQuery = z.strictObject({ ...paging });
export type ApiKeyQuery = z.output<typeof ApiKeyQuery>;

/** The resource of an API key: never its secret. */
export function toApiKey(key: DomainApiKey): ApiKey {
  return {
    id: formatApiKeyId(key.id),
    name: key.name,
    scopes: key.scopes,
    createdAt: formatInstant(key.createdAt),
  };
}
