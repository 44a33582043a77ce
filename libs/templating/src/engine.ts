import { CycleTag, Liquid, Value, toValue } from 'liquidjs';
import type { Emitter, FilterImplOptions, Parser, TagToken, TopLevelToken } from 'liquidjs';
import { MAX_OUTPUT, MAX_SOURCE, bounded } from './budget.js';
import type { RenderContext } from './budget.js';
import { DATE_FILTERS, fixedDate } from './dates.js';
import { LimitReached } from './errors.js';

/** Deepest nesting of tags. */
const MAX_DEPTH = 50;
/** Longest format of a date filter; each letter of it may cost 50 µs. */
const MAX_DATE_FORMAT = 100;
/** What a date filter is charged: formatting one is about as slow as going through 500 characters. */
const DATE_COST = 500;

type FilterHandler = Extract<FilterImplOptions, (...args: never[]) => unknown>;

/** Collects output and stops the render as soon as there is too much of it. */
export class CappedEmitter implements Emitter {
  buffer = '';

  write(value: unknown): void {
    this.buffer += toText(value);
    if (this.buffer.length > MAX_OUTPUT) {
      throw new LimitReached('output', `the text is longer than ${MAX_OUTPUT} characters`);
    }
  }
}

function toText(value: unknown): string {
  const plain = toValue(value) as string | number | boolean | unknown[] | null | undefined;
  if (typeof plain === 'string') return plain;
  if (plain === undefined || plain === null) return '';
  if (Array.isArray(plain)) return plain.map(toText).join('');
  return String(plain);
}

/**
 * LiquidJS as it ships, without what reads files (`include`, `render`, `layout`, `block`), chance
 * (`sample`) or the clock, and with limits that hold while a template runs.
 */
export function createEngine(): Liquid {
  const engine = new Liquid({
    strictFilters: true,
    strictVariables: false,
    ownPropertyOnly: true,
    parseLimit: MAX_SOURCE,
    timezoneOffset: 0,
    locale: 'en-US',
    // Whatever looks for a file finds none.
    templates: {},
  });
  for (const tag of ['include', 'render', 'layout', 'block']) delete engine.tags[tag];
  engine.unregisterFilter('sample');
  engine.registerTag('cycle', CheckedCycleTag);
  limitNesting(engine);
  limitFilters(engine);
  limitCaptures(engine);
  return engine;
}

/** The engine looks at the filters of `cycle` only when it renders; an unknown one must not parse. */
class CheckedCycleTag extends CycleTag {
  constructor(token: TagToken, rest: TopLevelToken[], liquid: Liquid, _parser: Parser) {
    super(token, rest, liquid);
    const candidates = this['candidates'] as ConstructorParameters<typeof Value>[0][];
    for (const candidate of candidates) void new Value(candidate, liquid);
  }
}

/** Parser and renderer recurse: without this a deep template overflows the stack. */
function limitNesting(engine: Liquid): void {
  let depth = 0;
  for (const [name, tag] of Object.entries(engine.tags)) {
    const limited = new Proxy(tag, {
      construct(target, args: ConstructorParameters<typeof tag>) {
        depth++;
        try {
          if (depth > MAX_DEPTH) throw new Error(`tags are nested deeper than ${MAX_DEPTH}`);
          return new target(...args);
        } finally {
          depth--;
        }
      },
    });
    engine.registerTag(name, limited);
  }
}

function limitFilters(engine: Liquid): void {
  for (const [name, options] of Object.entries(engine.filters)) {
    if (typeof options !== 'function') continue; // `raw`, which returns its input.
    const handler = DATE_FILTERS.includes(name) ? onFixedDate(options) : options;
    engine.registerFilter(name, limited(handler));
  }
}

function limited(handler: FilterHandler): FilterHandler {
  return function (value: unknown, ...args: unknown[]): unknown {
    if (Array.isArray(value)) contextOf(this).budget.use(value.length);
    const result: unknown = handler.apply(this, [value, ...args]);
    return isSteps(result) ? boundedAtEnd(result) : bounded(result);
  };
}

function onFixedDate(handler: FilterHandler): FilterHandler {
  return function (value: unknown, ...args: unknown[]): unknown {
    const { budget, now } = contextOf(this);
    budget.use(DATE_COST);
    if (toText(args[0]).length > MAX_DATE_FORMAT) {
      throw new LimitReached('limit', `a date format is longer than ${MAX_DATE_FORMAT} characters`);
    }
    return handler.apply(this, [fixedDate(toValue(value), now), ...args]);
  };
}

/** `capture` collects into an emitter of its own, which the engine neither caps nor charges. */
function limitCaptures(engine: Liquid): void {
  const { renderer } = engine;
  const render = renderer.renderTemplates.bind(renderer);
  renderer.renderTemplates = (templates, context, emitter) =>
    emitter === undefined
      ? charged(render(templates, context, new CappedEmitter()), context as RenderContext)
      : render(templates, context, emitter);
}

function* charged(steps: IterableIterator<unknown>, { budget }: RenderContext): Steps {
  const text = (yield steps) as string;
  budget.use(text.length);
  return text;
}

/** How the engine writes what may be asynchronous: it evaluates what is yielded and answers it. */
type Steps = Generator<unknown, unknown, unknown>;

function* boundedAtEnd(steps: Steps): Steps {
  return bounded(yield steps);
}

function isSteps(value: unknown): value is Steps {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    typeof (value as { next?: unknown }).next === 'function'
  );
}

function contextOf(filter: ThisParameterType<FilterHandler>): RenderContext {
  return filter.context as RenderContext;
}
