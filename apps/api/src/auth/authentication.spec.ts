import { describe, expect, it } from '@jest/globals';
import { Forbidden, formatApiKeyId, newId } from '@app/domain';
import { fastify } from 'fastify';
import { registerAuthentication } from './authentication.js';
import { Authenticator, hashToken } from './authenticator.js';

const accountId = newId();
const authorization = `Basic ${Buffer.from(`${formatApiKeyId(newId())}:secret`).toString('base64')}`;

function server() {
  const app = fastify();
  const stored = { accountId, scopes: ['read' as const], secretHash: hashToken('secret') };
  registerAuthentication(
    app,
    new Authenticator({ findTokenHash: async () => null }, { findApiKey: async () => stored }),
  );
  return app;
}

describe('registerAuthentication', () => {
  it('refuses to have a closed route that names no scope', () => {
    const app = server();
    expect(() => app.get('/v1/Nothing', async () => 'x')).toThrow('/v1/Nothing');
    expect(() => app.get('/health/live', async () => 'x')).not.toThrow();
  });

  it('lets a key pass to what it has the scope for', async () => {
    const app = server();
    app.get('/v1/Read', { config: { scope: 'read' } }, async ({ caller }) => caller?.accountId);
    app.post('/v1/Send', { config: { scope: 'send' } }, async () => 'x');
    app.setErrorHandler((error, _request, reply) =>
      reply.send({ forbidden: error instanceof Forbidden }),
    );
    const headers = { authorization };
    expect((await app.inject({ url: '/v1/Read', headers })).body).toBe(accountId);
    const refused = await app.inject({ method: 'POST', url: '/v1/Send', headers });
    expect(refused.json()).toEqual({ forbidden: true });
  });
});
