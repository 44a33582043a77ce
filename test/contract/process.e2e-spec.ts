import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createTestDatabase } from '../support/database.js';
import type { TestDatabase } from '../support/database.js';

jest.setTimeout(60_000);

const MAIN = new URL('../../dist/apps/api/src/main.js', import.meta.url).pathname;
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database?.drop());

interface Started {
  child: ChildProcess;
  exited: Promise<[number | null, NodeJS.Signals | null]>;
  output: () => string;
}

/** The built api, with nothing but the given environment. */
function start(env: Record<string, string>): Started {
  const child = fork(MAIN, { env, execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  // `close` comes when all output has been read.
  const exited = once(child, 'close') as Started['exited'];
  return { child, exited, output: () => output };
}

const environment = () => ({
  PORT: '0',
  METRICS_PORT: '0',
  SHUTDOWN_DRAIN_SECONDS: '0',
  HOST: '127.0.0.1',
  DATABASE_URL: database.appUrl,
  ENCRYPTION_KEYS: `test:${randomBytes(32).toString('base64')}`,
  EXIT_WITH_PARENT: 'true',
});

describe('the process', () => {
  it('says when it is ready, serves, and stops on SIGTERM with 0', async () => {
    const { child, exited, output } = start(environment());
    const [ready] = await once(child, 'message');
    expect(ready).toEqual({
      type: 'ready',
      port: expect.any(Number),
      metricsPort: expect.any(Number),
    });
    const { port, metricsPort } = ready as { port: number; metricsPort: number };
    for (const at of [port, metricsPort]) {
      expect((await fetch(`http://127.0.0.1:${at}/health/ready`)).status).toBe(200);
    }
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    // One line that it is ready; Nest's own list of routes stays out.
    expect(output()).toMatch(/"msg":"Ready"/);
    expect(output()).not.toMatch(/Mapped|InstanceLoader/);
  });

  it('stops in time beside a connection that was opened ahead and has not asked for anything', async () => {
    const { child, exited } = start({ ...environment(), SHUTDOWN_GRACE_SECONDS: '10' });
    const [ready] = await once(child, 'message');
    const { port } = ready as { port: number };
    const silent = connect(port, '127.0.0.1');
    await once(silent, 'connect');
    // The process has it, too, when it answers one that came later.
    expect((await fetch(`http://127.0.0.1:${port}/health/ready`)).status).toBe(200);
    const ended = once(silent.resume(), 'close');
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    await ended;
  });

  it('stops with 1 and names every fault of its configuration', async () => {
    const { exited, output } = start({ PORT: 'x', EXIT_WITH_PARENT: 'true' });
    expect(await exited).toEqual([1, null]);
    for (const variable of ['PORT', 'DATABASE_URL', 'ENCRYPTION_KEYS']) {
      expect(output()).toContain(variable);
    }
  });

  it('stops with 1 when it cannot make its account', async () => {
    const token = 'a-token-that-nobody-may-log-at-all';
    const { exited, output } = start({
      ...environment(),
      DATABASE_URL: 'postgres://localhost:1/none',
      BOOTSTRAP_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
      BOOTSTRAP_AUTH_TOKEN: token,
    });
    expect(await exited).toEqual([1, null]);
    expect(output()).toContain('The api cannot start');
    expect(output()).not.toContain(token);
  });

  it('goes when the process that started it is gone', async () => {
    const { child } = start(environment());
    await once(child, 'message');
    // Node gives no `close` once the channel was closed from here.
    const gone = once(child, 'exit');
    child.disconnect();
    expect(await gone).toEqual([0, null]);
  });
});
