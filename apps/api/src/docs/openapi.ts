import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';
import { documentWhatGoesForAll } from './for-all.js';

/** In the order of the page. */
const TAGS: [name: string, description: string][] = [
  ['Push notifications', 'Send, look at, cancel and send again.'],
  ['Operations', 'What one send made, as a whole.'],
  ['Device registrations', "A user's devices in an App."],
  ['Users', 'Made by registering a device.'],
  ['Apps', 'What has credentials of its own; made by its first.'],
  ['Credentials', 'What a provider is shown. Secrets go in and never come out.'],
  ['API keys', 'For callers that should not hold the auth token.'],
  ['Health', 'Probes, without authentication.'],
];

/** The contract as OpenAPI, drawn from the controllers and the schemas that they check with. */
export function openApiOf(app: INestApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Fanfare')
    .setDescription(
      'Self-hosted push gateway for FCM and APNs. Basic auth: account id and auth token, or API key ' +
        'and its secret; `x-scope` of an operation says which scope a key needs for it. Characters are Unicode ' +
        'code points unless it says otherwise.',
    )
    .setVersion('1')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer('.', 'This gateway, wherever this document came from.')
    .addBasicAuth({ type: 'http', scheme: 'basic' }, 'basic')
    .addSecurityRequirements('basic');
  for (const tag of TAGS) builder.addTag(...tag);
  const document = SwaggerModule.createDocument(app, builder.build(), {
    autoTagControllers: false,
    operationIdFactory: (_controller, method) => method,
    standardSchemaConverter: (schema, { schemaType }) =>
      schema instanceof z.ZodType ? { ...convert(schema, schemaType) } : undefined,
  });
  document.paths = inReadingOrder(document.paths);
  return documentWhatGoesForAll(document);
}

const METHODS = ['post', 'get', 'put', 'patch', 'delete'] as const;

/**
 * The page lists operations as the document has them: what is above what is below it, and what makes something
 * before what ends it. The router needs another order, that of the controllers.
 */
function inReadingOrder(paths: OpenAPIObject['paths']): OpenAPIObject['paths'] {
  const rank = (path: string) => path.replaceAll('/', ' ').replaceAll('{', '~');
  const sorted = Object.entries(paths).sort(([a], [b]) => (rank(a) < rank(b) ? -1 : 1));
  return Object.fromEntries(
    sorted.map(([path, item]) => {
      const { post, get, put, patch, delete: remove, ...rest } = item;
      const operations = { post, get, put, patch, delete: remove };
      const given = METHODS.filter((method) => operations[method] !== undefined);
      const ordered = given.map((method) => [method, operations[method]] as const);
      return [path, { ...Object.fromEntries(ordered), ...rest }];
    }),
  );
}

/** Checks that JSON Schema has no word for are described by their schema's metadata. */
function convert(schema: z.ZodType, io: 'input' | 'output') {
  const { $defs = {}, ...converted } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    unrepresentable: 'any',
    io,
  });
  // OpenAPI 3.1 says the dialect once for all.
  delete converted.$schema;
  return { schema: converted, components: $defs as Record<string, unknown> };
}
