import { describe, expect, it } from '@jest/globals';
import { fixedDate } from './dates.js';
import { RenderError, TemplateError } from './errors.js';
import { compile } from './template.js';

const now = new Date('2026-04-20T14:22:05Z');

function render(source: string, variables: Record<string, string> = {}): string {
  return compile(source).render(variables, now);
}

function parseFault(source: string) {
  try {
    compile(source);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return { message: error.message, line: error.line, column: error.column };
  }
  return undefined;
}

function renderFault(source: string, variables: Record<string, string> = {}) {
  try {
    render(source, variables);
  } catch (error) {
    if (!(error instanceof RenderError)) throw error;
    return { failure: error.failure, line: error.line, column: error.column };
  }
  return undefined;
}

describe('compile and render', () => {
  it.each([
    ['Hello {{ name }}!', { name: 'Ada' }, 'Hello Ada!'],
    ["Hello {{name | default: 'there'}}", {}, 'Hello there'],
    ['[{{ missing }}][{{ missing.deeper[0] }}]', {}, '[][]'],
    ['{% if n == "1" %}one{% elsif n == "2" %}two{% else %}many{% endif %}', { n: '2' }, 'two'],
    ['{% unless gone %}here{% endunless %}', {}, 'here'],
    ['{% case x %}{% when "a", "b" %}ab{% else %}?{% endcase %}', { x: 'b' }, 'ab'],
    [
      '{% assign l = csv | split: "," %}{% for x in l %}<{{ x }}>{% endfor %}',
      { csv: 'a,b' },
      '<a><b>',
    ],
    ['{% capture c %}{{ a }}-{% endcapture %}{{ c | upcase }}', { a: 'x' }, 'X-'],
    ['{% cycle "a", "b" %}{% cycle "a", "b" %}', {}, 'ab'],
    [
      '{{ name.size }} {{ name | size }} {{ "b,a" | split: "," | sort | first }}',
      { name: 'Ada' },
      '3 3 a',
    ],
    ['{{ "a,b" | split: "," }}', {}, 'ab'],
    ['{% raw %}{{ x }}{% endraw %}{% comment %}no{% endcomment %}', {}, '{{ x }}'],
    ['{{ emoji }} {{ "ü" | upcase }}', { emoji: '👩‍👩‍👧' }, '👩‍👩‍👧 Ü'],
    ['{{ "1,1,2" | split: "," | group_by: "size" | map: "items" | size }}', {}, '1'],
    [
      '{% assign hits = "a,b,a" | split: "," | where_exp: "x", "x == \'a\'" %}{{ hits | size }}',
      {},
      '2',
    ],
    ['{{ "n" | append: "ow" }}{{ "a" | json }}', {}, 'now"a"'],
  ] as [string, Record<string, string>, string][])('%s', (source, variables, text) => {
    expect(render(source, variables)).toBe(text);
  });

  it('gives text without Liquid back as it is, however long', () => {
    const text = 'x } %} { '.repeat(10_000);
    expect(render(text)).toBe(text);
  });

  it('does not render what a variable brings', () => {
    expect(render('{{ a }}', { a: '{{ b }}{% if %}', b: 'no' })).toBe('{{ b }}{% if %}');
  });

  it('leaves the variables unchanged and remembers nothing between renders', () => {
    const template = compile(
      '{% increment n %}{{ n }}{% cycle "a", "b" %}{% assign k = "v" %}{{ k }}',
    );
    const variables = { n: '5' };
    expect(template.render(variables, now)).toBe(template.render(variables, now));
    expect(variables).toEqual({ n: '5' });
  });

  it('compiles the same source once', () => {
    expect(compile('{{ once }}')).toBe(compile('{{ once }}'));
  });
});

