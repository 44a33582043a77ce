/** The shapes that scripts and tests share. */

export interface PostgresPasswords {
  super: string;
  owner: string;
  app: string;
}

export interface PostgresOptions {
  /** Where the data lives on. Left out: a fresh temp folder, removed at stop(), and `fsync` off. */
  dataDir?: string;
  /** Kept by the caller beside `dataDir`; made at random when left out. */
  passwords?: PostgresPasswords;
  /** Server settings on top of ours, such as `{ max_connections: '20' }`. */
  settings?: Record<string, string>;
  /** Who runs the server: 65534 when the caller is root. */
  uid?: number;
  log?: (line: string) => void;
}

/** fast: roll back and stop · immediate: stop now and recover at the next start. */
export type StopMode = 'fast' | 'immediate';

export interface RunningPostgres {
  readonly port: number;
  readonly pid: number | undefined;
  readonly dataDir: string;
  /** Superuser, database `postgres`. */
  readonly superUrl: string;
  /** Role `fanfare_owner`, database `fanfare`. */
  readonly ownerUrl: string;
  /** Role `fanfare_app`, database `fanfare`. */
  readonly appUrl: string;
  /** Settles when the postmaster of the moment has ended, for whatever reason. */
  readonly died: Promise<void>;
  stop(options?: { mode?: StopMode }): Promise<void>;
  /** Ends the server as a crash would. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and data. */
  restart(): Promise<void>;
}

export interface MigrateOptions {
  /** Of the role that owns the schema. */
  migrateUrl: string;
  /** Of the role that reads and writes rows; the same role by default. */
  appUrl?: string;
  /** The folder of Prisma migrations. */
  migrationsDir?: string;
}

export interface Migrated {
  /** Names of the migrations applied just now. */
  applied: string[];
  /** Version of BullMQ's schema. */
  bullmq: number;
}

export interface RedisOptions {
  /** The program; `redis-server` by default. */
  command?: string;
  /** Keep an append-only file, so that kill9() and restart() bring the data back. */
  appendOnly?: boolean;
}

export interface RunningRedis {
  readonly port: number;
  readonly pid: number | undefined;
  readonly url: string;
  stop(): Promise<void>;
  kill9(): Promise<void>;
  /** Starts it again on the same port and folder. */
  restart(): Promise<void>;
}
