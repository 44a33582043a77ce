import type { Uuid } from '@app/domain';
import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Authenticator } from './authenticator.js';

declare module 'fastify' {
  interface FastifyRequest {
    accountId: Uuid | null;
  }
}

/** The only paths that need no authentication. */
const OPEN = /^\/(health\/(live|ready)|openapi\.json|docs(\/[\w.-]+)?)$/;

/**
 * Authenticates before the body is read, so that a stranger cannot make us parse 10 MB; a Nest
 * guard would run after it. Every route that is not named here is closed.
 */
export function registerAuthentication(
  fastify: FastifyInstance,
  authenticator: Authenticator,
): void {
  fastify.decorateRequest('accountId', null);
  fastify.addHook('onRequest', async (request) => {
    // The route that was matched, not the text of the URL: the two cannot disagree.
    const route = request.routeOptions.url;
    if (route === undefined || OPEN.test(route)) return;
    request.accountId = await authenticator.authenticate(request.headers.authorization);
  });
}

/** The account that the request proved to be. */
export const AccountId = createParamDecorator((_: unknown, context: ExecutionContext): Uuid => {
  const { accountId } = context.switchToHttp().getRequest<FastifyRequest>();
  if (accountId === null) throw new Error('An open route must not ask for the account.');
  return accountId;
});
