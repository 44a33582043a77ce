import { MAX_FAULTS } from '@app/contract';
import type { Content, Fault, Tags } from '@app/domain';
import { RenderError, TemplateError, compile, compileContent } from '@app/templating';
import { jsonPath } from '../errors/json-path.js';

export function parses(source: string): boolean {
  try {
    compile(source);
    return true;
  } catch (error) {
    if (error instanceof TemplateError) return false;
    throw error;
  }
}

/** The templates of a send that do not parse, each with its place and position. */
export function templateFaults(content: Content, tags: Tags = {}): Fault[] {
  const faults: Fault[] = [];
  const check = (source: string | undefined, path: string[]) => {
    if (source === undefined || faults.length >= MAX_FAULTS) return;
    try {
      compile(source);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      const { message, line, column } = error;
      faults.push({
        message: `The template does not parse: ${message} (line ${line}, column ${column}).`,
        context: jsonPath(path),
      });
    }
  };
  check(content.title, ['content', 'title']);
  check(content.body, ['content', 'body']);
  for (const [key, source] of Object.entries(content.data ?? {})) {
    check(source, ['content', 'data', key]);
  }
  for (const [key, source] of Object.entries(tags)) check(source, ['tags', key]);
  return faults;
}

/**
 * What the recipient's device gets to see. Rendered text is never stored; the same templates,
 * variables and instant give the same text again.
 *
 * @returns null when it cannot be rendered, which is also why such a push is FAILED.
 */
export function renderContent(
  content: Content,
  variables: Record<string, string>,
  now: Date,
): Content | null {
  try {
    const { imageUrl } = content;
    const rendered = compileContent(content).render(variables, now);
    return imageUrl === undefined ? rendered : { ...rendered, imageUrl };
  } catch (error) {
    if (error instanceof RenderError || error instanceof TemplateError) return null;
    throw error;
  }
}
