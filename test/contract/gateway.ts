import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { jest } from '@jest/globals';
import { formatAccountId, newId, parseAccountId } from '@app/domain';
import { AccountRepository, Database } from '@app/persistence';
import { createLogger, loadConfig } from '@app/platform';
import { startApi } from '../../apps/api/src/api.js';
import { hashToken } from '../../apps/api/src/auth/authenticator.js';
import { createTestDatabase } from '../support/database.js';
import type { TestDatabase } from '../support/database.js';
import { checkDocumented } from './documented.js';
import type { Answer } from './documented.js';

export type { Answer } from './documented.js';

// Real processes and a real database: a busy machine may take its time.
jest.setTimeout(60_000);

export interface Call {
  query?: Record<string, string>;
  /** Sent as JSON; a string or bytes as they are. */
  body?: unknown;
  headers?: Record<string, string>;
}

/** One caller's view of the api: an account with its auth token, or an API key with its secret. */
export interface Client {
  sid: string;
  token: string;
  get(path: string, call?: Call): Promise<Answer>;
  post(path: string, body: unknown, call?: Call): Promise<Answer>;
  patch(path: string, body: unknown, call?: Call): Promise<Answer>;
  put(path: string, body: unknown, call?: Call): Promise<Answer>;
  delete(path: string, call?: Call): Promise<Answer>;
}

export interface Gateway {
  origin: string;
  metricsOrigin: string;
  database: TestDatabase;
  client: Client;
  /** A client of another, new account. */
  otherAccount(): Promise<Client>;
  /** Stops the api alone; the database stays. */
  stopApi(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * The api on a free port in front of a real database.
 *
 * @param through changes DATABASE_URL, for a test that stands between api and database.
 */
export async function startGateway(
  options: {
    through?: (url: string) => Promise<string>;
    env?: Record<string, string>;
    /** Every line logged is added to it. */
    log?: string[];
  } = {},
): Promise<Gateway> {
  const database = await createTestDatabase();
  const sid = formatAccountId(newId());
  const token = randomBytes(24).toString('hex');
  const config = loadConfig({
    PORT: '0',
    METRICS_PORT: '0',
    SHUTDOWN_DRAIN_SECONDS: '0',
    HOST: '127.0.0.1',
    DATABASE_URL: (await options.through?.(database.appUrl)) ?? database.appUrl,
    ENCRYPTION_KEYS: `test:${randomBytes(32).toString('base64')}`,
    BOOTSTRAP_ACCOUNT_SID: sid,
    BOOTSTRAP_AUTH_TOKEN: token,
    ...options.env,
  });
  const { log } = options;
  const logger =
    log === undefined
      ? createLogger({ level: 'silent' })
      : createLogger({ level: 'trace' }, { write: (line) => void log.push(line) });
  const api = await startApi(config, logger);
  const origin = `http://127.0.0.1:${api.port}`;
  return {
    origin,
    metricsOrigin: `http://127.0.0.1:${api.metricsPort}`,
    database,
    client: clientOf(origin, sid, token),
    otherAccount: () => otherAccount(origin, database.appUrl),
    stopApi: () => api.stop(),
    stop: async () => {
      await api.stop();
      await database.drop();
    },
  };
}

async function otherAccount(origin: string, url: string): Promise<Client> {
  const sid = formatAccountId(newId());
  const token = randomBytes(24).toString('hex');
  const database = new Database({ url, poolSize: 2, applicationName: 'test' });
  await new AccountRepository(database).ensure(parseAccountId(sid)!, hashToken(token));
  await database.close();
  return clientOf(origin, sid, token);
}

export function clientOf(origin: string, sid: string, token: string): Client {
  const authorization = `Basic ${Buffer.from(`${sid}:${token}`).toString('base64')}`;
  const send = async (method: string, path: string, call: Call): Promise<Answer> => {
    const { body, query = {}, headers } = call;
    const raw = typeof body === 'string' || body instanceof Uint8Array;
    const url = new URL(path.startsWith('/') ? path : `/v1/PushNotifications/${path}`, origin);
    for (const [name, value] of Object.entries(query)) url.searchParams.append(name, value);
    return read(
      await fetch(url, {
        method,
        headers: {
          authorization,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
      }),
      method,
    );
  };
  return {
    sid,
    token,
    get: (path, call = {}) => send('GET', path, call),
    post: (path, body, call = {}) => send('POST', path, { ...call, body }),
    patch: (path, body, call = {}) => send('PATCH', path, { ...call, body }),
    put: (path, body, call = {}) => send('PUT', path, { ...call, body }),
    delete: (path, call = {}) => send('DELETE', path, call),
  };
}

/** An answer, read to its end and held against `openapi.json`: so all tests check what they get. */
export async function read(response: Response, method = 'GET'): Promise<Answer> {
  const text = await response.text();
  const json = response.headers.get('content-type')?.startsWith('application/json') ?? false;
  const answer: Answer = {
    status: response.status,
    headers: response.headers,
    body: json ? JSON.parse(text) : text,
  };
  checkDocumented(method, new URL(response.url).pathname, answer);
  return answer;
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

/** Credential contents as a caller uploads them, with keys of their own. */
export function fcmContent() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  return {
    privateKey: base64(
      JSON.stringify({
        type: 'service_account',
        project_id: 'fanfare-test',
        client_email: 'push@fanfare-test.iam.gserviceaccount.com',
        private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      }),
    ),
  };
}

export function apnContent() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    signingKey: base64(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
    keyId: 'ABC123DEFG',
    teamId: 'DEF123GHIJ',
    topic: 'com.example.shop',
  };
}

/** Stores a credential and gives its id. */
export async function storeCredential(
  client: Client,
  credentialType: 'FCM' | 'APN' | 'APN_SANDBOX',
  appName = 'shop',
): Promise<string> {
  const content = credentialType === 'FCM' ? fcmContent() : apnContent();
  const { status, body } = await client.post('Credentials', { appName, credentialType, content });
  if (status !== 202) throw new Error(`The credential was refused: ${JSON.stringify(body)}`);
  return body.resourceId;
}
