import { afterEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { randomPasswords, startPostgres } from '../../scripts/embedded-postgres.js';
import type { RunningPostgres } from '../../scripts/types.js';
import { allGone, openTempFolder, remove, ROOT } from './command.js';

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('embedded PostgreSQL', () => {
  const folders: string[] = [];
  const servers: RunningPostgres[] = [];

  function folder(): string {
    const made = openTempFolder();
    folders.push(made);
    return made;
  }

  async function start(options: Parameters<typeof startPostgres>[0]): Promise<RunningPostgres> {
    const server = await startPostgres(options);
    servers.push(server);
    return server;
  }

  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop({ mode: 'immediate' })));
    folders.splice(0).forEach(remove);
  });

  it('has a database that the owner may change and the app may only enter', async () => {
    const { ownerUrl, appUrl, superUrl } = await start({});
    await query(ownerUrl, 'CREATE TABLE owned (id int)');
    await expect(query(appUrl, 'SELECT * FROM owned')).rejects.toThrow('permission denied');
    await expect(query(appUrl, 'CREATE TABLE mine (id int)')).rejects.toThrow('permission denied');
    await expect(query(appUrl, 'CREATE SCHEMA mine')).rejects.toThrow('permission denied');
    await expect(query(appUrl.replace(/:[^:@]+@/, ':wrong@'), 'SELECT 1')).rejects.toThrow(
      'password authentication failed',
    );
    const [settings] = await query(
      superUrl,
      `SELECT current_setting('unix_socket_directories') AS sockets, current_setting('listen_addresses') AS addresses`,
    );
    expect(settings).toEqual({ sockets: '', addresses: '127.0.0.1' });
  });

  it('keeps what was committed over kill -9, on the same port', async () => {
    const server = await start({});
    await query(server.ownerUrl, 'CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id');
    await server.kill9();
    await expect(query(server.ownerUrl, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
    await server.restart();
    expect(await query(server.ownerUrl, 'SELECT count(*)::int AS n FROM kept')).toEqual([
      { n: 1000 },
    ]);
  });

  it('removes its folder at the end, and keeps one that it was given', async () => {
    const ephemeral = await start({});
    await ephemeral.stop();
    expect(existsSync(ephemeral.dataDir)).toBe(false);
    const passwords = randomPasswords();
    const dataDir = join(folder(), 'postgres');
    const first = await start({ dataDir, passwords });
    await query(first.ownerUrl, 'CREATE TABLE kept (id int)');
    await first.stop();
    const second = await start({ dataDir, passwords });
    expect(await query(second.ownerUrl, `SELECT to_regclass('kept')::text AS t`)).toEqual([
      { t: 'kept' },
    ]);
    expect(await query(second.superUrl, 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
  });

  it('is not deceived by a pid file whose number another process has now', async () => {
    const passwords = randomPasswords();
    const dataDir = join(folder(), 'postgres');
    const first = await start({ dataDir, passwords });
    const pidFile = join(first.dataDir, 'postmaster.pid');
    const lines = readFileSync(pidFile, 'utf8').split('\n');
    await first.stop();
    writeFileSync(pidFile, [String(process.pid), ...lines.slice(1)].join('\n'));
    const said: string[] = [];
    const second = await start({ dataDir, passwords, log: (line) => said.push(line) });
    expect(await query(second.ownerUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(said.filter((line) => line.includes('left over'))).toEqual([]);
  });

  it('says so when the passwords are not those of the data', async () => {
    const dataDir = join(folder(), 'postgres');
    const first = await start({ dataDir });
    await first.stop();
    await expect(start({ dataDir })).rejects.toThrow(
      'The password kept for this PostgreSQL does not fit its data',
    );
  });

  it('says so when another version made the data', async () => {
    const dataDir = join(folder(), 'postgres');
    mkdirSync(join(dataDir, 'cluster'), { recursive: true });
    writeFileSync(join(dataDir, 'cluster', 'PG_VERSION'), '12\n');
    await expect(start({ dataDir })).rejects.toThrow(
      /was made by PostgreSQL 12 and this is PostgreSQL 18/,
    );
  });

  it('says what PostgreSQL said when it does not start', async () => {
    await expect(start({ settings: { shared_buffers: 'plenty' } })).rejects.toThrow(
      /^PostgreSQL did not start: .*invalid value for parameter "shared_buffers"/,
    );
  });

  it('does not outlive a starter that was killed', async () => {
    const temp = folder();
    const starter = spawn(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { startPostgres } from '${join(ROOT, 'scripts/embedded-postgres.js')}';
         await startPostgres();
         process.stdout.write('up');
         setInterval(() => {}, 1000);`,
      ],
      { env: { PATH: process.env.PATH, TMPDIR: temp }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await new Promise((resolve) => starter.stdout.once('data', resolve));
    starter.kill('SIGKILL');
    await allGone(temp);
  });
});
