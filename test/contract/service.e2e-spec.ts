import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { apnContent, read, startGateway } from './gateway.js';
import type { Gateway } from './gateway.js';

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({ env: { PUBLIC_URL: 'https://push.example.com/gateway/' } });
});

afterAll(() => gateway?.stop());

const get = async (path: string) => read(await fetch(`${gateway.origin}${path}`));

describe('without authentication', () => {
  it('health answers', async () => {
    expect((await get('/health/live')).body).toEqual({ status: 'ok', checks: {} });
    expect((await get('/health/ready')).body).toEqual({ status: 'ok', checks: { database: 'ok' } });
  });

  it('the contract and a page to try it are served, all from here', async () => {
    const { status, body } = await get('/openapi.json');
    expect(status).toBe(200);
    expect(Object.keys(body.paths)).toContain('/v1/PushNotifications/Operations/{operationId}');
    const page = await get('/docs');
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'/);
    const assets = [...page.body.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path);
    expect(assets).toHaveLength(3);
    for (const path of assets) expect((await get(path)).status).toBe(200);
    expect(page.body).not.toMatch(/https?:/);
  });

  it('everything else is closed', async () => {
    for (const path of ['/v1/PushNotifications', '/v1/PushNotifications/Operations']) {
      expect((await get(path)).status).toBe(401);
      // Other spellings of the same path never reach the handler.
      expect([401, 404]).toContain((await get(`${path}/`)).status);
      expect([401, 404]).toContain((await get(path.replace('v1', '%761'))).status);
    }
  });
});

describe('the metrics port', () => {
  it('counts requests by route', async () => {
    await get('/health/live');
    const metrics = await (await fetch(`${gateway.metricsOrigin}/metrics`)).text();
    expect(metrics).toMatch(/fanfare_http_request_seconds_count\{.*route="\/health\/live".*\} \d/);
    expect((await fetch(`${gateway.metricsOrigin}/health/ready`)).status).toBe(200);
  });
});

describe('absolute URLs', () => {
  it('begin with PUBLIC_URL', async () => {
    const { body } = await gateway.client.post('Credentials', {
      appName: 'shop',
      credentialType: 'APN',
      content: apnContent(),
    });
    expect(body.resourceLocation).toBe(
      `https://push.example.com/gateway/v1/PushNotifications/Credentials/${body.resourceId}`,
    );
  });
});
