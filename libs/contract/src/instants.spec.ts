import { describe, expect, it } from '@jest/globals';
import { formatInstant, parseSpan } from './instants.js';

const span = (text: string) => {
  const parsed = parseSpan(text);
  return parsed && [parsed.first.toISOString(), parsed.last.toISOString()];
};

describe('parseSpan', () => {
  it('a bare date is its whole day', () => {
    expect(span('2026-04-20')).toEqual(['2026-04-20T00:00:00.000Z', '2026-04-20T23:59:59.999Z']);
    expect(span('2028-02-29')?.[0]).toBe('2028-02-29T00:00:00.000Z');
  });

  it('a date-time is its whole second, since answers are cut to the second', () => {
    expect(span('2026-04-20T14:22:00Z')).toEqual([
      '2026-04-20T14:22:00.000Z',
      '2026-04-20T14:22:00.999Z',
    ]);
    const created = new Date('2026-04-20T14:22:00.640Z');
    const shown = parseSpan(formatInstant(created))!;
    expect(shown.first <= created && created <= shown.last).toBe(true);
  });

  it('a fraction is its millisecond', () => {
    expect(span('2026-04-20T14:22:00.5Z')).toEqual([
      '2026-04-20T14:22:00.500Z',
      '2026-04-20T14:22:00.500Z',
    ]);
    expect(span('2026-04-20T14:22:00.123456Z')?.[0]).toBe('2026-04-20T14:22:00.123Z');
  });

  it('takes zones, none, and a plus that became a space', () => {
    const at = '2026-04-20T12:22:00.000Z';
    for (const zone of ['2026-04-20T14:22:00+02:00', '2026-04-20T14:22:00 02:00']) {
      expect(span(zone)?.[0]).toBe(at);
    }
    expect(span('2026-04-20T07:22:00-05:00')?.[0]).toBe(at);
    expect(span('2026-04-20T12:22:00')?.[0]).toBe(at);
    expect(span('2026-04-20t12:22:00z')?.[0]).toBe(at);
  });

  it.each([
    '',
    'now',
    '2026',
    '2026-13-01',
    '2026-02-29',
    '2026-04-31',
    '2026-00-10',
    '26-04-20',
    '2026-04-20T24:00:00Z',
    '2026-04-20T14:60:00Z',
    '2026-04-20T14:22Z',
    '2026-04-20T14:22:00+25:00',
    '2026-04-20T14:22:00Z ',
    '1713622920',
  ])('%j is no date', (text) => {
    expect(parseSpan(text)).toBeNull();
  });
});
