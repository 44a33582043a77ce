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

declare module '*/scripts/processes.js' {
  import type {
    ProcessName,
    ProcessOptions,
    ReadyInfo,
    RunningProcess,
  } from '../../scripts/types.js';
  export function startProcess<N extends ProcessName>(
    name: N,
    options: ProcessOptions,
  ): Promise<RunningProcess<ReadyInfo[N]>>;
}

declare module '*/scripts/gateway.js' {
  import type { Account, Gateway, GatewayOptions } from '../../scripts/types.js';
  export function startGateway(options: GatewayOptions): Promise<Gateway>;
  export function randomAccount(): Account;
  export function randomKeys(): string;
}

declare module '*/scripts/client.js' {
  import type { Account, ApiClient } from '../../scripts/types.js';
  export function apiClient(url: string, account: Account): ApiClient;
  export function storeCredential(
    api: ApiClient,
    credential: {
      appName: string;
      credentialType: 'FCM' | 'APN' | 'APN_SANDBOX';
      content: Record<string, string>;
    },
  ): Promise<string>;
}
