/** Types of the plain JavaScript in scripts/ for the tests that import it. */

declare module '*/scripts/embedded-postgres.js' {
  import type { PostgresOptions, PostgresPasswords, RunningPostgres } from '../../scripts/types.js';
  export function startPostgres(options?: PostgresOptions): Promise<RunningPostgres>;
  export function randomPasswords(): PostgresPasswords;
  export function freePort(): Promise<number>;
}

declare module '*/scripts/migrate.js' {
  import type { Migrated, MigrateOptions } from '../../scripts/types.js';
  export function migrate(options: MigrateOptions): Promise<Migrated>;
}

declare module '*/scripts/redis.js' {
  import type { RedisOptions, RunningRedis } from '../../scripts/types.js';
  export function startRedis(options?: RedisOptions): Promise<RunningRedis>;
}
