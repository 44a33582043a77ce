/**
 * `npm start`: the gateway on this machine until Ctrl-C, with everything that it needs and was not given:
 * PostgreSQL, the simulator, an account. Its data lives in `.data/` and survives.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { apiClient, storeCredential } from './client.js';
import { randomPasswords, startPostgres } from './embedded-postgres.js';
import { randomAccount, randomKeys, startGateway } from './gateway.js';
import { tryLock } from './lock.js';
import { stopEverything, stopOnInterrupt } from './running.js';
import { codeOf, messageOf, print, Sentence, step } from './sentence.js';
import { ROOT } from './setup.js';

/** @import { Account, ApiClient, DevSecrets, Gateway } from './types.js' */

const ORIGINS = ['FCM_ORIGIN', 'GOOGLE_TOKEN_URL', 'APNS_ORIGIN', 'APNS_SANDBOX_ORIGIN'];
/** Holds the simulator's credentials. */
const APP = 'demo';
const OWN_APP = 'my_app';

/** @returns {Promise<number>} exit code */
export async function main() {
  const interrupt = stopOnInterrupt({ exitCode: 0, sentence: 'Stopping.' });
  const dir = process.env.FANFARE_DATA_DIR || join(ROOT, '.data');
  mkdirSync(dir, { recursive: true });
  const lock = tryLock(join(dir, 'start.lock'));
  if ('heldBy' in lock)
    throw new Sentence(`Another npm start (process ${lock.heldBy}) holds ${dir}: stop it first.`);
  process.once('exit', lock.release);
  try {
    const ended = await start(dir);
    throw new Sentence(await ended);
  } catch (error) {
    if (interrupt.isInterrupted()) return await new Promise(() => {}); // the interrupt ends the process
    await stopEverything();
    throw error;
  }
}

/**
 * @param {string} dir
 * @returns {Promise<Promise<string>>} what ended by itself, once something does
 */
async function start(dir) {
  const host = process.env.HOST || '127.0.0.1';
  const port = Number(process.env.PORT || 8080);
  await checkPort(port, host);
  const file = join(dir, 'dev.json');
  const secrets = readSecrets(file, dir);
  const simulator = process.env.PROVIDERS !== 'live' && ORIGINS.every((name) => !process.env[name]);
  const given = process.env.DATABASE_URL;
  const database = given
    ? {
        ownerUrl: process.env.MIGRATE_DATABASE_URL || given,
        appUrl: given,
        died: new Promise(() => {}),
      }
    : await step('Start PostgreSQL', () =>
        startPostgres({
          dataDir: join(dir, 'postgres'),
          passwords: secrets.postgres,
          log: (line) => print(`  ${line}`),
        }),
      );
  keepOneOldLog(dir);
  const gateway = await startGateway({
    dir,
    database,
    step,
    simulator,
    account: {
      sid: process.env.BOOTSTRAP_ACCOUNT_SID || secrets.accountSid,
      token: process.env.BOOTSTRAP_AUTH_TOKEN || secrets.authToken,
    },
    encryptionKeys: process.env.ENCRYPTION_KEYS || secrets.encryptionKeys,
    base: ownEnvironment(),
    env: { METRICS_PORT: '0', ...ownEnvironment(), PORT: String(port), HOST: host },
  });
  const api = apiClient(gateway.url, gateway.account);
  const operationId = simulator
    ? await step('Store credentials of the simulator', () => seed(api, gateway, secrets, file))
    : undefined;
  welcome(gateway, { dir, operationId });
  return Promise.race([
    ...[gateway.api, gateway.worker, ...(gateway.simulator ? [gateway.simulator] : [])].map(
      async (running) => {
        await running.exited;
        return `The ${running.name} stopped. Its last words:\n${running.tail()}`;
      },
    ),
    database.died.then(
      () => `PostgreSQL stopped by itself: see ${join(dir, 'postgres', 'postgres.log')}.`,
    ),
  ]);
}

/** @returns {Record<string, string>} what the caller has set; an empty variable counts as not set */
const ownEnvironment = () =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value]] : [])),
  );

/** @param {number} port @param {string} host */
async function checkPort(port, host) {
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Sentence('PORT takes a number from 0 to 65535.');
  await /** @type {Promise<void>} */ (
    new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', (error) => {
        const code = codeOf(error);
        const next = port + 1;
        if (code === 'EADDRINUSE')
          reject(
            new Sentence(
              `Port ${port} is taken: stop what listens there, or PORT=${next} npm start.`,
            ),
          );
        else reject(new Sentence(`Port ${port} of ${host} cannot be used: ${messageOf(error)}`));
      });
      server.listen(port, host, () => server.close(() => resolve()));
    })
  );
}

/**
 * The secrets of this checkout, made at the first start. The one place where plain secrets lie, and only here.
 * @param {string} file @param {string} dir
 * @returns {DevSecrets}
 */
