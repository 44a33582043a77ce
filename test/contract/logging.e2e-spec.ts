import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { fcmContent, startGateway } from './gateway.js';
import type { Gateway } from './gateway.js';

const log: string[] = [];
let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({ log });
});

afterAll(() => gateway?.stop());

const TOKEN = 'device-token-that-nobody-may-log';
const send = (headers: Record<string, string>) =>
  gateway.client.post(
    '/v1/PushNotifications',
    { to: [{ token: TOKEN, provider: 'FCM' }], content: { body: 'text-that-nobody-may-log' } },
    { headers },
  );

const lines = (reqId: string) =>
  log.map((line) => JSON.parse(line)).filter((line) => line.reqId === reqId);

describe('the log', () => {
  it('has a line a request with its id, and no secret', async () => {
    const content = fcmContent();
    await gateway.client.post('Credentials', { appName: 'a', credentialType: 'FCM', content });
    expect((await send({ 'x-request-id': 'first' })).status).toBe(202);
    await gateway.client.get('/v1/PushNotifications', { query: { pageToken: 'page-token' } });
    await gateway.client.get('nope', {
      headers: { 'x-request-id': 'second', authorization: 'Basic secret-secret' },
    });
    // A request is logged when its answer has left: the next one is behind it.
    expect(lines('first')).toEqual([
      expect.objectContaining({
        msg: 'Request answered',
        req: { method: 'POST', path: '/v1/PushNotifications' },
        res: { statusCode: 202 },
      }),
    ]);
    const text = log.join('');
    for (const secret of [
      TOKEN,
      'text-that-nobody-may-log',
      gateway.client.token,
      Buffer.from(`${gateway.client.sid}:${gateway.client.token}`).toString('base64'),
      content.privateKey.slice(0, 60),
      'secret-secret',
      'page-token',
    ]) {
      expect(text).not.toContain(secret);
    }
  });

  it('has what a 500 does not say, under its request id', async () => {
    const owner = new pg.Client({ connectionString: gateway.database.ownerUrl });
    await owner.connect();
    await owner.query('ALTER TABLE operation_parts RENAME TO elsewhere');
    try {
      const answer = await send({ 'x-request-id': 'broken' });
      expect(answer.status).toBe(500);
      expect(answer.body).toEqual({
        code: 20500,
        message: expect.stringMatching(/request id/),
        status: 500,
        errors: [],
      });
    } finally {
      await owner.query('ALTER TABLE elsewhere RENAME TO operation_parts');
      await owner.end();
    }
    const [error] = lines('broken').filter(({ msg }) => msg === 'Request failed');
    expect(error.err).toMatchObject({ message: expect.stringMatching(/operation_parts/) });
    expect(Object.keys(error.err).sort()).toEqual(['code', 'message', 'stack', 'type']);
    expect(log.join('')).not.toContain(TOKEN);
  });
});
