import { FanfareConnectionError, errorOf } from './errors.js';
import type { FanfareError } from './errors.js';

export interface TransportOptions {
  /** Where the gateway is, without `/v1`: `https://push.example`. */
  baseUrl: string;
  /** How long one try may take, its answer included. Default: 30,000. */
  timeoutMs?: number | undefined;
  /** How often a request is tried again. Default: 3. */
  maxRetries?: number | undefined;
  /** A longer `Retry-After` is not waited for. Default: 60. */
  maxRetryAfterSeconds?: number | undefined;
  /** Default: the platform's own. */
  fetch?: typeof globalThis.fetch | undefined;
}

/** What every method takes as its last argument. */
export interface CallOptions {
  /** Ends the call, also while it waits to try again. */
  signal?: AbortSignal | undefined;
  /** In place of the client's own. */
  timeoutMs?: number | undefined;
}

export interface Request {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/v1`, percent-encoded. */
  path: string;
  query?: object | undefined;
  body?: unknown;
  idempotencyKey?: string | undefined;
  /** Doing it twice does no more than doing it once. */
  repeatable: boolean;
}

/** Sends requests with their credentials, and again when that is safe. */
export class Transport {
  private readonly root: string;
  private readonly timeoutMs: number;
  private readonly maxRetries: number;
  private readonly maxRetryAfterSeconds: number;
  private readonly fetch: typeof globalThis.fetch;

  constructor(
    private readonly authorization: string,
    { baseUrl, timeoutMs, maxRetries, maxRetryAfterSeconds, fetch }: TransportOptions,
  ) {
    this.root = `${baseUrl.replace(/\/+$/, '')}/v1/`;
    this.timeoutMs = timeoutMs ?? 30_000;
    this.maxRetries = maxRetries ?? 3;
    this.maxRetryAfterSeconds = maxRetryAfterSeconds ?? 60;
    // A browser's fetch works only as a function of its window.
    this.fetch = fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  /**
   * @returns the body of the answer.
   * @throws FanfareError, FanfareConnectionError; the signal's reason when it was aborted.
   */
  async send<T>(request: Request, options: CallOptions = {}): Promise<T> {
    for (let tries = 1; ; tries++) {
      const outcome = await this.try<T>(request, options);
      if ('answer' in outcome) return outcome.answer;
      const delayMs = tries > this.maxRetries ? null : this.delayMs(request, outcome.error, tries);
      if (delayMs === null) throw outcome.error;
      await wait(delayMs, options.signal);
    }
  }

  private async try<T>(
    request: Request,
    { signal, timeoutMs = this.timeoutMs }: CallOptions,
  ): Promise<{ answer: T } | { error: FanfareError | FanfareConnectionError }> {
    signal?.throwIfAborted();
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const response = await this.fetch(this.root + request.path + queryOf(request.query), {
        method: request.method,
        headers: this.headersOf(request),
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      });
      if (!response.ok) return { error: await errorOf(response) };
      return { answer: (await response.json()) as T };
    } catch (cause) {
      signal?.throwIfAborted();
      const message = timeout.aborted
        ? `No answer within ${timeoutMs} ms.`
        : 'The gateway could not be reached, or its answer not be read.';
      return { error: new FanfareConnectionError(message, timeout.aborted, cause) };
    }
  }

  private headersOf({ body, idempotencyKey }: Request): Record<string, string> {
    return {
      authorization: this.authorization,
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    };
  }

  /**
   * How long to wait before the next try; null when there is none. A 429 was refused before anything
   * was done. A 503, or a connection lost, may hide that it was: only what is repeatable is repeated.
   * A time-out is the end: the time that the caller grants is used up.
   */
  private delayMs(
    { repeatable }: Request,
    error: FanfareError | FanfareConnectionError,
    tries: number,
  ): number | null {
    if (error instanceof FanfareConnectionError) {
      return repeatable && !error.timedOut ? backoffMs(tries) : null;
    }
    const again = error.status === 429 || (error.status === 503 && repeatable);
    if (!again) return null;
    if (error.retryAfterSeconds === null) return backoffMs(tries);
    return error.retryAfterSeconds > this.maxRetryAfterSeconds
      ? null
      : error.retryAfterSeconds * 1000;
  }
}

/** Full jitter below 0.5 s, 1 s, 2 s, … 8 s. */
function backoffMs(tries: number): number {
  return Math.random() * Math.min(8_000, 500 * 2 ** (tries - 1));
}

async function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
    if (signal?.aborted === true) done();
  });
  signal?.throwIfAborted();
}

function queryOf(query: object | undefined): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}) as [string, unknown][]) {
    if (value !== undefined) search.set(name, textOf(value));
  }
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}

/** Dates and tags have a spelling of their own in a query. */
function textOf(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([key, each]) => `${key}:${each};`)
    .join('');
}

/** @returns a key that no other request has. */
export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
