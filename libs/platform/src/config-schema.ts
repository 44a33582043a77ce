import { z } from 'zod';

/** What `.env.example` says about a variable beside its default. */
export interface VariableDoc {
  section: string;
  /** One or two plain sentences, without the unit and the default. */
  description: string;
  /** Shown in the example; absent = the variable has no default. */
  default?: string;
  unit?: string;
  /** An example value for a variable without a default. */
  example?: string;
}

/** The documentation of each variable, by its schema. */
export const variableDocs = z.registry<VariableDoc>();

// Every message is ours and never repeats the value: a fault in DATABASE_URL or ENCRYPTION_KEYS
// must not print the secret that it holds.

function integer(doc: VariableDoc & { default: string }, min: number, max: number) {
  const unit = doc.unit === undefined ? '' : ` (${doc.unit})`;
  const message = `must be a whole number from ${min} to ${max}${unit}.`;
  return z
    .string(message)
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message)
    .prefault(doc.default)
    .register(variableDocs, doc);
}

function choice<const T extends string>(doc: VariableDoc & { default: NoInfer<T> }, values: T[]) {
  const message = `must be one of ${values.join(', ')}.`;
  return z
    .string(message)
    .refine((value): value is T => values.some((known) => known === value), message)
    .prefault(doc.default)
    .register(variableDocs, doc);
}

function flag(doc: VariableDoc) {
  return z
    .enum(['true', 'false'], 'must be true or false.')
    .prefault('false')
    .transform((value) => value === 'true')
    .register(variableDocs, { default: 'false', ...doc });
}

function parsedUrl(value: string): URL | undefined {
  return URL.canParse(value) ? new URL(value) : undefined;
}

function url(protocols: string[], message: string) {
  return z
    .string(`is required and ${message}`)
    .refine((value) => protocols.includes(parsedUrl(value)?.protocol ?? ''), message);
}

/** An origin alone: scheme, host, port. Credentials or a path in it would be silently dropped. */
function origin(doc: VariableDoc & { default: string }) {
  const message = 'must be an https origin without a path, such as https://host:8443.';
  return z
    .string(message)
    .refine((value) => {
      const parsed = parsedUrl(value);
      return parsed?.protocol === 'https:' && (value === parsed.origin || value === parsed.href)
        ? parsed.pathname === '/' && parsed.search === '' && parsed.hash === '' && !parsed.username
        : false;
    }, message)
    .transform((value) => new URL(value).origin)
    .prefault(doc.default)
    .register(variableDocs, doc);
}

/** One key of the keyring that seals credentials. The first one seals, all open. */
export interface EncryptionKey {
  id: string;
  /** 32 bytes, AES-256. */
  key: Buffer;
}

const keyring = z
  .string('is required: id:base64, comma separated, each key 32 random bytes.')
  .transform((value, ctx): EncryptionKey[] => {
    const keys: EncryptionKey[] = [];
    const fail = (message: string) => {
      ctx.issues.push({ code: 'custom', message, input: undefined });
    };
    for (const [index, entry] of value.split(',').entries()) {
      const [, id, encoded] = /^\s*([a-z0-9_-]{1,32}):([A-Za-z0-9+/]+={0,2})\s*$/.exec(entry) ?? [];
      const key = Buffer.from(encoded ?? '', 'base64');
      const nth = `entry ${index + 1}`;
      if (id === undefined) {
        fail(`${nth} must be id:base64, the id of 1 to 32 characters out of a-z, 0-9, _ and -.`);
      } else if (key.length !== 32) {
        fail(`${nth} must decode to 32 bytes, it has ${key.length}.`);
      } else if (keys.some((other) => other.id === id)) {
        fail(`${nth} repeats an id; each must be unique.`);
      } else {
        keys.push({ id, key });
      }
    }
    return keys;
  });

const postgres = 'must be a PostgreSQL address, postgres://user:password@host:port/database.';

/**
 * Every variable that api and worker read, with its rule, default, unit and meaning. `.env.example`
 * is generated from it. An empty variable counts as one that is not set.
 */
