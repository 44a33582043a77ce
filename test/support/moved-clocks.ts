import { jest } from '@jest/globals';
import pg from 'pg';

/** The clocks of one test database and of this process, moved together; what runs is the product's own SQL. */
export interface MovedClocks {
  /** Both show the real time plus so much. */
  moveTo(ms: number): Promise<void>;
  movedMs(): number;
  close(): Promise<void>;
}

const CLOCK = `
CREATE SCHEMA clock;
CREATE TABLE clock.moved (by_ms double precision NOT NULL);
INSERT INTO clock.moved VALUES (0);
CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql
  AS 'SELECT pg_catalog.now() + make_interval(secs => by_ms / 1000) FROM clock.moved';
CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
  AS 'SELECT pg_catalog.clock_timestamp() + make_interval(secs => by_ms / 1000) FROM clock.moved';
GRANT USAGE ON SCHEMA clock TO PUBLIC;
GRANT SELECT ON clock.moved TO PUBLIC`;

/**
 * Puts a `now()` before PostgreSQL's own: on the search path of the database, for connections made from
 * now on, and of every function of ours that has a path of its own.
 *
 * @param ownerUrl of the role that owns the schema.
 */
export async function moveClocks(ownerUrl: string): Promise<MovedClocks> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  await client.query(CLOCK);
  const path = 'public, clock, pg_catalog, pg_temp';
  await client.query(
    `ALTER DATABASE ${pg.escapeIdentifier(client.database ?? '')} SET search_path = ${path}`,
  );
  const { rows } = await client.query<{ name: string }>(
    `SELECT oid::regprocedure::text AS name FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace AND 'search_path=public, pg_temp' = ANY(proconfig)`,
  );
  for (const { name } of rows)
    await client.query(`ALTER FUNCTION ${name} SET search_path = ${path}`);
  const real = Date.now.bind(Date);
  let movedMs = 0;
  jest.spyOn(Date, 'now').mockImplementation(() => real() + movedMs);
  return {
    moveTo: async (ms) => {
      movedMs = ms;
      await client.query('UPDATE clock.moved SET by_ms = $1', [ms]);
    },
    movedMs: () => movedMs,
    close: () => client.end(),
  };
}
