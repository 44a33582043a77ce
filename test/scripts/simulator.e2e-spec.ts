import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { allGone, openTempFolder, remove, startCommand, type RunningCommand } from './command.js';

describe('npm run simulator', () => {
  const temp = openTempFolder();
  let running: RunningCommand | undefined;

  const start = async (): Promise<RunningCommand> => {
    const env = { SIMULATOR_DIR: join(temp, 'simulator') };
    running = startCommand(['scripts/run.js', 'simulator'], temp, env);
    await running.says('Ctrl-C stops it.');
    return running;
  };
  const settings = (run: RunningCommand) =>
    Object.fromEntries([...run.output().matchAll(/^([A-Z_]+)=(\S+)$/gm)].map(([, k, v]) => [k, v]));
  const bodies = (run: RunningCommand) =>
    run
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));

  afterEach(async () => {
    running?.signal('SIGTERM');
    await running?.ended;
    await allGone(temp);
  });

  afterAll(() => remove(temp));

  it('prints where everything is, and credentials of every type', async () => {
    const run = await start();
    expect(settings(run)).toEqual({
      PROVIDERS: 'simulator',
      FCM_ORIGIN: expect.stringMatching(/^https:\/\/localhost:\d+$/),
      GOOGLE_TOKEN_URL: expect.stringMatching(/^https:\/\/localhost:\d+\/token$/),
      APNS_ORIGIN: expect.stringMatching(/^https:\/\/localhost:\d+$/),
      APNS_SANDBOX_ORIGIN: expect.stringMatching(/^https:\/\/localhost:\d+$/),
      PROVIDER_CA_FILE: join(temp, 'simulator', 'ca.pem'),
    });
    expect(readFileSync(settings(run)['PROVIDER_CA_FILE'], 'utf8')).toContain('BEGIN CERTIFICATE');
    expect(
      bodies(run).map(({ credentialType, content }) => [credentialType, Object.keys(content)]),
    ).toEqual([
      ['FCM', ['privateKey']],
      ['APN', ['signingKey', 'keyId', 'teamId', 'topic']],
      ['APN_SANDBOX', ['signingKey', 'keyId', 'teamId', 'topic']],
      ['APN', ['certificate', 'privateKey']],
    ]);
    const [, control] = /^control port {2}(\S+)/m.exec(run.output()) ?? [];
    const answer = await fetch(`${control}/health`);
    expect(await answer.json()).toEqual({ ok: true });
  });

  it('ends with Ctrl-C, code 0, and hands out the same credentials at the next start', async () => {
    const before = await start();
    before.signal('SIGINT');
    expect(await before.ended).toBe(0);
    expect(before.output()).not.toContain('last words');
    expect(bodies(await start())).toEqual(bodies(before));
  });
});
