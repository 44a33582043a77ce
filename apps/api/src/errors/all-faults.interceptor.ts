import { MAX_FAULTS } from '@app/contract';
import type { Fault } from '@app/domain';
import { Injectable, SetMetadata } from '@nestjs/common';
import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import type { FastifyRequest } from 'fastify';
import { catchError } from 'rxjs';
import type { Observable } from 'rxjs';
import type { z } from 'zod';
import { BrokenInput } from './broken-input.js';
import { faultsOf } from './faults.js';

/** As Nest keeps a handler's parameters: by kind and place. */
type Parameters = Record<string, { schema?: z.ZodType }>;

/** Nest's numbers of the kinds that have a schema. */
const PARTS = [
  ['3', 'body'],
  ['4', 'query'],
] as const;

type BodyRules = (body: unknown) => Fault[];
const BODY_RULES = Symbol('body rules');

/** Rules beyond the schema, for a body that breaks the schema: those of the parts that keep it are told too. */
export const AlsoTells = (rules: BodyRules): MethodDecorator => SetMetadata(BODY_RULES, rules);

/**
 * Nest checks a handler's parameters one by one and ends with the first that is refused. A caller is to hear
 * of all faults at once, so after a refusal, and only then, every part of the request is asked.
 */
@Injectable()
export class AllFaultsInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      catchError((error: unknown) => {
        throw error instanceof BrokenInput ? withAllFaults(error, context) : error;
      }),
    );
  }
}

function withAllFaults({ faults: known }: BrokenInput, context: ExecutionContext): BrokenInput {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const parameters = (Reflect.getMetadata(
    ROUTE_ARGS_METADATA,
    context.getClass(),
    context.getHandler().name,
  ) ?? {}) as Parameters;
  const faults: Fault[] = PARTS.flatMap(([kind, part]) =>
    Object.entries(parameters)
      .filter(([key]) => key.startsWith(`${kind}:`))
      .flatMap(([, { schema }]) => faultsOf(schema?.safeParse(request[part]).error?.issues ?? [])),
  );
  const rules = Reflect.getMetadata(BODY_RULES, context.getHandler()) as BodyRules | undefined;
  faults.push(...(rules?.(request.body) ?? []));
  // What was refused is one of them, or a header's.
  const others = known.filter(({ context: place }) => !faults.some((one) => one.context === place));
  return new BrokenInput([...faults, ...others].slice(0, MAX_FAULTS));
}
