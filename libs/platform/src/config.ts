import { environment } from './config-schema.js';
import type { EncryptionKey, Environment, VariableName } from './config-schema.js';

/** BullMQ Workers a process runs on PostgreSQL; each pins one pool connection for LISTEN. */
const QUEUE_WORKERS = 3;
/** Fewer spare connections than this and BullMQ's PostgreSQL backend waits for ever, silently. */
const QUEUE_SPARE_CONNECTIONS = 4;

const OFFICIAL_HOSTS = {
  FCM_ORIGIN: ['fcm.googleapis.com'],
  GOOGLE_TOKEN_URL: ['oauth2.googleapis.com'],
  APNS_ORIGIN: ['api.push.apple.com'],
  APNS_SANDBOX_ORIGIN: ['api.sandbox.push.apple.com', 'api.development.push.apple.com'],
} as const satisfies Partial<Record<VariableName, readonly string[]>>;

const ORIGINS = Object.keys(OFFICIAL_HOSTS) as (keyof typeof OFFICIAL_HOSTS)[];

/** The whole configuration of api and worker. Durations in milliseconds unless the name says. */
export interface Config {
  http: {
    host: string;
    /** 0 = a free port. */
    port: number;
    /** Without a trailing slash. Absent: http://localhost and the port that was taken. */
    publicUrl: string | undefined;
    metricsPort: number;
    /** From the beginning of a stop to the close of the port; less than `shutdownGraceMs`. */
    drainMs: number;
    /** A second, of each API key or auth token. */
    rateLimits: { requests: number; recipients: number };
  };
  database: { url: string; migrateUrl: string; poolSize: number };
  queue: {
    /** Absent: BullMQ on PostgreSQL, schema `bullmq` of `database.url`. */
    redisUrl: string | undefined;
    databaseUrl: string;
    prefix: string;
    poolSize: number;
    jobLockMs: number;
    stalledIntervalMs: number;
    /** Of the api, for a worker to check a credential. */
    checkTimeoutMs: number;
  };
  /** In order: the first one seals, all of them open. Never empty. */
  encryptionKeys: EncryptionKey[];
  bootstrap: { accountSid: string; authToken: string } | undefined;
  providers: {
    mode: 'live' | 'simulator';
    fcmOrigin: string;
    googleTokenUrl: string;
    apnsOrigin: string;
    apnsSandboxOrigin: string;
    caFile: string | undefined;
    requestTimeoutMs: number;
    pingIntervalMs: number;
    pingTimeoutMs: number;
    /** Requests on the wire at once: over all credentials, and of one. */
    maxInFlight: number;
    credentialMaxInFlight: number;
    /** Start value of a credential's admission window, pushes. */
    credentialWindow: number;
  };
  delivery: {
    /** Pushes in hand, a queue and process. */
    concurrency: number;
    retryWindowMs: number;
    unknownOutcomes: 'at-least-once' | 'at-most-once';
    leaseMs: number;
    leaseMarginMs: number;
    /** Most pushes that one job carries. */
    jobSize: number;
    /** First pause of a refused credential. */
    refusedPauseMs: number;
  };
  dispatch: {
    intervalMs: number;
    chunk: number;
    timeoutMs: number;
    backlogPace: 'courteous' | 'full';
  };
  sweep: { intervalMs: number; lostAfterMs: number };
  retentionDays: number;
  logLevel: Environment['LOG_LEVEL'];
  shutdownGraceMs: number;
  exitWithParent: boolean;
  /** Legal but risky settings, one sentence each; to be logged at boot. */
  warnings: string[];
}

/** One fault of the configuration. Its message never holds the variable's value. */
export interface ConfigFault {
  variable: VariableName;
  message: string;
}

/** Thrown by `loadConfig` with every fault at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly faults: ConfigFault[]) {
    const lines = faults.map(({ variable, message }) => `  ${variable} ${message}`);
    super(`The configuration has ${faults.length} fault(s):\n${lines.join('\n')}`);
  }
}

type Env = Record<string, string | undefined>;

/**
 * Reads the configuration from environment variables; `process.env` is read in this file only.
 *
 * @throws ConfigError listing every fault by variable, without a value of any.
 */
export function loadConfig(env: Env = process.env): Config {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const { values, faults } = parse(set);
  faults.push(...crossChecks(values, set));
  if (faults.length > 0) throw new ConfigError(faults);
  // Without a fault every variable has parsed.
  return shape(values as Environment, set);
}

/** Whether this process shall stop with the one that started it. Needs no other configuration. */
export function exitsWithParent(env: Env = process.env): boolean {
  return env['EXIT_WITH_PARENT'] === 'true';
}