function readSecrets(file, dir) {
  if (existsSync(file)) {
    chmodSync(file, 0o600);
    try {
      return JSON.parse(readFileSync(file, 'utf8'));
    } catch {
      throw new Sentence(
        `${file} cannot be read. Without it the data is lost: move ${dir} away to begin anew.`,
      );
    }
  }
  if (existsSync(join(dir, 'postgres', 'cluster')))
    throw new Sentence(
      `${file} is gone, and without its keys the data is lost: move ${dir} away to begin anew.`,
    );
  const { sid, token } = randomAccount();
  const secrets = {
    accountSid: sid,
    authToken: token,
    encryptionKeys: randomKeys(),
    postgres: randomPasswords(),
  };
  writeSecrets(file, secrets);
  return secrets;
}

/** @param {string} file @param {DevSecrets} secrets */
function writeSecrets(file, secrets) {
  writeFileSync(`${file}.new`, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** @param {string} dir */
function keepOneOldLog(dir) {
  for (const name of ['api', 'worker', 'simulator']) {
    const log = join(dir, 'logs', `${name}.log`);
    if (existsSync(log)) renameSync(log, `${log}.old`);
  }
}

/**
 * Stores what the simulator accepts, and sends a first operation so that there is one to look at. What is
 * there from an earlier start stays.
 * @param {ApiClient} api @param {Gateway} gateway @param {DevSecrets} secrets @param {string} file
 * @returns {Promise<string>} id of the first operation
 */
async function seed(api, gateway, secrets, file) {
  const path = '/v1/PushNotifications';
  const isThere = async (/** @type {string} */ kind, /** @type {string | undefined} */ id) =>
    id !== undefined && (await api.call('GET', `${path}/${kind}/${id}`)).status === 200;
  const ready = await (await fetch(`${gateway.simulator?.ready.controlOrigin}/credentials`)).json();
  const seeded = secrets.seeded ?? {};
  if (!(await isThere('Credentials', seeded.fcm)))
    seeded.fcm = await storeCredential(api, {
      appName: APP,
      credentialType: 'FCM',
      content: ready.fcm,
    });
  if (!(await isThere('Credentials', seeded.apn)))
    seeded.apn = await storeCredential(api, {
      appName: APP,
      credentialType: 'APN',
      content: ready.apnToken,
    });
  if (!(await isThere('Operations', seeded.operation))) {
    const send = await api.post(path, {
      to: [
        { provider: 'FCM', token: 'sim.ok.first-android' },
        { provider: 'APN', token: 'sim.ok.first-iphone' },
      ],
      from: { fcm: seeded.fcm, apn: seeded.apn },
      content: { title: 'Fanfare', body: 'is running' },
    });
    seeded.operation = send.operationId;
  }
  writeSecrets(file, { ...secrets, seeded });
  return String(seeded.operation);
}

/** @param {Gateway} gateway @param {{ dir: string, operationId: string | undefined }} more */
function welcome({ url, account, simulator, api, worker }, { dir, operationId }) {
  const base = `${url}/v1/PushNotifications`;
  print(`
Fanfare listens at ${url} (${simulator === undefined ? 'with the providers you configured' : 'with simulated providers: nothing reaches a real phone'}).

  account id  ${account.sid}
  auth token  ${account.token}
  docs        ${url}/docs
  metrics     http://localhost:${api.ready.metricsPort}/metrics (api), http://localhost:${worker.ready.metricsPort}/metrics (worker)
  logs        ${join(dir, 'logs')}${simulator === undefined ? '' : `\n  simulator   ${simulator.ready.controlOrigin} (its control port: docs/simulator.md)`}

For the README's commands:

AUTH=${account.sid}:${account.token} API=${base}

${operationId === undefined ? ownLines(account, base) : simulatedLines(account, base, operationId)}

Ctrl-C stops it.`);
}

const JSON_BODY = `-H 'Content-Type: application/json'`;

/** @param {Account} account @param {string} base @param {string} operationId the first operation */
function simulatedLines({ sid, token }, base, operationId) {
  const curl = `curl -u ${sid}:${token}`;
  return `Send, look at an operation (here the first one; the answer of a send names its own), list:

${curl} ${base} ${JSON_BODY} -d '${example(APP, 'sim.ok.my-phone')}'
${curl} ${base}/Operations/${operationId}
${curl} '${base}?pageSize=5'`;
}

/** @param {Account} account @param {string} base */
function ownLines({ sid, token }, base) {
  const curl = `curl -u ${sid}:${token}`;
  const key = `'"$(base64 < service-account.json | tr -d '\\n')"'`;
  const credential = `{"appName":"${OWN_APP}","credentialType":"FCM","content":{"privateKey":"${key}"}}`;
  return `Store a credential (README.md has those of APNs), send with it, make its App the default for sends that name none:

${curl} ${base}/Credentials ${JSON_BODY} -d '${credential}'
${curl} ${base} ${JSON_BODY} -d '${example(OWN_APP, 'DEVICE_TOKEN')}'
${curl} -X PATCH ${base}/Apps/${OWN_APP} ${JSON_BODY} -d '{"isDefault":true}'`;
}

/**
 * A send that names its App: the default one may be the simulator's, or was moved since.
 * @param {string} appName @param {string} token
 */
const example = (appName, token) =>
  JSON.stringify({
    from: { appName },
    to: [{ provider: 'FCM', token, variables: { name: 'Ada' } }],
    content: { title: 'Hello {{name}}', body: 'This is Fanfare.' },
  });
