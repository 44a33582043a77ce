import type { IncomingMessage } from 'node:http';
import { serializeError } from '@app/platform';
import type { Logger } from '@app/platform';
import { RequestMethod } from '@nestjs/common';
import type { LoggerService } from '@nestjs/common';
import type { Params } from 'nestjs-pino';

interface LoggedRequest {
  method: string;
  url: string;
  /** Nest's middleware changes `url`. */
  originalUrl?: string;
}

/**
 * One line a request: id, method, path, status, time. Never headers, bodies or query strings: they
 * hold auth tokens, device tokens and page tokens.
 */
export function requestLogging(logger: Logger): Params {
  return {
    // nestjs-pino's own default matches nothing on this version of Nest's Fastify adapter.
    forRoutes: [{ path: '*path', method: RequestMethod.ALL }],
    pinoHttp: {
      logger,
      quietReqLogger: true,
      // Else pino-http's own serializers run first and copy whatever hangs on an error.
      wrapSerializers: false,
      serializers: {
        err: serializeError,
        req: ({ method, url, originalUrl = url }: LoggedRequest) => ({
          method,
          path: originalUrl.split('?', 1)[0],
        }),
        res: (response: { statusCode: number }) => ({ statusCode: response.statusCode }),
      },
      customSuccessMessage: () => 'Request answered',
      customErrorMessage: () => 'Request answered',
      // The filter has logged the error itself; here pino-http would make one up from the status.
      customErrorObject: (_request, _response, _error, { err: _made, ...line }: { err: Error }) =>
        line,
      autoLogging: { ignore: (request: IncomingMessage) => isHealthCheck(request.url) },
    },
  };
}

function isHealthCheck(url: string | undefined): boolean {
  return url?.startsWith('/health/') ?? false;
}

/** Nest's own words: what it does at start is noise, its warnings and errors are not. */
export function quietNestLogger(logger: Logger): LoggerService {
  return {
    log: () => undefined,
    warn: (message: unknown) => {
      logger.warn({ source: 'nest' }, String(message));
    },
    error: (message: unknown, ...rest: unknown[]) => {
      logger.error({ source: 'nest', detail: rest.map(String) }, String(message));
    },
  };
}
