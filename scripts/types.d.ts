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
  /** Starts it again on the same port and folder; `empty`: without what its append-only file kept. */
  restart(options?: { empty?: boolean }): Promise<void>;
}

export type ProcessName = 'api' | 'worker' | 'simulator';

/** What each process says when it is ready. */
export interface ReadyInfo {
  api: { port: number; metricsPort: number };
  worker: { metricsPort: number };
  simulator: {
    fcmOrigin: string;
    tokenUrl: string;
    apnsOrigin: string;
    apnsSandboxOrigin: string;
    controlOrigin: string;
    caFile: string;
  };
}

export interface ProcessOptions {
  /** The whole environment: nothing is inherited. */
  env: Record<string, string>;
  /** Its output is appended here. */
  logFile: string;
  /** The checkout whose `dist/` is run. */
  root?: string;
  readyMs?: number;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface RunningProcess<Ready> {
  readonly name: string;
  readonly pid: number;
  readonly ready: Ready;
  readonly exited: Promise<Exit>;
  /** The last lines of its log. */
  tail(): string;
  /** SIGTERM, and SIGKILL after `graceMs` (35 s). */
  stop(graceMs?: number): Promise<Exit>;
  kill9(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): void;
}

export interface Account {
  sid: string;
  token: string;
}

export interface GatewayOptions {
  /** For logs and the simulator's files. */
  dir: string;
  database: { ownerUrl: string; appUrl: string };
  /** Left out: BullMQ's PostgreSQL backend. */
  redisUrl?: string;
  /** Start the simulator and send everything there. */
  simulator?: boolean;
  account?: Account;
  encryptionKeys?: string;
  /** Variables of api and worker on top of ours. */
  env?: Record<string, string>;
  /** What every process inherits; PATH, HOME and the like by default. */
  base?: Record<string, string>;
  /** Called around each step, to show it. */
  step?: <T>(title: string, work: () => Promise<T>) => Promise<T>;
}

export interface Gateway {
  account: Account;
  url: string;
  simulator: RunningProcess<ReadyInfo['simulator']> | undefined;
  api: RunningProcess<ReadyInfo['api']>;
  worker: RunningProcess<ReadyInfo['worker']>;
  /** The environment that api and worker got. */
  environment: Record<string, string>;
  /** All that was started, the latest first; processes that have ended included. */
  processes: RunningProcess<unknown>[];
  /** One more api on a free port (a set `PORT` in `env` is taken). */
  startApi(): Promise<RunningProcess<ReadyInfo['api']>>;
  startWorker(env?: Record<string, string>): Promise<RunningProcess<ReadyInfo['worker']>>;
  /** api and workers first, then the simulator; SIGKILL after `graceMs`. */
  stop(graceMs?: number): Promise<void>;
  kill9(): Promise<void>;
}

/** An answer as it came; what is in it is checked by its use. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Json = any;

/** An answer as it came, with its body read. */
export interface SeenAnswer {
  status: number;
  headers: Headers;
  body: Json;
}

export interface ApiClient {
  /** Any answer. */
  call(method: string, path: string, body?: unknown): Promise<{ status: number; body: Json }>;
  /** The body of a good answer; a Sentence otherwise. */
  get(path: string): Promise<Json>;
  post(path: string, body: unknown): Promise<Json>;
}

export interface NewCredential {
  appName: string;
  credentialType: 'FCM' | 'APN' | 'APN_SANDBOX';
  content: Record<string, string>;
}

export interface SetUpOptions {
  root?: string;
  log?: (line: string) => void;
  /** Room left where a path lies, in bytes. */
  freeBytes?: (path: string) => number;
  /** Leave the build to the caller. */
  withoutBuild?: boolean;
}

/** How many tests ended how. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** A process, told apart from a later one with the same number by when it was born. */
export interface Owner {
  pid: number;
  born: string;
}

/** What `.data/dev.json` holds. */
export interface DevSecrets {
  accountSid: string;
  authToken: string;
  encryptionKeys: string;
  postgres: PostgresPasswords;
  /** Ids of what the first start has stored. */
  seeded?: { fcm?: string; apn?: string; operation?: string };
}
