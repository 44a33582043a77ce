/** Names of the filters that read the clock when given `now` or `today`. */
export const DATE_FILTERS = [
  'date',
  'date_to_xmlschema',
  'date_to_rfc822',
  'date_to_string',
  'date_to_long_string',
];

const HAS_ZONE = /(Z|(UTC|GMT)|\b[ECMP][SD]T|\d:\d\d.*[+-]\d\d:?\d\d)\s*(\(.*\))?$/i;

/**
 * What a date filter works on instead of its input, so that a push renders to the same text in any
 * process at any time: `now` and `today` are the given instant, and a date without a zone is UTC
 * (JavaScript would take the machine's zone).
 */
export function fixedDate(value: unknown, now: Date): unknown {
  if (typeof value !== 'string') return value;
  if (value === 'now' || value === 'today') return now;
  // Digits alone are seconds, which the engine knows itself.
  if (/^\d+$/.test(value) || value.length > 64 || HAS_ZONE.test(value)) return value;
  for (const suffix of ['Z', ' UTC']) {
    const date = new Date(value + suffix);
    if (!Number.isNaN(date.getTime())) return date;
  }
  return value;
}
