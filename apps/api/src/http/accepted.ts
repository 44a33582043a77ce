import type { ResourceAccepted } from '@app/contract';
import type { FastifyReply } from 'fastify';

/** The answer to a change, with its `Location`. */
export function accepted(
  reply: FastifyReply,
  resourceId: string,
  resourceLocation: string,
): ResourceAccepted {
  void reply.header('location', resourceLocation);
  return { resourceId, resourceLocation };
}
