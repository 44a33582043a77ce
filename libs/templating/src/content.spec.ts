import { describe, expect, it } from '@jest/globals';
import { compileContent } from './content.js';
import { RenderError, TemplateError } from './errors.js';

const now = new Date('2026-04-20T14:22:00Z');

describe('compileContent', () => {
  it('renders title, body and data values with the variables of a recipient', () => {
    const template = compileContent({
      title: 'Hi {{name}}',
      body: "{{ 'now' | date: '%Y' }} {{missing}}!",
      data: { order: '{{order}}', kind: 'plain' },
    });
    expect(template.render({ name: 'Ada', order: '7' }, now)).toEqual({
      title: 'Hi Ada',
      body: '2026 !',
      data: { order: '7', kind: 'plain' },
    });
    expect(template.render({ name: 'Bob' }, now).title).toBe('Hi Bob');
  });

  it('ends a content whose values are many and slow', () => {
    const slow = '{% for i in (1..30000) %}{% assign x = i | times: 2 %}{% endfor %}';
    const data = Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`k${at}`, slow]));
    const begin = performance.now();
    expect(() => compileContent({ data }).render({}, now)).toThrow(RenderError);
    expect(performance.now() - begin).toBeLessThan(10_000);
  });

  it('leaves out what the content leaves out', () => {
    expect(compileContent({ body: 'x' }).render({}, now)).toEqual({ body: 'x' });
    expect(compileContent({ data: {} }).render({}, now)).toEqual({ data: {} });
  });

  it('refuses a template that does not parse, and fails a render that goes wrong', () => {
    expect(() => compileContent({ body: 'x', data: { a: '{{' } })).toThrow(TemplateError);
    const endless = compileContent({ body: '{% for i in (1..1000000000) %}x{% endfor %}' });
    expect(() => endless.render({}, now)).toThrow(RenderError);
  });
});
