import { z } from 'zod';

/** An instant as answers hold it: UTC, whole seconds. */
export const Timestamp = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  .meta({ format: 'date-time', examples: ['2026-04-20T14:22:00Z'] });

/** An instant of a timeline: UTC, milliseconds, since what it tells apart lies within a second. */
export const PreciseTimestamp = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  .meta({ format: 'date-time', examples: ['2026-04-20T14:22:00.120Z'] });

/** RFC 3339, UTC, cut to the second: `2026-04-20T14:22:00Z`. */
export function formatInstant(instant: Date): string {
  return `${instant.toISOString().slice(0, 19)}Z`;
}

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const DATE_TIME =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+ -]\d\d:\d\d)?$/;

/**
 * The span that a date filter names: a bare date its whole day, a date-time its whole second, one
 * with a fraction its millisecond. Answers are cut to the second, so `endDate` set to the
 * `createdAt` of a push must still include that push.
 *
 * Without a zone: UTC. A space in place of the zone's sign is a `+` that was not percent-encoded.
 *
 * @returns first and last millisecond, or null when the text is no date.
 */
export function parseSpan(value: string): { first: Date; last: Date } | null {
  const date = DATE.exec(value);
  if (date !== null) {
    const first = utc(date.slice(1, 4), ['0', '0', '0']);
    return first === null ? null : span(first, 86_400_000);
  }
  const parts = DATE_TIME.exec(value);
  if (parts === null) return null;
  const [, , , , , , , fraction, zone] = parts;
  const offset = offsetMs(zone);
  const second = utc(parts.slice(1, 4), parts.slice(4, 7));
  if (second === null || offset === null) return null;
  const milliseconds = fraction === undefined ? 0 : Number(fraction.padEnd(3, '0').slice(0, 3));
  return span(second - offset + milliseconds, fraction === undefined ? 1_000 : 1);
}

/** @returns the instant of a date-time, UTC when it names no zone; null when it is none. */
export function parseInstant(value: string): Date | null {
  return DATE.test(value) ? null : (parseSpan(value)?.first ?? null);
}

function span(firstMs: number, lengthMs: number): { first: Date; last: Date } {
  return { first: new Date(firstMs), last: new Date(firstMs + lengthMs - 1) };
}

function utc(date: string[], time: string[]): number | null {
  const [year, month, day] = date.map(Number) as [number, number, number];
  const [hour, minute, second] = time.map(Number) as [number, number, number];
  const instant = new Date(0);
  instant.setUTCFullYear(year, month - 1, day);
  instant.setUTCHours(hour, minute, second);
  const real =
    instant.getUTCMonth() === month - 1 &&
    instant.getUTCDate() === day &&
    instant.getUTCHours() === hour &&
    instant.getUTCMinutes() === minute &&
    instant.getUTCSeconds() === second;
  return real ? instant.getTime() : null;
}

function offsetMs(zone: string | undefined): number | null {
  if (zone === undefined || zone.toUpperCase() === 'Z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(4, 6));
  if (hours > 23 || minutes > 59) return null;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}
