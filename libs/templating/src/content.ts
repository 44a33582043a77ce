import type { Content } from '@app/domain';
import { RenderError } from './errors.js';
import { compile, type Template } from './template.js';

/** Of one recipient's title, body and data together. */
const MAX_RENDER_MS = 500;

/** What a recipient's device shall show; data values are rendered like the text. */
export interface RenderedContent {
  title?: string;
  body?: string;
  data?: Record<string, string>;
}

/** The content of an operation, compiled once for all its recipients. */
export interface ContentTemplate {
  /**
   * @param now `scheduledFor ?? createdAt` of the push, so that worker and api render the same.
   * @throws RenderError when a template fails or passes a limit for these variables.
   */
  render(variables: Record<string, string>, now: Date): RenderedContent;
}

/** @throws TemplateError when one of the templates does not parse. */
export function compileContent(content: Content): ContentTemplate {
  const title = content.title === undefined ? null : compile(content.title);
  const body = content.body === undefined ? null : compile(content.body);
  const data = Object.entries(content.data ?? {}).map(([key, source]): [string, Template] => [
    key,
    compile(source),
  ]);
  return {
    render(variables, now) {
      const rendered: RenderedContent = {};
      const startedAt = performance.now();
      // Each value has limits of its own; many values share this one.
      const value = (template: Template): string => {
        if (performance.now() - startedAt > MAX_RENDER_MS) {
          throw new RenderError('the content takes too long to render', 'limit', 1, 1);
        }
        return template.render(variables, now);
      };
      if (title !== null) rendered.title = value(title);
      if (body !== null) rendered.body = value(body);
      if (content.data !== undefined) {
        rendered.data = Object.fromEntries(data.map(([key, template]) => [key, value(template)]));
      }
      return rendered;
    },
  };
}
