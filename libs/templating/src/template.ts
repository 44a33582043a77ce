import { LRUCache } from 'lru-cache';
import { toValueSync } from 'liquidjs';
import type { Template as Node } from 'liquidjs';
import { MAX_SOURCE, RenderContext } from './budget.js';
import { CappedEmitter, createEngine } from './engine.js';
import { LimitReached, RenderError, TemplateError, placeOf } from './errors.js';

/** A template that parses. Immutable: render it as often as you like. */
export interface Template {
  /**
   * Renders synchronously; the same variables and instant give the same text in any process. A
   * variable that is missing is an empty string. Text without Liquid comes back as it is, however
   * long.
   *
   * @param variables own properties only are readable; left unchanged.
   * @param now what `now` and `today` mean to date filters.
   * @throws RenderError
   */
  render(variables: Record<string, string>, now: Date): string;
}

/** Messages may quote the template. */
const MAX_MESSAGE = 200;

const engine = createEngine();

/** Each push of an operation brings the same few sources. */
const compiled = new LRUCache<string, Template>({
  max: 2_000,
  maxSize: 4_000_000,
  sizeCalculation: (_template, source) => source.length + 100,
});

/**
 * Parses a Liquid template; the newest ones are kept, so that compiling again costs nothing.
 *
 * @throws TemplateError with line and column.
 */
export function compile(source: string): Template {
  if (!source.includes('{{') && !source.includes('{%')) return { render: () => source };
  let template = compiled.get(source);
  if (template === undefined) {
    template = new LiquidTemplate(parse(source));
    compiled.set(source, template);
  }
  return template;
}

function parse(source: string): Node[] {
  if (source.length > MAX_SOURCE) {
    throw new TemplateError(`the template is longer than ${MAX_SOURCE} characters`, 1, 1);
  }
  try {
    return engine.parse(source);
  } catch (error) {
    const { cause, line, column } = placeOf(error);
    throw new TemplateError(cause.message.slice(0, MAX_MESSAGE), line, column);
  }
}

class LiquidTemplate implements Template {
  constructor(private readonly nodes: Node[]) {}

  render(variables: Record<string, string>, now: Date): string {
    try {
      return this.attempt(variables, now);
    } catch (error) {
      const { cause } = placeOf(error);
      // When the clock ran out the process may have been paused in mid-render: that must not cost
      // a push, so it has a second try.
      if (!(cause instanceof LimitReached && cause.byClock)) throw toRenderError(error);
    }
    try {
      return this.attempt(variables, now);
    } catch (error) {
      throw toRenderError(error);
    }
  }

  private attempt(variables: Record<string, string>, now: Date): string {
    // `increment` writes to it. Without a prototype, names such as `constructor` are just missing.
    const scope: object = Object.assign(Object.create(null) as object, variables);
    const context = new RenderContext(scope, engine, now);
    const emitter = new CappedEmitter();
    toValueSync(engine.renderer.renderTemplates(this.nodes, context, emitter));
    return emitter.buffer;
  }
}

function toRenderError(error: unknown): RenderError {
  const { cause, line, column } = placeOf(error);
  const failure = cause instanceof LimitReached ? cause.failure : 'template';
  return new RenderError(cause.message.slice(0, MAX_MESSAGE), failure, line, column);
}
