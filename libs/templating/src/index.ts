export { MAX_OUTPUT, MAX_SOURCE } from './budget.js';
export { RenderError, TemplateError } from './errors.js';
export type { RenderFailure } from './errors.js';
export { compile } from './template.js';
export type { Template } from './template.js';
export { compileContent } from './content.js';
export type { ContentTemplate, RenderedContent } from './content.js';
