import { Unavailable } from '@app/domain';
import { PrismaPg } from '@prisma/adapter-pg';
import { isNativeError } from 'node:util/types';
import pg from 'pg';
import { PrismaClient } from './generated/client.js';

const QUERY_TIMEOUT_MS = 60_000;

/** For a server that is there, however busy, and little for who waits for one that is not. */
export const CONNECT_TIMEOUT_MS = 3_000;

/**
 * Begins a transaction that reads lists: their order comes from an index and never from a sort. Left to itself
 * the planner reads and sorts all rows of a range where it takes that for cheaper than a walk along the
 * index to the few that are wanted: all of an operation, or of an account that it knows nothing of.
 */
export const IN_INDEX_ORDER =
  'BEGIN READ ONLY; SET LOCAL enable_sort = off; SET LOCAL enable_incremental_sort = off';

/**
 * Every table that grows has an index for each way that it is read, and has rows soon. What PostgreSQL thinks of a table is
 * as old as its last ANALYZE: a day's fresh partition, or all of them after an installation, are small to it for
 * a minute and longer, and a plan that is kept from then reads them from end to end until the next one. Of 40,000 operations
 * of one that came within half a minute it did so for each claim, settlement and content. A bitmap too is read to its end, and sorted, where an index in order would end
 * with the page; and it leaves the entries of dead rows where they are. Of small tables without such an
 * index, PostgreSQL before 18 takes the cost for so high that it would compile the statement.
 */
const BY_INDEX = 'SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off';

export interface DatabaseOptions {
  /** Connection URL of the role that reads and writes rows. */
  url: string;
  poolSize: number;
  /** Shown in pg_stat_activity. */
  applicationName: string;
  /** Milliseconds to wait for a connection before the request is answered 503. */
  connectTimeoutMs?: number;
}

/**
 * A hot statement. Under its name PostgreSQL parses it once a connection, and plans it once where a plan that
 * knows no values is no worse: not for one whose plan follows from the number of its array's elements. The text
 * of a name never changes, and its columns are named one by one.
 */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/**
 * One `pg.Pool` a process: Prisma (schema, types, cold paths) and the set-based SQL share it.
 */
export class Database {
  readonly pool: pg.Pool;
  readonly prisma: PrismaClient;
  readonly url: string;

  constructor(options: DatabaseOptions) {
    this.url = options.url;
    const connectTimeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    const byIndex: pg.QueryConfig & { query_timeout: number } = {
      text: BY_INDEX,
      query_timeout: connectTimeoutMs,
    };
    // Awaited, which pg does and its types do not say.
    const onConnect: (client: pg.ClientBase) => unknown = (client) => client.query(byIndex);
    this.pool = new pg.Pool({
      connectionString: options.url,
      max: options.poolSize,
      application_name: options.applicationName,
      connectionTimeoutMillis: connectTimeoutMs,
      // A server that vanished without a word must not hold a request for ever.
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
      // Before the first statement; should it fail, so does connecting.
      onConnect,
    });
    // An idle connection that breaks is replaced by the pool; without a listener it ends the process.
    this.pool.on('error', () => undefined);
    // So does one that breaks between two statements of a transaction; the next statement says so.
    this.pool.on('connect', (client) => client.on('error', () => undefined));
    this.prisma = new PrismaClient({
      adapter: new PrismaPg(this.pool),
      transactionOptions: { maxWait: 3_000, timeout: 15_000 },
    });
  }

  /**
   * Runs one statement.
   *
   * @throws Unavailable when PostgreSQL cannot take it now; other errors as they are.
   */
  async query<R extends pg.QueryResultRow>(
    statement: string | Statement,
    values: unknown[] = [],
    timeoutMs = QUERY_TIMEOUT_MS,
  ): Promise<R[]> {
    // `query_timeout` of one query is in pg, not in its types.
    const query: pg.QueryConfig & { query_timeout: number } = {
      ...(typeof statement === 'string' ? { text: statement } : statement),
      values,
      query_timeout: timeoutMs,
    };
    return orUnavailable(async () => (await this.pool.query<R>(query)).rows);
  }

  /**
   * Runs `work` in one transaction on one connection; rolls back when it throws.
   *
   * @param begin how it begins, in one round trip.
   */
  async transaction<T>(
    work: (client: pg.PoolClient) => Promise<T>,
    begin: 'BEGIN' | typeof IN_INDEX_ORDER = 'BEGIN',
  ): Promise<T> {
    return orUnavailable(async () => {
      const client = await this.pool.connect();
      let broken: Error | undefined;
      try {
        await client.query(begin);
        const result = await work(client);
        await client.query('COMMIT');
        return result;
      } catch (error) {
        // A connection that cannot roll back is not given to anybody else.
        await client.query('ROLLBACK').catch((rollback: Error) => (broken = rollback));
        throw error;
      } finally {
        client.release(broken);
      }
    });
  }

  /** @throws Unavailable when PostgreSQL does not answer. */
  async ping(): Promise<void> {
    await this.query('SELECT 1');
  }

  async close(): Promise<void> {
    await this.prisma.$disconnect();
    if (!this.pool.ended) await this.pool.end();
  }
}

/** Runs `work`; a failure that only says "not now" comes out as `Unavailable`. */
export async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isUnavailable(error)) throw new Unavailable('The database cannot take the request now.');
    throw error;
  }
}

const NETWORK = /ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH/;
/** Connection exception, insufficient resources, operator intervention, read-only, too busy. */
const NOT_NOW = /^(08...|53...|57P0[1-5]|25006|55P03|57014|40P01|40001)$/;
/** Prisma's own codes: not reachable, timed out, closed, pool or transaction timed out. */
const PRISMA = /^(P1001|P1002|P1008|P1017|P2024|P2028)$/;
const CLIENT_SIDE =
  /no partition of relation|Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|the database system is/i;

function isUnavailable(error: unknown): boolean {
  for (let at: unknown = error, depth = 0; isNativeError(at) && depth < 5; depth++) {
    const { code, errors } = at as Error & { code?: unknown; errors?: unknown };
    if (typeof code === 'string' && [NETWORK, NOT_NOW, PRISMA].some((form) => form.test(code))) {
      return true;
    }
    if (CLIENT_SIDE.test(at.message) || NETWORK.test(at.message)) return true;
    // Happy eyeballs wraps one refusal per address.
    at = Array.isArray(errors) && errors.length > 0 ? errors[0] : at.cause;
  }
  return false;
}

/** SQLSTATE of an error of PostgreSQL, undefined for anything else. */
export function sqlState(error: unknown): string | undefined {
  const code = isNativeError(error) ? (error as Error & { code?: unknown }).code : undefined;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
