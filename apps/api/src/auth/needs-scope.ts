import { ErrorBody } from '@app/contract';
import type { Scope } from '@app/domain';
import { applyDecorators } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiExtension, ApiResponse } from '@nestjs/swagger';

/** What an API key must be good for to use this endpoint; the account's auth token may always. */
export function NeedsScope(scope: Scope): MethodDecorator {
  return applyDecorators(
    RouteConfig({ scope }),
    ApiExtension('x-scope', scope),
    ApiResponse({
      status: 403,
      description: `The API key lacks the scope \`${scope}\`.`,
      standardSchema: ErrorBody,
    }),
  );
}
