import { createHash } from 'node:crypto';
import type { Once } from '@app/persistence';
import { applyDecorators, createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import { ErrorBody, LIMITS } from '@app/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BrokenInput } from '../errors/broken-input.js';
import { updateWithJson } from './canonical-json.js';

const HEADER = 'Idempotency-Key';
const MAX_KEY = LIMITS.idempotencyKeyCharacters.max;

/** The caller's key, when there is one. A 400 when it has no sane length. */
export const IdempotencyKey = createParamDecorator(
  (_: unknown, context: ExecutionContext): string | undefined =>
    idempotencyKey(context.switchToHttp().getRequest<FastifyRequest>().headers),
);

/** @throws BrokenInput */
export function idempotencyKey(headers: FastifyRequest['headers']): string | undefined {
  const key = headers[HEADER.toLowerCase()];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && key.length >= 1 && key.length <= MAX_KEY) return key;
  throw new BrokenInput([
    { message: `An ${HEADER} has 1 to ${MAX_KEY} characters.`, context: `$['${HEADER}']` },
  ]);
}

/** Documents the header and what comes of it. */
export function TakesIdempotencyKey(): MethodDecorator {
  return applyDecorators(
    ApiHeader({
      name: HEADER,
      required: false,
      description:
        'Makes a repetition harmless: the same request under the same key gets its first answer again, ' +
        'with `Idempotent-Replayed: true`. The same is a body with the same JSON, in whatever order its ' +
        'fields are. Kept for 24 hours.',
      schema: { type: 'string', minLength: 1, maxLength: MAX_KEY },
    }),
    ApiResponse({
      status: 422,
      description: 'The Idempotency-Key was used for another request.',
      standardSchema: ErrorBody,
    }),
  );
}

/**
 * What tells a repetition from another request: method, path and the body.
 *
 * The body as it came, not as the schema made it: a release that adds a field with a default would else call a
 * repeat of yesterday's request another one. Of its JSON the values count, not the bytes: a caller that makes its
 * request anew may have its fields in another order.
 *
 * @param body of JSON's types only, and nested no deeper than a schema takes.
 */
export function onceOf(
  key: string | undefined,
  method: string,
  path: string,
  body: unknown = null,
): Once | undefined {
  if (key === undefined) return undefined;
  const hash = createHash('sha256').update(`${method} ${path}\n`);
  updateWithJson(hash, body);
  return { key, fingerprint: hash.digest() };
}

export function markReplayed(reply: FastifyReply, replayed: boolean): void {
  if (replayed) void reply.header('idempotent-replayed', 'true');
}