/** Each variable on its own, so that one fault hides no other. */
function parse(env: Env): { values: Partial<Environment>; faults: ConfigFault[] } {
  const faults: ConfigFault[] = [];
  const entries: [string, unknown][] = [];
  for (const variable of Object.keys(environment.shape) as VariableName[]) {
    const result = environment.shape[variable].safeParse(env[variable]);
    if (result.success) entries.push([variable, result.data]);
    else faults.push(...result.error.issues.map(({ message }) => ({ variable, message })));
  }
  const values: Partial<Environment> = Object.fromEntries(entries);
  return { values, faults };
}

/** Rules between variables; one whose variables did not parse is left out. */
function crossChecks(values: Partial<Environment>, env: Env): ConfigFault[] {
  const faults: ConfigFault[] = [];
  const fault = (variable: VariableName, message: string) => faults.push({ variable, message });

  if (values.PORT !== undefined && values.PORT !== 0 && values.PORT === values.METRICS_PORT) {
    fault('METRICS_PORT', 'must differ from PORT.');
  }
  const hasSid = env['BOOTSTRAP_ACCOUNT_SID'] !== undefined;
  if (hasSid !== (env['BOOTSTRAP_AUTH_TOKEN'] !== undefined)) {
    fault(
      hasSid ? 'BOOTSTRAP_AUTH_TOKEN' : 'BOOTSTRAP_ACCOUNT_SID',
      'must be set too: BOOTSTRAP_ACCOUNT_SID and BOOTSTRAP_AUTH_TOKEN belong together.',
    );
  }
  const needed = QUEUE_WORKERS + QUEUE_SPARE_CONNECTIONS;
  const onPostgres = env['REDIS_URL'] === undefined;
  if (onPostgres && values.QUEUE_POOL_SIZE !== undefined && values.QUEUE_POOL_SIZE < needed) {
    fault('QUEUE_POOL_SIZE', `must be at least ${needed} when the queue is on PostgreSQL.`);
  }
  const { LEASE_MS: lease, REQUEST_TIMEOUT_MS: timeout, LEASE_MARGIN_MS: margin } = values;
  if (lease !== undefined && timeout !== undefined && margin !== undefined) {
    if (lease <= timeout + margin) {
      fault('LEASE_MS', 'must be more than REQUEST_TIMEOUT_MS + LEASE_MARGIN_MS.');
    }
  }
  const { SHUTDOWN_DRAIN_SECONDS: drain, SHUTDOWN_GRACE_SECONDS: grace } = values;
  if (drain !== undefined && grace !== undefined && drain >= grace) {
    fault('SHUTDOWN_DRAIN_SECONDS', 'must be less than SHUTDOWN_GRACE_SECONDS.');
  }
  for (const variable of ORIGINS) {
    const value = values[variable];
    if (value === undefined) continue;
    const { hostname } = new URL(value);
    if (values.PROVIDERS === 'simulator') {
      if (env[variable] === undefined) fault(variable, 'is required when PROVIDERS=simulator.');
      else if (belongsToVendor(hostname)) {
        fault(variable, 'must not be Google’s or Apple’s when PROVIDERS=simulator.');
      }
    } else if (values.PROVIDERS === 'live' && !isOfficial(variable, hostname)) {
      if (values.ALLOW_CUSTOM_PROVIDER_ORIGINS === false) {
        fault(
          variable,
          'is not the provider’s own: bearer tokens would go there. Set ' +
            'ALLOW_CUSTOM_PROVIDER_ORIGINS=true if that is meant.',
        );
      }
    }
  }
  return faults;
}

function isOfficial(variable: keyof typeof OFFICIAL_HOSTS, hostname: string): boolean {
  return (OFFICIAL_HOSTS[variable] as readonly string[]).includes(hostname);
}

function belongsToVendor(hostname: string): boolean {
  return /(^|\.)(googleapis\.com|google\.com|apple\.com)\.?$/.test(hostname);
}

