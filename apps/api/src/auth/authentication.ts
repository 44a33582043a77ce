import { Forbidden } from '@app/domain';
import type { Scope, Uuid } from '@app/domain';
import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Authenticator, Caller } from './authenticator.js';

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null;
  }
  interface FastifyContextConfig {
    /** What an API key must be good for; see `NeedsScope`. */
    scope?: Scope;
  }
}

/** The only paths that need no authentication. */
const OPEN = /^\/(health\/(live|ready)|openapi\.json|docs(\/[\w.-]*)?)$/;

/**
 * Authenticates before the body is read, so that a stranger cannot make us parse 10 MB; a Nest
 * guard would run after it. Every route that is not named here is closed, and one that does not say
 * which scope it needs stops the boot.
 */
export function registerAuthentication(
  fastify: FastifyInstance,
  authenticator: Authenticator,
): void {
  fastify.decorateRequest('caller', null);
  fastify.addHook('onRoute', ({ url, config }) => {
    if (!OPEN.test(url) && config?.scope === undefined) {
      throw new Error(`The route ${url} does not say which scope it needs.`);
    }
  });
  fastify.addHook('onRequest', async (request) => {
    // The route that was matched, not the text of the URL: the two cannot disagree.
    const { url, config } = request.routeOptions;
    if (url === undefined || OPEN.test(url)) return;
    const caller = await authenticator.authenticate(request.headers.authorization);
    if (config.scope === undefined || !caller.scopes.includes(config.scope)) {
      throw new Forbidden(`The API key lacks the scope ${config.scope}.`);
    }
    request.caller = caller;
  });
}

/** Whom the request proved to come from. */
export const FromCaller = createParamDecorator((_: unknown, context: ExecutionContext) =>
  callerOf(context),
);

/** The account that the request proved to be of. */
export const AccountId = createParamDecorator(
  (_: unknown, context: ExecutionContext): Uuid => callerOf(context).accountId,
);

function callerOf(context: ExecutionContext): Caller {
  const { caller } = context.switchToHttp().getRequest<FastifyRequest>();
  if (caller === null) throw new Error('An open route must not ask for the caller.');
  return caller;
}
