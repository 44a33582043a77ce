import { describe, expect, it } from '@jest/globals';
import { connect } from 'node:net';
import { startRedis } from '../../scripts/redis.js';
import { startTestRedis } from './redis.js';

/** One command in Redis' inline form; the first line of the answer. */
function ask(url: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname, () => socket.write(`${command}\r\n`));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString().split('\r\n')[0] ?? '');
    });
    socket.once('error', reject);
  });
}

const present = await startTestRedis();
await present?.stop();

describe('a Redis of our own', () => {
  (present?.pid === undefined ? it.skip : it)(
    'keeps what it was told over a kill -9 and leaves nothing behind',
    async () => {
      const { url, ...redis } = await startRedis();
      expect(await ask(url, 'SET kept yes')).toBe('+OK');
      await redis.kill9();
      await expect(ask(url, 'PING')).rejects.toThrow('ECONNREFUSED');
      await redis.restart();
      expect(await ask(url, 'EXISTS kept')).toBe(':1');
      await redis.stop();
      await expect(ask(url, 'PING')).rejects.toThrow('ECONNREFUSED');
    },
  );

  it('says so in one sentence when there is no redis-server', async () => {
    await expect(startRedis({ command: '/nowhere/redis-server' })).rejects.toThrow(
      'There is no redis-server on this machine: install Redis, or run without --redis.',
    );
  });
});
