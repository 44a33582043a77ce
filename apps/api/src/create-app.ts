import 'reflect-metadata';
import type { Metrics } from '@app/platform';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import type { AppParts } from './app.module.js';
import { registerAuthentication } from './auth/authentication.js';
import { Authenticator } from './auth/authenticator.js';
import { serveDocs } from './docs/docs-page.js';
import { openApiOf } from './docs/openapi.js';
import { ContractPipe } from './errors/contract.pipe.js';
import { quietNestLogger } from './http/logging.js';
import { measureRequests } from './http/request-metrics.js';
import { createAdapter } from './http/server.js';
import { RateLimits, registerRateLimits } from './rate-limits/rate-limits.js';

/** The api, complete but not listening. */
export async function createApp(
  parts: AppParts & { metrics: Metrics },
): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.of(parts),
    createAdapter(parts.leaving),
    { logger: quietNestLogger(parts.logger), bodyParser: false, abortOnError: false },
  );
  const fastify = app.getHttpAdapter().getInstance();
  registerAuthentication(fastify, app.get(Authenticator));
  registerRateLimits(fastify, app.get(RateLimits));
  measureRequests(fastify, parts.metrics);
  app.useGlobalPipes(new ContractPipe());
  serveDocs(fastify, () => openApiOf(app));
  await app.init();
  return app;
}
