import type { ErrorBody } from '@app/contract';
import {
  FanfareError,
  InvalidRequest,
  TooManyRequests,
  Unauthorized,
  Unavailable,
} from '@app/domain';
import { HttpException } from '@nestjs/common';

/** An error as it leaves over HTTP. */
export interface ErrorAnswer {
  status: number;
  headers: Record<string, string>;
  body: ErrorBody;
  /** It is our fault: the log must have it. */
  unexpected: boolean;
}

/** What Fastify hangs on its errors. */
interface HttpError {
  code?: unknown;
  statusCode?: unknown;
}

/** Turns whatever was thrown into an answer of the contract. Nothing internal leaks. */
export function answerOf(error: unknown): ErrorAnswer {
  if (error instanceof FanfareError) return answerOfOurs(error);
  if (typeof error !== 'object' || error === null) return answer(500);
  const { code, statusCode }: HttpError = error;
  // A path that does not decode or has an over-long id is an unknown one.
  if (code === 'FST_ERR_BAD_URL' || code === 'FST_ERR_MAX_PARAM_LENGTH') return answer(404);
  const status = error instanceof HttpException ? error.getStatus() : statusCode;
  if (typeof status !== 'number' || status < 400 || status > 499) return answer(500);
  // Nobody but the body parser says 400 in words other than ours.
  if (status === 400) return answerOfOurs(new InvalidRequest([UNREADABLE]));
  return answer(status);
}

/** An answer of the contract without faults: 404 for a route, 408 for a slow request, … */
export function answer(status: number, message = SENTENCES[status] ?? 'The request failed.') {
  return {
    status,
    headers: {},
    body: { code: codeOf(status), message, status, errors: [] },
    unexpected: status >= 500,
  } satisfies ErrorAnswer;
}

function answerOfOurs(error: FanfareError): ErrorAnswer {
  const { code, status, message, faults } = error;
  const headers: Record<string, string> = {};
  if (error instanceof Unauthorized) {
    headers['www-authenticate'] = 'Basic realm="fanfare", charset="UTF-8"';
  }
  if (error instanceof Unavailable || error instanceof TooManyRequests) {
    headers['retry-after'] = String(error.retryAfterSeconds);
  }
  const errors = faults.map((fault) => ({ code, ...fault }));
  return { status, headers, body: { code, message, status, errors }, unexpected: false };
}

/** The codes of the contract follow the status. */
function codeOf(status: number): number {
  return status === 400 ? 70002 : 20_000 + status;
}

/** A body that Fastify could not read. Its own words may quote the body: a token is in there. */
const UNREADABLE = { message: 'The body is not valid JSON.', context: '$' };

const SENTENCES: Record<number, string> = {
  404: 'There is nothing here.',
  408: 'The request took too long to arrive.',
  413: 'The body is larger than 10 MB.',
  415: 'The body must be application/json.',
  431: 'The headers are too large.',
  500: 'Something went wrong on our side; the request id finds it in the log.',
};