function warningsFor(values: Environment, env: Env): string[] {
  const live = values.PROVIDERS === 'live';
  const custom = ORIGINS.filter((name) => !isOfficial(name, new URL(values[name]).hostname));
  const graceMs = values.SHUTDOWN_GRACE_SECONDS * 1_000;
  const rules: [boolean, string][] = [
    [!live, 'PROVIDERS=simulator: no push reaches a device.'],
    [
      live && custom.length > 0,
      `${custom.join(', ')} not Google’s or Apple’s: bearer tokens go there.`,
    ],
    [
      live && values.REDIS_URL === undefined,
      'REDIS_URL is not set: the queue lies in PostgreSQL, good for about 1,000 pushes a second.',
    ],
    [
      live && values.PUBLIC_URL === undefined,
      'PUBLIC_URL is not set: links in answers begin with http://localhost.',
    ],
    [
      values.PROVIDER_CA_FILE !== undefined && live && custom.length === 0,
      'PROVIDER_CA_FILE adds a certificate authority that may impersonate Google and Apple.',
    ],
    [
      env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0',
      'NODE_TLS_REJECT_UNAUTHORIZED=0: certificates of the providers are not checked.',
    ],
    [
      graceMs < values.REQUEST_TIMEOUT_MS,
      'SHUTDOWN_GRACE_SECONDS is shorter than REQUEST_TIMEOUT_MS: a stop may cut requests off.',
    ],
    [
      values.LOST_AFTER_MS <= values.LEASE_MS,
      'LOST_AFTER_MS is not longer than LEASE_MS: pushes in hand will be queued again for nothing.',
    ],
    [
      values.PING_TIMEOUT_MS >= values.PING_INTERVAL_MS,
      'PING_TIMEOUT_MS is not shorter than PING_INTERVAL_MS: dead sessions are noticed late.',
    ],
  ];
  return rules.filter(([applies]) => applies).map(([, sentence]) => sentence);
}

function shape(values: Environment, env: Env): Config {
  return {
    http: {
      host: values.HOST,
      port: values.PORT,
      publicUrl: values.PUBLIC_URL,
      metricsPort: values.METRICS_PORT,
      drainMs: values.SHUTDOWN_DRAIN_SECONDS * 1_000,
      rateLimits: {
        requests: values.RATE_LIMIT_REQUESTS,
        recipients: values.RATE_LIMIT_RECIPIENTS,
      },
    },
    database: {
      url: values.DATABASE_URL,
      migrateUrl: values.MIGRATE_DATABASE_URL ?? values.DATABASE_URL,
      poolSize: values.DATABASE_POOL_SIZE,
    },
    queue: {
      redisUrl: values.REDIS_URL,
      databaseUrl: values.DATABASE_URL,
      prefix: values.QUEUE_PREFIX,
      poolSize: values.QUEUE_POOL_SIZE,
      jobLockMs: values.JOB_LOCK_MS,
      stalledIntervalMs: values.STALLED_INTERVAL_MS,
      checkTimeoutMs: values.CREDENTIAL_CHECK_TIMEOUT_MS,
    },
    encryptionKeys: values.ENCRYPTION_KEYS,
    bootstrap:
      values.BOOTSTRAP_ACCOUNT_SID !== undefined && values.BOOTSTRAP_AUTH_TOKEN !== undefined
        ? { accountSid: values.BOOTSTRAP_ACCOUNT_SID, authToken: values.BOOTSTRAP_AUTH_TOKEN }
        : undefined,
    providers: {
      mode: values.PROVIDERS,
      fcmOrigin: values.FCM_ORIGIN,
      googleTokenUrl: values.GOOGLE_TOKEN_URL,
      apnsOrigin: values.APNS_ORIGIN,
      apnsSandboxOrigin: values.APNS_SANDBOX_ORIGIN,
      caFile: values.PROVIDER_CA_FILE,
      requestTimeoutMs: values.REQUEST_TIMEOUT_MS,
      pingIntervalMs: values.PING_INTERVAL_MS,
      pingTimeoutMs: values.PING_TIMEOUT_MS,
      maxInFlight: values.MAX_IN_FLIGHT,
      credentialMaxInFlight: values.CREDENTIAL_MAX_IN_FLIGHT,
      credentialWindow: values.CREDENTIAL_WINDOW,
    },
    delivery: {
      concurrency: values.WORKER_CONCURRENCY,
      retryWindowMs: values.RETRY_WINDOW_HOURS * 3_600_000,
      unknownOutcomes: values.UNKNOWN_OUTCOMES,
      leaseMs: values.LEASE_MS,
      leaseMarginMs: values.LEASE_MARGIN_MS,
      jobSize: values.DELIVERY_JOB_SIZE,
      refusedPauseMs: values.REFUSED_PAUSE_MS,
    },
    dispatch: {
      intervalMs: values.DISPATCH_INTERVAL_MS,
      chunk: values.DISPATCH_CHUNK,
      backlogPace: values.BACKLOG_PACE,
      timeoutMs: values.DISPATCH_TIMEOUT_MS,
    },
    sweep: { intervalMs: values.SWEEP_INTERVAL_MS, lostAfterMs: values.LOST_AFTER_MS },
    retentionDays: values.RETENTION_DAYS,
    logLevel: values.LOG_LEVEL,
    shutdownGraceMs: values.SHUTDOWN_GRACE_SECONDS * 1_000,
    exitWithParent: values.EXIT_WITH_PARENT,
    warnings: warningsFor(values, env),
  };
}
