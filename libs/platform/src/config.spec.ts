import { describe, expect, it } from '@jest/globals';
import { ConfigError, exitsWithParent, loadConfig } from './config.js';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');

const minimal = {
  DATABASE_URL: 'postgres://app:s3cret@localhost:5432/fanfare',
  ENCRYPTION_KEYS: `k1:${key(1)}`,
};

const simulator = {
  PROVIDERS: 'simulator',
  FCM_ORIGIN: 'https://localhost:4431',
  GOOGLE_TOKEN_URL: 'https://localhost:4431/token',
  APNS_ORIGIN: 'https://localhost:4432',
  APNS_SANDBOX_ORIGIN: 'https://localhost:4433',
};

function faultsOf(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.message.split('\n')).toHaveLength(error.faults.length + 1);
    return error.faults.map(({ variable, message }) => `${variable} ${message}`);
  }
  return [];
}

describe('loadConfig', () => {
  it('needs a database and a keyring only, and fills in the documented defaults', () => {
    const config = loadConfig(minimal);
    expect(config).toMatchObject({
      http: {
        host: '0.0.0.0',
        port: 8080,
        publicUrl: undefined,
        metricsPort: 9090,
        drainMs: 5_000,
      },
      database: { migrateUrl: minimal.DATABASE_URL, poolSize: 10 },
      queue: { redisUrl: undefined, prefix: 'fanfare', jobLockMs: 30_000 },
      bootstrap: undefined,
      providers: {
        mode: 'live',
        fcmOrigin: 'https://fcm.googleapis.com',
        googleTokenUrl: 'https://oauth2.googleapis.com/token',
        requestTimeoutMs: 15_000,
        // A black hole is noticed within their sum, and so healed within 40 s.
        pingIntervalMs: 30_000,
        pingTimeoutMs: 5_000,
        // Enough for two busy credentials; one alone cannot take it all.
        maxInFlight: 2_000,
        credentialMaxInFlight: 1_000,
      },
      delivery: { leaseMs: 60_000, unknownOutcomes: 'at-least-once', retryWindowMs: 86_400_000 },
      shutdownGraceMs: 30_000,
      exitWithParent: false,
    });
    expect(config.encryptionKeys).toEqual([{ id: 'k1', key: Buffer.alloc(32, 1) }]);
  });

  it('keeps the order of the keyring', () => {
    const keys = loadConfig({ ...minimal, ENCRYPTION_KEYS: `new:${key(2)}, old-1:${key(1)}` });
    expect(keys.encryptionKeys.map(({ id }) => id)).toEqual(['new', 'old-1']);
  });

  it('lists every fault at once, cross checks included', () => {
    const faults = faultsOf({
      PORT: '70000',
      METRICS_PORT: 'x',
      WORKER_CONCURRENCY: '-1',
      LOG_LEVEL: 'loud',
      QUEUE_POOL_SIZE: '5',
      BOOTSTRAP_AUTH_TOKEN: 'short',
      ALLOW_CUSTOM_PROVIDER_ORIGINS: 'yes',
      LEASE_MS: '25000',
      SHUTDOWN_GRACE_SECONDS: '5',
    });
    expect(faults.map((fault) => fault.split(' ', 1)[0])).toEqual([
      'PORT',
      'METRICS_PORT',
      'DATABASE_URL',
      'ENCRYPTION_KEYS',
      'BOOTSTRAP_AUTH_TOKEN',
      'ALLOW_CUSTOM_PROVIDER_ORIGINS',
      'WORKER_CONCURRENCY',
      'LOG_LEVEL',
      'BOOTSTRAP_ACCOUNT_SID',
      'QUEUE_POOL_SIZE',
      'LEASE_MS',
      'SHUTDOWN_DRAIN_SECONDS',
    ]);
    expect(faults[0]).toBe('PORT must be a whole number from 0 to 65535.');
  });

  it('counts an empty variable as one that is not set', () => {
    expect(loadConfig({ ...minimal, PORT: '', REDIS_URL: '' }).http.port).toBe(8080);
    expect(faultsOf({ ...minimal, DATABASE_URL: '' })[0]).toMatch(/^DATABASE_URL is required/);
  });

  it('never prints a value that may hold a secret', () => {
    const secret = 'hunter2hunter2hunter2';
    const env = {
      DATABASE_URL: `mysql://u:${secret}@h/d`,
      MIGRATE_DATABASE_URL: secret,
      REDIS_URL: `http://:${secret}@h`,
      ENCRYPTION_KEYS: `${secret},a:${secret},b:${key(1)},b:${key(1)}`,
      BOOTSTRAP_ACCOUNT_SID: secret,
      BOOTSTRAP_AUTH_TOKEN: secret,
      FCM_ORIGIN: `https://u:${secret}@h`,
      APNS_ORIGIN: `https://h/${secret}`,
      PUBLIC_URL: secret,
      PORT: secret,
      LOG_LEVEL: secret,
    };
    const faults = faultsOf(env);
    for (const name of Object.keys(env)) expect(faults.join('\n')).toContain(name);
    expect(faults.join('\n')).not.toContain(secret);
  });

  it.each([
    ['', 'is required'],
    ['nokey', 'entry 1 must be id:base64'],
    [`UPPER:${key(1)}`, 'entry 1 must be id:base64'],
    [`${'a'.repeat(33)}:${key(1)}`, 'entry 1 must be id:base64'],
    [`a:${Buffer.alloc(31).toString('base64')}`, 'must decode to 32 bytes, it has 31'],
    [`a:${key(1)},a:${key(2)}`, 'entry 2 repeats an id'],
    [`a:${key(1)},`, 'entry 2 must be id:base64'],
  ])('refuses the keyring %p', (ENCRYPTION_KEYS, sentence) => {
    expect(faultsOf({ ...minimal, ENCRYPTION_KEYS }).join()).toContain(sentence);
  });

  it('wants both halves of the bootstrap account', () => {
    const BOOTSTRAP_ACCOUNT_SID = `AC${'0'.repeat(32)}`;
    expect(faultsOf({ ...minimal, BOOTSTRAP_ACCOUNT_SID })[0]).toMatch(
      /^BOOTSTRAP_AUTH_TOKEN must/,
    );
    const BOOTSTRAP_AUTH_TOKEN = 't'.repeat(32);
    expect(faultsOf({ ...minimal, BOOTSTRAP_AUTH_TOKEN })[0]).toMatch(
      /^BOOTSTRAP_ACCOUNT_SID must/,
    );
    expect(
      loadConfig({ ...minimal, BOOTSTRAP_ACCOUNT_SID, BOOTSTRAP_AUTH_TOKEN }).bootstrap,
    ).toEqual({ accountSid: BOOTSTRAP_ACCOUNT_SID, authToken: BOOTSTRAP_AUTH_TOKEN });
  });

  it('asks for a larger queue pool on PostgreSQL only', () => {
    expect(faultsOf({ ...minimal, QUEUE_POOL_SIZE: '6' })[0]).toContain('at least 7');
    expect(faultsOf({ ...minimal, QUEUE_POOL_SIZE: '7' })).toEqual([]);
    const redis = { REDIS_URL: 'redis://localhost:6379', QUEUE_POOL_SIZE: '5' };
    expect(faultsOf({ ...minimal, ...redis })).toEqual([]);
  });

  it('needs the lease to outlast a request and its margin', () => {
    const short = { LEASE_MS: '25000', REQUEST_TIMEOUT_MS: '15000', LEASE_MARGIN_MS: '10000' };
    expect(faultsOf({ ...minimal, ...short })[0]).toMatch(/^LEASE_MS must be more/);
    expect(faultsOf({ ...minimal, ...short, LEASE_MS: '25001' })).toEqual([]);
  });

  it('wants two different ports unless they are free ones', () => {
    expect(faultsOf({ ...minimal, PORT: '9090' })[0]).toMatch(/^METRICS_PORT must differ/);
    expect(faultsOf({ ...minimal, PORT: '0', METRICS_PORT: '0' })).toEqual([]);
  });
});

