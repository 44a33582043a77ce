import { CREDENTIAL_TYPES, formatId } from '@app/domain';
import type { App as DomainApp } from '@app/domain';
import { z } from 'zod';
import { AppName, idText } from './ids.js';
import { Timestamp, formatInstant } from './instants.js';
import { Pagination, booleanFilter, creation, datesInOrder, paging } from './list.js';
import { EVEN_WHEN_BROKEN } from './text.js';

export const App = z
  .strictObject({
    name: AppName,
    isDefault: z.boolean().meta({ description: 'A send without `from` uses this App.' }),
    defaultCredentials: z
      .array(
        z.strictObject({
          credentialType: z.enum(CREDENTIAL_TYPES),
          credentialId: idText('credential'),
        }),
      )
      .meta({ description: 'At most one of each type.' }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .meta({ id: 'App' });
export type App = z.output<typeof App>;

export const AppList = z
  .strictObject({ apps: z.array(App), pagination: Pagination })
  .meta({ id: 'AppList' });
export type AppList = z.output<typeof AppList>;

export const AppQuery = z
  .strictObject({
    isDefault: booleanFilter('Only the default App, or only the others.'),
    ...creation,
    ...paging,
  })
  .superRefine(datesInOrder, EVEN_WHEN_BROKEN);
export type AppQuery = z.output<typeof AppQuery>;

/** The resource of an App. */
export function toApp(app: DomainApp): App {
  return {
    name: app.name,
    isDefault: app.isDefault,
    defaultCredentials: app.defaultCredentials.map(({ credentialType, credentialId }) => ({
      credentialType,
      credentialId: formatId('credential', credentialId),
    })),
    createdAt: formatInstant(app.createdAt),
    updatedAt: formatInstant(app.updatedAt),
  };
}
