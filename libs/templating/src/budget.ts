import { Context } from 'liquidjs';
import type { Liquid } from 'liquidjs';
import { LimitReached } from './errors.js';

/** Longest rendered text, in UTF-16 units. No provider takes more. */
export const MAX_OUTPUT = 4_096;
/** Largest template, in UTF-16 units. */
export const MAX_SOURCE = 65_536;
/** Largest value that a filter may return: characters and elements, nested ones included. */
export const MAX_VALUE = 100_000;
/** Characters and elements that all filters of one render may go through. */
export const MAX_MEMORY = 500_000;
/** Tags, outputs, pieces of text and filtered elements that one render may go through. */
export const MAX_STEPS = 20_000;
/** Wall clock of one render. The other limits come first; this one is for what they miss. */
export const MAX_MS = 250;

/**
 * What one render may spend. Steps and memory depend on the template and its values alone, so the
 * same push renders the same everywhere; the clock is looked at too, since single filters may
 * cost much more than they are charged.
 */
class Budget {
  private memory = 0;
  private steps = 0;
  private readonly deadline = performance.now() + MAX_MS;

  /** Stands in for the engine's memory limiter. */
  use(count: number): void {
    const cost = Number(count);
    if (cost > 0) this.memory += cost;
    if (this.memory > MAX_MEMORY) {
      throw new LimitReached('limit', 'the template uses too much memory');
    }
    this.check();
  }

  /** Stands in for the engine's time limiter: called before each tag, output and piece of text. */
  check(): void {
    if (++this.steps > MAX_STEPS) {
      throw new LimitReached('limit', 'the template takes too many steps');
    }
    if (performance.now() > this.deadline) {
      throw new LimitReached('limit', 'the template takes too long', true);
    }
  }
}

type Limits = NonNullable<ConstructorParameters<typeof Context>[3]>;

/** One render: its variables, its frozen clock and its budget. */
export class RenderContext extends Context {
  /** @param scope is written to by `increment`; give a copy. */
  constructor(
    scope: object,
    engine: Liquid,
    readonly now: Date,
    readonly budget = new Budget(),
  ) {
    // The engine's Limiter is a class with private fields, not an interface, and is not exported.
    const limiter = budget as unknown as NonNullable<Limits['memoryLimit']>;
    super(
      scope,
      engine.options,
      { sync: true },
      { memoryLimit: limiter, renderLimit: limiter, liquid: engine },
    );
  }

  // Filters that look at each element of an array (`where`, `find_exp`…) push or spawn for each:
  // the only place to stop `find_exp` on 50,000 elements, since it is charged nothing.

  override push(scope: object): number {
    this.budget.check();
    return super.push(scope);
  }

  override spawn(scope: object = {}): Context {
    this.budget.check();
    return new RenderContext(scope, this.liquid as Liquid, this.now, this.budget);
  }
}

/**
 * @returns the value, if it is not too large. Arrays may hold one another many times over: 40 times
 * `push`ed into itself, one is tiny in memory and endless as text.
 */
export function bounded<T>(value: T): T {
  if (typeof value === 'string') {
    if (value.length > MAX_VALUE) throw tooLarge();
  } else if (typeof value === 'object' && value !== null) {
    let size = 0;
    const rest: unknown[] = [value];
    while (rest.length > 0) {
      const next = rest.pop();
      size += typeof next === 'string' ? next.length + 1 : 1;
      const children = childrenOf(next);
      if (size + rest.length + children.length > MAX_VALUE) throw tooLarge();
      for (const child of children) rest.push(child);
    }
  }
  return value;
}

function childrenOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  // Groups of `group_by`: plain objects that hold arrays.
  return value?.constructor === Object ? Object.values(value) : [];
}

function tooLarge(): LimitReached {
  return new LimitReached('limit', 'a value of the template is too large');
}
