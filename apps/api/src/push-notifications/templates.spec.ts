import { describe, expect, it } from '@jest/globals';
import { renderContent, templateFaults } from './templates.js';

const NOW = new Date('2026-04-20T14:22:00Z');

describe('templateFaults', () => {
  it('finds none in templates that parse', () => {
    const data = { k: '{{ b }}' };
    expect(templateFaults({ title: 'Hi {{ a }}', body: '{% if a %}x{% endif %}', data })).toEqual(
      [],
    );
  });

  it('names place and position of each that does not', () => {
    const faults = templateFaults({
      title: '{% include "x" %}',
      body: 'one\n {{ name',
      data: { 'a b': '{{ x | nope }}' },
    });
    expect(faults.map(({ context }) => context)).toEqual([
      '$.content.title',
      '$.content.body',
      "$.content.data['a b']",
    ]);
    expect(faults[1]?.message).toMatch(/line 2, column 2/);
  });

  it('stops at a hundred', () => {
    const data = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, `{{ ${i}`]));
    expect(templateFaults({ data })).toHaveLength(100);
  });
});

describe('renderContent', () => {
  it('renders what there is with the variables, at the instant given', () => {
    const content = { title: '{{ "now" | date: "%Y" }}', data: { k: '{{ name }}' } };
    expect(renderContent(content, { name: 'Ann' }, NOW)).toEqual({
      title: '2026',
      data: { k: 'Ann' },
    });
    expect(renderContent({ body: '{{ none }}' }, {}, NOW)).toEqual({ body: '' });
  });

  it('gives null for what cannot be rendered', () => {
    const body = '{% for i in (1..100000) %}0123456789{% endfor %}';
    expect(renderContent({ body }, {}, NOW)).toBeNull();
  });
});
