/**
 * Types of the plain JavaScript in scripts/ for the tests that import it. They are named by `import()`: an
 * import declaration in here may not be relative, and `skipLibCheck` would turn it into `any` without a word.
 */

declare module '*/scripts/embedded-postgres.js' {
  export function startPostgres(
    options?: import('../../scripts/types.js').PostgresOptions,
  ): Promise<import('../../scripts/types.js').RunningPostgres>;
  export function randomPasswords(): import('../../scripts/types.js').PostgresPasswords;
  export function freePort(): Promise<number>;
}

declare module '*/scripts/migrate.js' {
  export function migrate(
    options: import('../../scripts/types.js').MigrateOptions,
  ): Promise<import('../../scripts/types.js').Migrated>;
}

declare module '*/scripts/redis.js' {
  export function startRedis(
    options?: import('../../scripts/types.js').RedisOptions,
  ): Promise<import('../../scripts/types.js').RunningRedis>;
}

declare module '*/scripts/processes.js' {
  export const NODE_FLAGS: Readonly<
    Record<import('../../scripts/types.js').ProcessName, readonly string[]>
  >;
  export function startProcess<N extends import('../../scripts/types.js').ProcessName>(
    name: N,
    options: import('../../scripts/types.js').ProcessOptions,
  ): Promise<
    import('../../scripts/types.js').RunningProcess<import('../../scripts/types.js').ReadyInfo[N]>
  >;
}

declare module '*/scripts/gateway.js' {
  export function startGateway(
    options: import('../../scripts/types.js').GatewayOptions,
  ): Promise<import('../../scripts/types.js').Gateway>;
  export function randomAccount(): import('../../scripts/types.js').Account;
  export function randomKeys(): string;
  export function simulatorEnvironment(
    simulator: import('../../scripts/types.js').ReadyInfo['simulator'],
  ): Record<string, string>;
}

declare module '*/scripts/client.js' {
  export function apiClient(
    url: string,
    account: import('../../scripts/types.js').Account,
    seen?: (
      method: string,
      path: string,
      answer: import('../../scripts/types.js').SeenAnswer,
    ) => void,
  ): import('../../scripts/types.js').ApiClient;
  export function storeCredential(
    api: import('../../scripts/types.js').ApiClient,
    credential: import('../../scripts/types.js').NewCredential,
  ): Promise<string>;
}

declare module '*/scripts/setup.js' {
  export const ROOT: string;
  export function setUp(options?: import('../../scripts/types.js').SetUpOptions): Promise<string>;
  export function nodeOf(root: string, own?: string): string;
  export function installSentence(exitCode: number, output: string): string;
}

declare module '*/scripts/lock.js' {
  export function tryLock(
    path: string,
    self?: import('../../scripts/types.js').Owner,
  ): { release: () => void } | { heldBy: number };
  export function lock(path: string, onWait?: (pid: number) => void): Promise<() => void>;
  export function bornAt(pid: number): string;
  export function isAlive(pid: number): boolean;
}

declare module '*/scripts/installed.js' {
  export function isInstalled(root: string, system?: { platform: string; arch: string }): boolean;
}

declare module '*/scripts/postgres-binaries.js' {
  export const RUN_AS: number | undefined;
  export function postgresBinaries(options?: { native?: string; uid?: number; temps?: string[] }): {
    bin: string;
    moved?: string;
  };
  export function dataFolder(
    wished: string,
    uid?: number,
    temps?: string[],
  ): { dir: string; moved?: string };
}

declare module '*/scripts/catalog.js' {
  export function catalogOf(client: import('pg').Client): Promise<string>;
}

declare module '*/scripts/progress.js' {
  export function createProgress(
    out: { isTTY?: boolean; write(text: string): unknown },
    total: number,
    now?: () => number,
  ): { show(done: number): void; end(): void };
}

declare module '*/scripts/test.js' {
  export function countJest(report: string, code: number): import('../../scripts/types.js').Counts;
}

declare module '*/scripts/guardian.js' {
  export function guard(script: string, args: string[]): () => Promise<void>;
}

declare module '*/bench/queue-jobs.js' {
  export function queueJobs(metricsPort: number): Promise<{ queue: string; jobs: number }[]>;
  export function sumOf(counts: readonly { jobs: number }[]): number;
}

declare module '*/bench/usage.js' {
  export function peakBytes(pid: number): number;
  export function megabytes(bytes: number): number;
}

declare module '*/bench/statistics.js' {
  export function percentile(values: readonly number[], share: number): number;
  export function mediansOf<T extends object>(rounds: readonly T[]): T;
}

declare module '*/bench/report/page.js' {
  export function filledIn(
    page: string,
    figures: import('../../bench/types.js').BenchFigures,
  ): string;
}
