import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';

/** The contract as OpenAPI, drawn from the controllers and the schemas that they check with. */
export function openApiOf(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('Fanfare')
    .setDescription(
      'Self-hosted push gateway for FCM and APNs. Basic auth: account id and auth token, or API key ' +
        'and its secret; `x-scope` of an operation says which scope a key needs for it.',
    )
    .setVersion('1')
    .addBasicAuth({ type: 'http', scheme: 'basic' }, 'basic')
    .addSecurityRequirements('basic')
    .build();
  return SwaggerModule.createDocument(app, config, {
    autoTagControllers: false,
    operationIdFactory: (_controller, method) => method,
    standardSchemaConverter: (schema, { schemaType }) =>
      schema instanceof z.ZodType ? { ...convert(schema, schemaType) } : undefined,
  });
}

/** Checks that JSON Schema has no word for are described by their schema's metadata. */
function convert(schema: z.ZodType, io: 'input' | 'output') {
  const { definitions = {}, ...converted } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    unrepresentable: 'any',
    io,
  });
  return { schema: converted, components: definitions as Record<string, unknown> };
}
