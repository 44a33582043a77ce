/** Tries of a push that are kept. */
const KEPT = 20;

/**
 * Attempts (jsonb) that are kept of a push, and those that came. Nearly every push has fewer: those are only appended to.
 * Where one has more, tries that count stay before others, so that a long pause does not push out what was really sent.
 */
export const keptAttempts = (kept: string, came: string): string =>
  `CASE WHEN jsonb_array_length(${kept}) + jsonb_array_length(${came}) <= ${KEPT} THEN ${kept} || ${came}
      ELSE (
        SELECT jsonb_agg(k.attempt ORDER BY k.n) FROM (
          SELECT attempt, n FROM jsonb_array_elements(${kept} || ${came}) WITH ORDINALITY AS a (attempt, n)
          ORDER BY (attempt->>'counted')::boolean DESC, n DESC LIMIT ${KEPT}) k) END`;

/** An instant as the JSON of an attempt has it; texts of that form sort as their instants. */
export const jsonInstant = (instant: string): string =>
  `to_char(${instant} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