describe('variables', () => {
  it.each(['constructor', '__proto__', 'toString', 'hasOwnProperty', 'prototype'])(
    '%s is a missing variable unless given',
    (name) => {
      expect(render(`[{{ ${name} }}][{{ ${name}.name }}][{{ a.${name} }}]`, { a: 'x' })).toBe(
        '[][][]',
      );
      const given = JSON.parse(`{"${name}": "mine"}`) as Record<string, string>;
      expect(render(`{{ ${name} }}`, given)).toBe('mine');
    },
  );

  it('reads own properties only', () => {
    const inherited = Object.create({ secret: 'S3CRET' }) as Record<string, string>;
    expect(render('[{{ secret }}]', inherited)).toBe('[]');
  });

  it('cannot pollute a prototype', () => {
    render('{% assign __proto__ = "a,b" | split: "," %}{% capture constructor %}x{% endcapture %}');
    render('{% for __proto__ in (1..2) %}{% increment toString %}{% endfor %}');
    expect(render('[{{ a }}][{{ constructor }}]')).toBe('[][]');
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

describe('templates that do not parse', () => {
  it.each([
    ['{{ a | nope }}', 'undefined filter: nope', 1, 1],
    ['ok\n  {% nope %}', 'tag "nope" not found', 2, 3],
    ['{{ "a,b" | split: "," | sample }}', 'undefined filter: sample', 1, 1],
    ['{% cycle "a", "b" | sample %}', 'undefined filter: sample', 1, 1],
    ['{% assign x = a | nope %}', 'undefined filter: nope', 1, 1],
    ['{% include "a" %}', 'tag "include" not found', 1, 1],
    ['{% render "a" %}', 'tag "render" not found', 1, 1],
    ['{% layout "a" %}', 'tag "layout" not found', 1, 1],
    ['a {% block b %}{% endblock %}', 'tag "block" not found', 1, 3],
    ['{% liquid\n  include "a" %}', 'tag "include" not found', 2, 3],
    ['{% if a %}', 'tag {% if a %} not closed', 1, 1],
    ['Hi\n{{ a ', 'output "{{ a " not closed', 2, 1],
    ['{% if a %}{{ x | nope }}{% endif %}', 'undefined filter: nope', 1, 11],
  ])('%j', (source, message, line, column) => {
    expect(parseFault(source)).toEqual({ message, line, column });
  });

  it('has a largest size', () => {
    expect(parseFault(`{{ a }}${'x'.repeat(65_536)}`)?.message).toBe(
      'the template is longer than 65536 characters',
    );
  });

  it.each(['if a', 'for a in b', 'capture a', 'unless a', 'case a'])(
    'has a deepest nesting of %s, below what overflows the stack',
    (tag) => {
      const end = `{% end${tag.split(' ', 1)[0]} %}`;
      const deep = (depth: number) => `{% ${tag} %}`.repeat(depth) + end.repeat(depth);
      expect(parseFault(deep(50))).toBeUndefined();
      expect(parseFault(deep(51))?.message).toBe('tags are nested deeper than 50');
      expect(parseFault(deep(1_500))?.message).toBe('tags are nested deeper than 50');
      // Nothing is left over from the failures.
      expect(parseFault(deep(49))).toBeUndefined();
    },
  );

  it('quotes little of a long template', () => {
    expect(parseFault(`{% if ${'x'.repeat(10_000)} %}`)?.message.length).toBeLessThanOrEqual(200);
  });
});

describe('dates', () => {
  it.each([
    ['{{ "now" | date: "%Y-%m-%d %H:%M:%S %z" }}', '2026-04-20 14:22:05 +0000'],
    ['{{ "today" | date: "%s" }}', '1776694925'],
    ['{{ "now" | date_to_xmlschema }}', '2026-04-20T14:22:05+00:00'],
    ['{{ "now" | date_to_rfc822 }}', 'Mon, 20 Apr 2026 14:22:05 +0000'],
    ['{{ "now" | date_to_string }}', '20 Apr 2026'],
    ['{{ "now" | date_to_long_string: "ordinal", "US" }}', 'April 20th, 2026'],
    ['{{ "now" | date: "%H:%M", "Asia/Tokyo" }}', '23:22'],
    ['{% assign t = "now" %}{{ t | date: "%M" }}', '22'],
    ['{{ "a,b" | split: "," | where_exp: "x", "true" | first }}{{ "now" | date: "%d" }}', 'a20'],
    ['{{ "2020-02-29T10:00:00+02:00" | date: "%H:%M" }}', '08:00'],
    ['{{ "2020-02-29 10:00" | date: "%H:%M" }}', '10:00'],
    ['{{ "March 5, 2020 10:30" | date: "%d %H:%M" }}', '05 10:30'],
    ['{{ "Thu, 05 Mar 2020 10:30:00 GMT" | date: "%d %H:%M" }}', '05 10:30'],
    ['{{ "2020-02-29" | date: "%A %-d %B" }}', 'Saturday 29 February'],
    ['{{ "0" | date: "%Y" }}{{ 86400 | date: "%d" }}', '197002'],
    ['{{ "no date" | date: "%Y" }}', 'no date'],
  ])('%s', (source, text) => {
    expect(render(source)).toBe(text);
  });

  it.each([
    ['now', '2026-04-20T14:22:05Z'],
    ['2020-02-29T10:00:00', '2020-02-29T10:00:00Z'],
    ['2020-02-29', '2020-02-29T00:00:00Z'],
    ['05 Mar 2020 10:30', '2020-03-05T10:30:00Z'],
  ])('do not depend on the zone of the machine: %s', (input, instant) => {
    expect(fixedDate(input, now)).toEqual(new Date(instant));
  });

  it.each(['2020-02-29T10:00:00+02:00', '5 Mar 2020 10:00 GMT', '86400', 'no date', ''])(
    'leave the rest to the engine: %j',
    (input) => {
      expect(fixedDate(input, now)).toBe(input);
    },
  );

  it('fail the render on an unknown zone', () => {
    expect(renderFault('{{ "now" | date: "%H", "Mars/Olympus" }}')?.failure).toBe('template');
  });
});

describe('limits', () => {
  const doubling = `{% assign a = "0123456789" %}${'{% assign a = a | append: a %}'.repeat(40)}{{ a | size }}`;
  const nested = '{% assign a = "x" | split: "," %}' + '{% assign a = a | push: a %}'.repeat(40);
  const groups =
    '{% assign a = "x" | split: "," %}' +
    '{% assign a = a | concat: a | group_by: "z" | map: "items" %}'.repeat(40);

  it('lets 4,096 characters through and not one more', () => {
    expect(render('{{ a }}', { a: 'x'.repeat(4_096) })).toHaveLength(4_096);
    expect(renderFault('ab\n{{ a }}', { a: 'x'.repeat(4_094) })).toEqual({
      failure: 'output',
      line: 2,
      column: 1,
    });
  });

  it.each([
    [
      'doubling through capture',
      `{% assign a = "0123456789" %}${'{% capture a %}{{ a }}{{ a }}{% endcapture %}'.repeat(30)}`,
      'output',
    ],
    [
      'doubling through capture, in a loop',
      '{% assign a = "x" %}{% for i in (1..30) %}{% capture a %}{{ a }}{{ a }}{% endcapture %}{% endfor %}',
      'output',
    ],
    ['endless output', '{% for i in (1..5000) %}0123456789{% endfor %}', 'output'],
    ['a huge range', '{% for i in (1..100000000) %}{% endfor %}', 'limit'],
    [
      'a huge range that is assigned',
      '{% assign a = (1..400000) %}{% assign b = (1..400000) %}',
      'limit',
    ],
    [
      'nested loops',
      '{% for i in (1..1000) %}{% for j in (1..1000) %}{% endfor %}{% endfor %}',
      'limit',
    ],
    [
      'nested captures in loops',
      '{% for i in (1..999) %}{% for j in (1..999) %}{% capture x %}{{ j }}{% endcapture %}{% endfor %}{% endfor %}',
      'limit',
    ],
    ['growth through append', doubling, 'limit'],
    [
      'growth through replace',
      `{% assign a = "aaaaaaaaaa" %}${'{% assign a = a | replace: "a", "aaaaaaaaaa" %}'.repeat(9)}`,
      'limit',
    ],
    [
      'growth through json',
      `{% assign a = '"""""' %}{{ a ${'| json '.repeat(40)} | size }}`,
      'limit',
    ],
    ['an array of itself as output', `${nested}{{ a }}`, 'limit'],
    ['an array of itself in a filter', `${nested}{{ a | append: "x" | size }}`, 'limit'],
    ['an array of itself, joined', `${nested}{{ a | join: "," | size }}`, 'limit'],
    ['an array of itself, compared', `${nested}{% if a == b %}{% endif %}`, 'limit'],
    ['groups of groups', `${groups}{{ a | append: "x" | size }}`, 'limit'],
    ['a wide date', '{{ "now" | date: "%999999999d" }}', 'limit'],
    [
      'a long date format',
      `{% assign f = "%A" ${'| append: "%A"'.repeat(100)} %}{{ "now" | date: f }}`,
      'limit',
    ],
    [
      'many dates',
      '{% for i in (1..5000) %}{% assign d = "now" | date: "%A %B" %}{% endfor %}',
      'limit',
    ],
    [
      'a slow expression over a large array',
      `{% assign a = (1..90000) %}{% assign b = a | where_exp: "x", "${'x == 1 or '.repeat(300)}x == 2" %}`,
      'limit',
    ],
    [
      'a search that is charged nothing',
      '{% for i in (1..10000) %}{% assign b = a | split: "," | find: "x", "y" %}{% endfor %}',
      'limit',
    ],
    [
      'an unknown filter in an expression',
      '{{ "a" | split: "," | where_exp: "x", "x | sample" }}',
      'template',
    ],
    ['what is no base64', '{{ "%" | base64_decode }}', 'template'],
  ])('stops %s in time', (_name, source, failure) => {
    const begin = performance.now();
    expect(renderFault(source, { a: 'x,'.repeat(16_000) })?.failure).toBe(failure);
    expect(performance.now() - begin).toBeLessThan(2_000);
  });

  it('leaves room for honest work', () => {
    const variables = { rows: Array.from({ length: 2_000 }, (_, i) => `item ${i}`).join(',') };
    const source =
      '{% assign rows = rows | split: "," | sort | uniq | reverse %}' +
      '{% for row in rows limit: 200 %}{{ row | upcase | truncate: 10 }} {% endfor %}';
    expect(render(source, variables).startsWith('ITEM 999 ITEM 998')).toBe(true);
  });
});