describe('provider origins', () => {
  it('simulator needs all four', () => {
    expect(loadConfig({ ...minimal, ...simulator }).providers.mode).toBe('simulator');
    expect(faultsOf({ ...minimal, PROVIDERS: 'simulator' })).toEqual(
      ['FCM_ORIGIN', 'GOOGLE_TOKEN_URL', 'APNS_ORIGIN', 'APNS_SANDBOX_ORIGIN'].map(
        (name) => `${name} is required when PROVIDERS=simulator.`,
      ),
    );
  });

  it.each([
    ['FCM_ORIGIN', 'https://fcm.googleapis.com'],
    ['GOOGLE_TOKEN_URL', 'https://www.googleapis.com/oauth2/v4/token'],
    ['APNS_ORIGIN', 'https://api.push.apple.com:2197'],
    ['APNS_SANDBOX_ORIGIN', 'https://api.development.push.apple.com'],
  ])('simulator does not take the real %s', (name, value) => {
    expect(faultsOf({ ...minimal, ...simulator, [name]: value })).toEqual([
      `${name} must not be Google’s or Apple’s when PROVIDERS=simulator.`,
    ]);
  });

  it('live takes a foreign origin only when that is allowed', () => {
    const env = { ...minimal, FCM_ORIGIN: 'https://fcm.googleapis.com.evil.example' };
    expect(faultsOf(env)[0]).toContain('ALLOW_CUSTOM_PROVIDER_ORIGINS=true');
    const config = loadConfig({ ...env, ALLOW_CUSTOM_PROVIDER_ORIGINS: 'true' });
    expect(config.warnings.join()).toContain('FCM_ORIGIN not Google’s');
  });

  it('takes Apple’s second port and a trailing slash', () => {
    const env = { ...minimal, APNS_ORIGIN: 'https://api.push.apple.com:2197/' };
    expect(loadConfig(env).providers.apnsOrigin).toBe('https://api.push.apple.com:2197');
  });

  it.each(['http://localhost:1', 'https://h/path', 'https://h?x', 'https://u@h', 'h:1', '//h'])(
    'is no origin: %s',
    (value) => {
      expect(faultsOf({ ...minimal, ...simulator, APNS_ORIGIN: value })[0]).toContain(
        'APNS_ORIGIN must be an https origin',
      );
    },
  );
});

