import { pino } from 'pino';
import type { DestinationStream, Logger, LoggerOptions } from 'pino';

export type { Logger } from 'pino';

/**
 * Keys whose values are never logged, wherever they stand in the first three levels. Device tokens
 * count as secrets: they may appear in PostgreSQL and in answers with scope `read` only.
 */
const SECRET_KEYS = [
  'authorization',
  'cookie',
  'password',
  'passphrase',
  'token',
  'authToken',
  'accessToken',
  'secret',
  'privateKey',
  'signingKey',
  'certificate',
  'pkcs12',
  'encryptionKeys',
];

const redact = SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

/**
 * An error as it is logged: name, message, code, stack and causes. Anything else that a library
 * hung on it stays out: HTTP clients attach the whole request with its bearer token, PostgreSQL's
 * `detail` holds values of the row.
 */
export function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: serializeError(error.cause) }),
  };
}

/** Options that every logger of ours shares; the api gives them to nestjs-pino too. */
export function loggerOptions(level: string, name?: string): LoggerOptions {
  return {
    level,
    ...(name === undefined ? {} : { name }),
    redact: { paths: redact, censor: '[redacted]' },
    serializers: { err: serializeError, error: serializeError },
  };
}

/**
 * A JSON logger that redacts secrets.
 *
 * @param options.name the process: `api`, `worker` or `simulator`.
 * @param destination where lines go; standard output when absent.
 */
export function createLogger(
  options: { level: string; name?: string },
  destination?: DestinationStream,
): Logger {
  const base = loggerOptions(options.level, options.name);
  return destination === undefined ? pino(base) : pino(base, destination);
}
