import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../scripts/embedded-postgres.js';
import {
  ROOT,
  allGone,
  openTempFolder,
  processesOf,
  remove,
  startCommand,
  type RunningCommand,
} from './command.js';

const READY = 'Ctrl-C stops it.';
const hasCurl = spawnSync('curl', ['--version']).status === 0;

describe('npm start', () => {
  const temp = openTempFolder();
  const data = join(temp, 'data');
  let port: number;
  let running: RunningCommand | undefined;

  const start = (env: Record<string, string> = {}) => {
    const environment = { PORT: String(port), FANFARE_DATA_DIR: data, ...env };
    return startCommand(['scripts/run.js', 'start'], temp, environment);
  };

  async function startReady(): Promise<RunningCommand> {
    running = start();
    await running.says(READY);
    return running;
  }

  const curls = (run: RunningCommand) =>
    run
      .output()
      .split('\n')
      .filter((line) => line.startsWith('curl '));

  const pidOf = (text: string) => {
    const found = processesOf(temp).find(({ command }) => command.includes(text));
    if (found === undefined) throw new Error(`there is no ${text}`);
    return found.pid;
  };

  beforeAll(async () => {
    port = await freePort();
  });

  afterEach(async () => {
    running?.signal('SIGTERM');
    await running?.ended;
    await allGone(temp);
  });

  afterAll(() => remove(temp));

  it('prints three curl lines that work, and another start says who holds the data', async () => {
    const run = await startReady();
    expect(run.output()).toContain(`http://localhost:${port}/docs`);
    expect(statSync(join(data, 'dev.json')).mode & 0o777).toBe(0o600);
    expect(curls(run)).toHaveLength(3);
    if (hasCurl) {
      const [send, operation, list] = curls(run).map((line) => {
        const { stdout } = spawnSync('sh', ['-c', `${line} -s`], { encoding: 'utf8' });
        return JSON.parse(stdout);
      });
      expect(send.operationId).toMatch(/^comms_operation_/);
      expect(operation.stats.total).toBe(2);
      expect(list.pushNotifications).toHaveLength(3);
    }
    const metrics = [...run.output().matchAll(/(http:\S+\/metrics) \((api|worker)\)/g)];
    expect(metrics.map(([, , name]) => name)).toEqual(['api', 'worker']);
    for (const [, address = '', name] of metrics)
      expect(await (await fetch(address)).text()).toContain(`{process="${name}"}`);
    const docs = await fetch(`http://localhost:${port}/docs`);
    expect(docs.status).toBe(200);
    const [, control] = /simulator {3}(http:\S+) /.exec(run.output()) ?? [];
    expect((await fetch(`${control}/health`)).status).toBe(200);
    const second = start({ PORT: '0' });
    expect(await second.ended).toBe(1);
    expect(second.output().trim()).toBe(
      `Another npm start (process ${run.pid}) holds ${data}: stop it first.`,
    );
    run.signal('SIGINT');
    expect(await run.ended).toBe(0);
    expect(processesOf(temp)).toEqual([]);
  });

  it('has the same account and the same data after a restart', async () => {
    const first = await startReady();
    const before = curls(first);
    first.signal('SIGTERM');
    await first.ended;
    const run = await startReady();
    // The lines name the account, its token and the first operation.
    expect(curls(run)).toEqual(before);
    const { accountSid, authToken, seeded } = JSON.parse(
      readFileSync(join(data, 'dev.json'), 'utf8'),
    );
    const answer = await fetch(
      `http://localhost:${port}/v1/PushNotifications/Operations/${seeded.operation}`,
      { headers: { authorization: `Basic ${btoa(`${accountSid}:${authToken}`)}` } },
    );
    expect(await answer.json()).toMatchObject({ id: seeded.operation, stats: { total: 2 } });
  });

  (hasCurl ? it : it.skip)('takes the commands of the README', async () => {
    const run = await startReady();
    const [account] = /^AUTH=.*$/m.exec(run.output()) ?? [];
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const [, commands] = /```sh\n(.*?)```/s.exec(readme) ?? [];
    const script = `${account}\n${commands}`;
    const { stdout } = spawnSync('sh', ['-e', '-c', script], { encoding: 'utf8' });
    const [registered, registration, sent, operation, list] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(registered.resourceId).toBe(registration.id);
    expect(registration.appName).toBe('demo');
    expect(sent.operationId).toBe(operation.id);
    expect(operation.stats).toMatchObject({ total: 1, recipients: 1, unaddressable: 0 });
    expect(list.pushNotifications).toEqual([
      expect.objectContaining({ operationId: operation.id, to: expect.anything() }),
    ]);
  });

  it('stops at once on a second Ctrl-C', async () => {
    const run = await startReady();
    process.kill(pidOf('apps/worker'), 'SIGSTOP'); // it can stop in no good order
    const begun = Date.now();
    const again = setInterval(() => run.signal('SIGINT'), 100);
    expect(await run.ended).toBe(130);
    clearInterval(again);
    expect(Date.now() - begun).toBeLessThan(5_000);
    await allGone(temp);
  });

  it('leaves nothing behind when it is killed, and stops a PostgreSQL that was left over', async () => {
    const killed = await startReady();
    killed.signal('SIGKILL');
    expect(await killed.ended).toBe(137);
    await allGone(temp);

    const run = await startReady();
    process.kill(pidOf('fanfare-guardian'), 'SIGKILL'); // now nobody cleans up
    run.signal('SIGKILL');
    await run.ended;
    const leftOver = pidOf('bin/postgres');
    const next = await startReady();
    expect(next.output()).toContain(
      `A PostgreSQL left over from before (pid ${leftOver}) is stopped first.`,
    );
  });

  it('names a worker that ends by itself, and stops the rest', async () => {
    const run = await startReady();
    process.kill(pidOf('apps/worker'), 'SIGKILL');
    expect(await run.ended).toBe(1);
    expect(run.output()).toContain('The worker stopped. Its last words:');
    expect(processesOf(temp)).toEqual([]);
  });

  (hasCurl ? it : it.skip)('prints lines for providers of one’s own that work', async () => {
    running = start({
      PROVIDERS: 'live',
      ALLOW_CUSTOM_PROVIDER_ORIGINS: 'true',
      FCM_ORIGIN: 'https://localhost:1', // nobody: a test asks nothing of Google
      GOOGLE_TOKEN_URL: 'https://localhost:1/token',
    });
    await running.says(READY);
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const serviceAccount = {
      type: 'service_account',
      project_id: 'fanfare-test',
      client_email: 'push@fanfare-test.iam.gserviceaccount.com',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    };
    writeFileSync(join(temp, 'service-account.json'), JSON.stringify(serviceAccount));
    const [credential, send, app] = curls(running).map((line) => {
      const { stdout } = spawnSync('sh', ['-c', `${line} -s`], { cwd: temp, encoding: 'utf8' });
      return JSON.parse(stdout);
    });
    expect(credential.resourceId).toMatch(/^comms_credential_/);
    expect(app.resourceId).toBe('my_app');
    // The default App was the simulator's.
    const { accountSid, authToken } = JSON.parse(readFileSync(join(data, 'dev.json'), 'utf8'));
    const list = `http://localhost:${port}/v1/PushNotifications?operationId=${send.operationId}`;
    const authorization = `Basic ${btoa(`${accountSid}:${authToken}`)}`;
    const answer = await fetch(list, { headers: { authorization } });
    expect(await answer.json()).toMatchObject({
      pushNotifications: [{ from: { fcm: credential.resourceId } }],
    });
  });

  describe('says in one sentence', () => {
    async function refuses(sentence: string, env?: Record<string, string>): Promise<void> {
      const run = start(env);
      expect(await run.ended).toBe(1);
      expect(run.output().trim()).toBe(sentence);
    }

    it('that the port is taken', async () => {
      const taken = await new Promise<Server>((resolve) => {
        const server = createServer().listen(port, '127.0.0.1', () => resolve(server));
      });
      await refuses(
        `Port ${port} is taken: stop what listens there, or PORT=${port + 1} npm start.`,
      );
      await new Promise((resolve) => taken.close(resolve));
    });

    it('that PORT is none', () =>
      refuses('PORT takes a number from 0 to 65535.', { PORT: 'http' }));

    it('that the keys of its data are gone', async () => {
      rmSync(join(data, 'dev.json'));
      await refuses(
        `${join(data, 'dev.json')} is gone, and without its keys the data is lost: move ${data} away to begin anew.`,
      );
    });
  });
});