export const environment = z.object({
  PORT: integer(
    {
      section: 'HTTP',
      description: 'Port of the REST API; 0 takes a free one.',
      default: '8080',
    },
    0,
    65_535,
  ),
  HOST: z.string().prefault('0.0.0.0').register(variableDocs, {
    section: 'HTTP',
    description: 'Address that the REST API and the metrics port listen on.',
    default: '0.0.0.0',
  }),
  RATE_LIMIT_REQUESTS: integer(
    {
      section: 'HTTP',
      description: 'What each API key, and each account by its auth token, may ask; beyond it 429.',
      default: '5000',
      unit: 'requests a second',
    },
    1,
    1_000_000,
  ),
  RATE_LIMIT_RECIPIENTS: integer(
    {
      section: 'HTTP',
      description:
        'The same for recipients of sends and preflights. One may name 10,000, so at least that.',
      default: '500000',
      unit: 'recipients a second',
    },
    10_000,
    100_000_000,
  ),
  PUBLIC_URL: url(['http:', 'https:'], 'must be an http or https address.')
    .transform((value) => value.replace(/\/+$/, ''))
    .optional()
    .register(variableDocs, {
      section: 'HTTP',
      description:
        'Where callers reach the API: absolute links in answers begin with it. Without it they ' +
        'begin with http://localhost and the port.',
      example: 'https://push.example.com',
    }),
  METRICS_PORT: integer(
    {
      section: 'HTTP',
      description:
        'Port of /metrics, /health/live and /health/ready, in api and worker each; 0 takes a ' +
        'free one. Do not expose it.',
      default: '9090',
    },
    0,
    65_535,
  ),

  DATABASE_URL: url(['postgres:', 'postgresql:'], postgres).register(variableDocs, {
    section: 'PostgreSQL',
    description: 'Required. PostgreSQL 15 or newer, with the role that may read and write rows.',
    example: 'postgres://fanfare_app:secret@localhost:5432/fanfare',
  }),
  MIGRATE_DATABASE_URL: url(['postgres:', 'postgresql:'], postgres)
    .optional()
    .register(variableDocs, {
      section: 'PostgreSQL',
      description:
        'The same database with the role that owns the schema; only `npm run migrate` uses it, and gives ' +
        'the role of DATABASE_URL its rights. Without it DATABASE_URL is used.',
      example: 'postgres://fanfare_owner:secret@localhost:5432/fanfare',
    }),
  DATABASE_POOL_SIZE: integer(
    {
      section: 'PostgreSQL',
      description: 'Connections that each process keeps for its own statements.',
      default: '10',
      unit: 'connections',
    },
    2,
    1_000,
  ),

  REDIS_URL: url(['redis:', 'rediss:'], 'must be a redis:// or rediss:// address.')
    .optional()
    .register(variableDocs, {
      section: 'Queue',
      description:
        'Redis for BullMQ, with maxmemory-policy noeviction. Without it the queue lies in schema ' +
        'bullmq of DATABASE_URL, which is slower.',
      example: 'redis://localhost:6379',
    }),
  QUEUE_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,32}$/, 'must be 1 to 32 letters, digits, _ or -.')
    .prefault('fanfare')
    .register(variableDocs, {
      section: 'Queue',
      description: 'First part of every Redis key, for several gateways on one Redis.',
      default: 'fanfare',
    }),
  QUEUE_POOL_SIZE: integer(
    {
      section: 'Queue',
      description:
        'Connections that a process keeps for the queue on PostgreSQL. BullMQ pins one a queue ' +
        'and needs some to spare: at least 7.',
      default: '12',
      unit: 'connections',
    },
    1,
    1_000,
  ),
  JOB_LOCK_MS: integer(
    {
      section: 'Queue',
      description: 'A job of a dead worker is free for another after this long.',
      default: '30000',
      unit: 'milliseconds',
    },
    100,
    3_600_000,
  ),
  STALLED_INTERVAL_MS: integer(
    {
      section: 'Queue',
      description: 'How often workers look for jobs of dead workers.',
      default: '30000',
      unit: 'milliseconds',
    },
    100,
    3_600_000,
  ),

  CREDENTIAL_CHECK_TIMEOUT_MS: integer(
    {
      section: 'Queue',
      description:
        'How long the api waits for a worker to check a credential before it answers 503.',
      default: '10000',
      unit: 'milliseconds',
    },
    100,
    10_000,
  ),

  ENCRYPTION_KEYS: keyring.register(variableDocs, {
    section: 'Secrets',
    description:
      'Required. Keyring that seals provider credentials: id:base64, comma separated, each key ' +
      '32 random bytes (openssl rand -base64 32). The first one seals, all of them open.',
    example: '2026a:<base64 of 32 random bytes>',
  }),
  BOOTSTRAP_ACCOUNT_SID: z
    .string()
    .regex(/^AC[0-9a-f]{32}$/, 'must be AC and 32 lower-case hex digits.')
    .optional()
    .register(variableDocs, {
      section: 'Secrets',
      description: 'Account that is made at boot if it does not exist yet.',
      example: 'AC<32 hex digits>',
    }),
  BOOTSTRAP_AUTH_TOKEN: z
    .string()
    .min(32, 'must have at least 32 characters.')
    .optional()
    .register(variableDocs, {
      section: 'Secrets',
      description: 'Auth token of that account: at least 32 characters (openssl rand -hex 32).',
      example: '<at least 32 random characters>',
    }),

  PROVIDERS: choice(
    {
      section: 'Providers',
      description:
        'live sends to FCM and APNs; simulator sends to the simulator named by the four origins.',
      default: 'live',
    },
    ['live', 'simulator'],
  ),
  FCM_ORIGIN: origin({
    section: 'Providers',
    description: 'Where FCM messages go.',
    default: 'https://fcm.googleapis.com',
  }),
  GOOGLE_TOKEN_URL: url(['https:'], 'must be an https address.')
    .prefault('https://oauth2.googleapis.com/token')
    .register(variableDocs, {
      section: 'Providers',
      description: 'Where access tokens for FCM come from.',
      default: 'https://oauth2.googleapis.com/token',
    }),
  APNS_ORIGIN: origin({
    section: 'Providers',
    description: 'Where pushes of APN credentials go.',
    default: 'https://api.push.apple.com',
  }),
  APNS_SANDBOX_ORIGIN: origin({
    section: 'Providers',
    description: 'Where pushes of APN_SANDBOX credentials go.',
    default: 'https://api.sandbox.push.apple.com',
  }),
  PROVIDER_CA_FILE: z.string().optional().register(variableDocs, {
    section: 'Providers',
    description: 'PEM file of one more certificate authority to trust for those four origins.',
    example: '/etc/fanfare/ca.pem',
  }),
  ALLOW_CUSTOM_PROVIDER_ORIGINS: flag({
    section: 'Providers',
    description:
      'Must be true before PROVIDERS=live takes an origin that is not Google’s or Apple’s: ' +
      'bearer tokens go there.',
  }),
  REQUEST_TIMEOUT_MS: integer(
    {
      section: 'Providers',
      description: 'Deadline of one request to a provider.',
      default: '15000',
      unit: 'milliseconds',
    },
    100,
    120_000,
  ),
  PING_INTERVAL_MS: integer(
    {
      section: 'Providers',
      description: 'How often an open HTTP/2 session to a provider is pinged.',
      default: '30000',
      unit: 'milliseconds',
    },
    100,
    3_600_000,
  ),
  PING_TIMEOUT_MS: integer(
    {
      section: 'Providers',
      description: 'A session that has not answered its ping by then is replaced.',
      default: '5000',
      unit: 'milliseconds',
    },
    50,
    120_000,
  ),
  MAX_IN_FLIGHT: integer(
    {
      section: 'Providers',
      description:
        'Requests that a worker process has on the wire at once, over all credentials. What finds ' +
        'no room within a second goes back to the queue.',
      default: '2000',
      unit: 'requests',
    },
    1,
    100_000,
  ),
  CREDENTIAL_MAX_IN_FLIGHT: integer(
    {
      section: 'Providers',
      description:
        'The same for one credential. The connections of one carry at most 400 (FCM) or 1000 (APNs).',
      default: '1000',
      unit: 'requests',
    },
    1,
    100_000,
  ),
  CREDENTIAL_WINDOW: integer(
    {
      section: 'Providers',
      description: 'How many pushes of one credential may be handed over to the queue at first.',
      default: '500',
      unit: 'pushes',
    },
    1,
    5_000,
  ),

  WORKER_CONCURRENCY: integer(
    {
      section: 'Delivery',
      description: 'Pushes in hand at once, a queue and worker process.',
      default: '200',
      unit: 'pushes',
    },
    1,
    5_000,
  ),
  DELIVERY_JOB_SIZE: integer(
    {
      section: 'Delivery',
      description:
        'Pushes that one job of the queue carries. More than 1 costs the queue less and keeps every ' +
        'promise; an operator then no longer sees each waiting push as a job of its own.',
      default: '1',
      unit: 'pushes',
    },
    1,
    100,
  ),
  RETRY_WINDOW_HOURS: integer(
    {
      section: 'Delivery',
      description: 'Retries of a push end this long after its first attempt that counts.',
      default: '24',
      unit: 'hours',
    },
    1,
    672,
  ),
  UNKNOWN_OUTCOMES: choice(
    {
      section: 'Delivery',
      description:
        'When the answer to a request was lost: at-least-once sends again (a device may show it ' +
        'twice), at-most-once gives up.',
      default: 'at-least-once',
    },
    ['at-least-once', 'at-most-once'],
  ),
  REFUSED_PAUSE_MS: integer(
    {
      section: 'Delivery',
      description:
        'A credential that its provider refuses rests for up to this long before one push tries it ' +
        'again; doubled each time, up to 15 minutes. A new secret is tried at once.',
      default: '60000',
      unit: 'milliseconds',
    },
    100,
    900_000,
  ),
  LEASE_MS: integer(
    {
      section: 'Delivery',
      description: 'How long a worker owns a push that it claimed.',
      default: '60000',
      unit: 'milliseconds',
    },
    500,
    3_600_000,
  ),
  LEASE_MARGIN_MS: integer(
    {
      section: 'Delivery',
      description:
        'No request starts unless its deadline and this margin fit in the lease. LEASE_MS must ' +
        'be more than REQUEST_TIMEOUT_MS and LEASE_MARGIN_MS together.',
      default: '10000',
      unit: 'milliseconds',
    },
    50,
    600_000,
  ),
  DISPATCH_INTERVAL_MS: integer(
    {
      section: 'Delivery',
      description: 'How often dispatch looks for work when nothing woke it.',
      default: '1000',
      unit: 'milliseconds',
    },
    10,
    600_000,
  ),
  DISPATCH_CHUNK: integer(
    {
      section: 'Delivery',
      description: 'Pushes that one account hands to the queue a turn.',
      default: '500',
      unit: 'pushes',
    },
    1,
    5_000,
  ),
  BACKLOG_PACE: choice(
    {
      section: 'Delivery',
      description:
        'courteous: while pushes of accounts that send now and then are tried late, backlogs of others are handed ' +
        'over more slowly, about an eighth of the full pace at the least. full: never.',
      default: 'courteous',
    },
    ['courteous', 'full'],
  ),
  DISPATCH_TIMEOUT_MS: integer(
    {
      section: 'Delivery',
      description: 'A turn whose jobs the queue has not taken by then is given up and repeated.',
      default: '5000',
      unit: 'milliseconds',
    },
    100,
    600_000,
  ),
  SWEEP_INTERVAL_MS: integer(
    {
      section: 'Delivery',
      description: 'How often scheduled, expired and lost pushes are looked for.',
      default: '1000',
      unit: 'milliseconds',
    },
    10,
    600_000,
  ),
  LOST_AFTER_MS: integer(
    {
      section: 'Delivery',
      description: 'A push that is due for this long and in nobody’s hand is queued again.',
      default: '90000',
      unit: 'milliseconds',
    },
    500,
    86_400_000,
  ),

  RETENTION_DAYS: integer(
    {
      section: 'Operation',
      description: 'Finished pushes and operations are removed after this long.',
      default: '7',
      unit: 'days',
    },
    1,
    365,
  ),
  LOG_LEVEL: choice(
    { section: 'Operation', description: 'Least severe line that is logged.', default: 'info' },
    ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
  ),
  SHUTDOWN_GRACE_SECONDS: integer(
    {
      section: 'Operation',
      description:
        'After SIGTERM, work in hand has this long to finish. Give the orchestrator’s own grace ' +
        'period some seconds more.',
      default: '30',
      unit: 'seconds',
    },
    1,
    3_600,
  ),
  SHUTDOWN_DRAIN_SECONDS: integer(
    {
      section: 'Operation',
      description:
        'After SIGTERM the api says at once that it is not ready, goes on serving for so long, asking each caller ' +
        'for another connection, and closes then. Part of the grace period: longer than a balancer ' +
        'needs to leave a process out; 0 where there is none.',
      default: '5',
      unit: 'seconds',
    },
    0,
    3_600,
  ),
  EXIT_WITH_PARENT: flag({
    section: 'Operation',
    description: 'Stop when the process that started this one is gone (its IPC channel closed).',
  }),
});

export type Environment = z.output<typeof environment>;
export type VariableName = keyof Environment;
