import type { ErrorBody } from './contract.js';

/** One thing that is wrong with a request. */
export type Fault = ErrorBody['errors'][number];

/** The gateway answered, and not with a success. */
export class FanfareError extends Error {
  override readonly name = 'FanfareError';

  constructor(
    /** HTTP status. */
    readonly status: number,
    /** One of docs/errors.md; 20000 + status when something in between answered. */
    readonly code: number,
    message: string,
    /** Every fault of the request, up to 100, each with its JSONPath. */
    readonly errors: readonly Fault[],
    /** Finds the request in the gateway's log. */
    readonly requestId: string | null,
    /** What the gateway said, when it said when to try again. */
    readonly retryAfterSeconds: number | null,
  ) {
    super(message);
  }
}

/** No answer came: the connection failed or the time was up. What was asked for may have been done. */
export class FanfareConnectionError extends Error {
  override readonly name = 'FanfareConnectionError';

  constructor(
    message: string,
    readonly timedOut: boolean,
    cause: unknown,
  ) {
    super(message, { cause });
  }
}

/** @returns the error that an answer tells of, whoever wrote its body. */
export async function errorOf(response: Response): Promise<FanfareError> {
  const { status, headers } = response;
  const body = contractBody(await response.text());
  return new FanfareError(
    status,
    body?.code ?? 20_000 + status,
    body?.message ?? `The answer was ${status} ${response.statusText}`.trimEnd(),
    body?.errors ?? [],
    headers.get('x-request-id'),
    retryAfterSeconds(headers.get('retry-after')),
  );
}

function contractBody(text: string): ErrorBody | null {
  try {
    const body = JSON.parse(text) as Partial<ErrorBody> | null;
    return typeof body?.code === 'number' &&
      typeof body.message === 'string' &&
      Array.isArray(body.errors)
      ? (body as ErrorBody)
      : null;
  } catch {
    return null;
  }
}

/** Seconds, or a date as proxies write it. */
export function retryAfterSeconds(value: string | null, now = Date.now()): number | null {
  if (value === null) return null;
  if (/^\d+$/.test(value)) return Number(value);
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - now) / 1000));
}
