import { LiquidError } from 'liquidjs';

/** A template that does not parse. `message` is one sentence without the position. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';

  /** @param line from 1. @param column from 1. */
  constructor(
    message: string,
    readonly line: number,
    readonly column: number,
  ) {
    super(message);
  }
}

/**
 * Why a render failed: its output grew too long (`output`), it worked too much (`limit`), or the
 * template does not fit these values (`template`, such as base64_decode of something else).
 */
export type RenderFailure = 'output' | 'limit' | 'template';

/** A render that failed. `message` is one sentence without the position. */
export class RenderError extends Error {
  override readonly name = 'RenderError';

  constructor(
    message: string,
    readonly failure: RenderFailure,
    readonly line: number,
    readonly column: number,
  ) {
    super(message);
  }
}

/** Thrown inside the engine by our own limits; leaves it as a `RenderError`. */
export class LimitReached extends Error {
  override readonly name = 'LimitReached';

  constructor(
    readonly failure: 'output' | 'limit',
    message: string,
    /** The clock decided, not the template alone: a paused process may be to blame. */
    readonly byClock = false,
  ) {
    super(message);
  }
}

/** The cause that the engine wrapped, with its place; anything else counts as line 1, column 1. */
export function placeOf(error: unknown): { cause: Error; line: number; column: number } {
  if (LiquidError.is(error)) {
    const [line = 1, column = 1] = error.token.getPosition();
    return { cause: error.originalError ?? withoutPlace(error), line, column };
  }
  return { cause: error instanceof Error ? error : new Error(String(error)), line: 1, column: 1 };
}

/** The engine appends the place to its own messages. */
function withoutPlace(error: Error): Error {
  return new Error(error.message.replace(/(, file:[^,]*)?, line:\d+, col:\d+$/, ''));
}
