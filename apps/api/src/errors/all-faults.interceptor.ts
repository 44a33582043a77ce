import { MAX_FAULTS } from '@app/contract';
import { InvalidRequest, Unavailable } from '@app/domain';
import type { Fault, Uuid } from '@app/domain';
import { Injectable, SetMetadata } from '@nestjs/common';
import type { CallHandler, ExecutionContext, NestInterceptor, Type } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { ModuleRef } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { PinoLogger } from 'nestjs-pino';
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

/** A request that breaks the schema of one of its parts. */
export interface BrokenRequest {
  accountId: Uuid;
  body: unknown;
  query: unknown;
  params: Readonly<Record<string, string>>;
  /** Places that the schemas have faults at. */
  named: ReadonlySet<string>;
}

/** Gives one of the module's providers. */
export type Provided = <T>(type: Type<T>) => T;

/** Looks at what the handler would look at; throws InvalidRequest when it is refused. */
type Rules = (request: BrokenRequest, of: Provided) => unknown;
const RULES = Symbol('rules');

/**
 * What a handler checks beyond its schemas, for a request that breaks one of them: what can be said of the parts
 * that are well-formed is told as well. A request that keeps the schemas never comes here.
 */
export const AlsoTells = (rules: Rules): MethodDecorator => SetMetadata(RULES, rules);

/**
 * Nest checks a handler's parameters one by one and ends with the first that is refused. A caller is to hear
 * of all faults at once, so after a refusal, and only then, every part of the request is asked.
 */
@Injectable()
export class AllFaultsInterceptor implements NestInterceptor {
  constructor(
    private readonly module: ModuleRef,
    private readonly logger: PinoLogger,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(
      catchError(async (error: unknown): Promise<never> => {
        throw error instanceof BrokenInput ? await this.withAllFaults(error, context) : error;
      }),
    );
  }

  private async withAllFaults(
    { faults: known }: BrokenInput,
    context: ExecutionContext,
  ): Promise<BrokenInput> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const faults = schemaFaults(request, context);
    // What was refused is one of them, or a header's.
    const places = new Set(faults.map(({ context: place }) => place));
    const others = known.filter(({ context: place }) => !places.has(place));
    // The answer is full: nothing that it could still name is worth looking for.
    if (faults.length < MAX_FAULTS) {
      faults.push(...(await this.furtherFaults(request, places, context)));
    }
    return new BrokenInput(distinct([...faults, ...others]).slice(0, MAX_FAULTS));
  }

  private async furtherFaults(
    { caller, body, query, params }: FastifyRequest,
    named: ReadonlySet<string>,
    context: ExecutionContext,
  ): Promise<readonly Fault[]> {
    const rules = Reflect.getMetadata(RULES, context.getHandler()) as Rules | undefined;
    if (rules === undefined || caller === null) return [];
    const request = {
      accountId: caller.accountId,
      body,
      query,
      params: params as Record<string, string>,
      named,
    };
    try {
      await rules(request, (type) => this.module.get(type, { strict: false }));
      return [];
    } catch (error) {
      if (error instanceof InvalidRequest) return error.faults;
      // Refused it is in any case, and what is known can be told.
      if (!(error instanceof Unavailable)) {
        this.logger.error({ err: error }, 'Looking for further faults failed');
      }
      return [];
    }
  }
}

function schemaFaults(request: FastifyRequest, context: ExecutionContext): Fault[] {
  const parameters = (Reflect.getMetadata(
    ROUTE_ARGS_METADATA,
    context.getClass(),
    context.getHandler().name,
  ) ?? {}) as Parameters;
  return PARTS.flatMap(([kind, part]) =>
    Object.entries(parameters)
      .filter(([key]) => key.startsWith(`${kind}:`))
      .flatMap(([, { schema }]) => faultsOf(schema?.safeParse(request[part]).error?.issues ?? [])),
  );
}

function distinct(faults: readonly Fault[]): Fault[] {
  const seen = new Map(faults.map((fault) => [`${fault.context} ${fault.message}`, fault]));
  return [...seen.values()];
}