describe('warnings', () => {
  const quiet = { ...minimal, REDIS_URL: 'rediss://r:6379', PUBLIC_URL: 'https://push.example/' };

  it('has none for a sound production configuration', () => {
    const config = loadConfig(quiet);
    expect(config.warnings).toEqual([]);
    expect(config.http.publicUrl).toBe('https://push.example');
  });

  it.each([
    [{ ...simulator }, 'no push reaches a device'],
    [{ REDIS_URL: '' }, 'REDIS_URL is not set'],
    [{ PUBLIC_URL: '' }, 'PUBLIC_URL is not set'],
    [{ PROVIDER_CA_FILE: '/ca.pem' }, 'PROVIDER_CA_FILE'],
    [{ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, 'NODE_TLS_REJECT_UNAUTHORIZED'],
    [{ SHUTDOWN_GRACE_SECONDS: '10' }, 'SHUTDOWN_GRACE_SECONDS'],
    [{ LOST_AFTER_MS: '60000' }, 'LOST_AFTER_MS'],
    [{ PING_TIMEOUT_MS: '30000' }, 'PING_TIMEOUT_MS'],
  ] as [Record<string, string>, string][])('warns about %o', (env, sentence) => {
    const { warnings } = loadConfig({ ...quiet, ...env });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(sentence);
  });
});

describe('exitsWithParent', () => {
  it('is the one setting that needs no valid configuration', () => {
    expect(exitsWithParent({ EXIT_WITH_PARENT: 'true' })).toBe(true);
    expect(exitsWithParent({})).toBe(false);
  });
});
