import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Json } from '../../scripts/types.js';
import { apnContent, read, startGateway, storeCredential } from './gateway.js';
import type { Gateway } from './gateway.js';

let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway({ env: { PUBLIC_URL: 'https://push.example.com/gateway/' } });
});

afterAll(() => gateway?.stop());

/** What the script starts the page with. */
function evaluated(script: string): Json {
  let given: Json;
  runInNewContext(script, {
    SwaggerUIBundle: (options: Json) => void (given = options),
  });
  if (given === undefined) throw new Error('The page starts nothing.');
  return given;
}

const get = async (path: string) => read(await fetch(`${gateway.origin}${path}`));

describe('without authentication', () => {
  it('health answers', async () => {
    expect((await get('/health/live')).body).toEqual({ status: 'ok', checks: {} });
    expect((await get('/health/ready')).body).toEqual({
      status: 'ok',
      checks: { database: 'ok', accepting: 'ok' },
    });
  });

  it('the contract and a page to try it are served, all from here', async () => {
    const { status, body } = await get('/openapi.json');
    expect(status).toBe(200);
    expect(Object.keys(body.paths)).toContain('/v1/PushNotifications/Operations/{operationId}');
    const page = await get('/docs');
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    const assets = [...page.body.matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)].map(
      ([, path]) => path,
    );
    expect(assets).toEqual(['docs/swagger-ui.css', 'docs/swagger-ui-bundle.js', 'docs/start.js']);
    const types = ['text/css', 'text/javascript', 'text/javascript'];
    for (const [at, path] of assets.entries()) {
      const asset = await get(new URL(path, `${gateway.origin}/docs`).pathname);
      expect(asset.status).toBe(200);
      // The page forbids its browser to guess.
      expect(asset.headers.get('content-type')).toBe(`${types[at]}; charset=utf-8`);
    }
    expect(page.body).not.toMatch(/https?:/);
  });

  it('the page is found with a slash at its end too, below whatever path', async () => {
    const page = await fetch(`${gateway.origin}/docs/`, { redirect: 'manual' });
    expect(page.status).toBe(308);
    const location = page.headers.get('location')!;
    for (const base of [gateway.origin, 'https://push.example.com/gateway'])
      expect(new URL(location, `${base}/docs/`).href).toBe(`${base}/docs`);
    expect((await fetch(`${gateway.origin}/docs/`)).headers.get('content-type')).toMatch(/html/);
  });

  // What a browser must be allowed to do for a call from the page to work.
  it('the page may load its own files and call its own gateway, and nothing else', async () => {
    const page = await get('/docs');
    const policy = new Map(
      page.headers
        .get('content-security-policy')!
        .split(';')
        .map((directive) => directive.trim().split(/ (.*)/) as [string, string]),
    );
    expect(Object.fromEntries(policy)).toEqual({
      'default-src': "'none'",
      'script-src': "'self'",
      // Swagger UI sets styles of its own, and its icons are in its style sheet.
      'style-src': "'self' 'unsafe-inline'",
      'img-src': "'self' data:",
      'connect-src': "'self'",
      'frame-ancestors': "'none'",
    });
    // A script in the page would not run.
    expect(page.body).not.toMatch(/<script(?! src=)|\son\w+=/);
    const started = evaluated((await get('/docs/start.js')).body);
    expect(started).toMatchObject({ dom_id: '#swagger-ui', validatorUrl: null });
    expect(page.body).toContain('id="swagger-ui"');
  });

  it('a call from the page goes to the gateway that served it, below whatever path', async () => {
    const { url } = evaluated((await get('/docs/start.js')).body);
    for (const base of [gateway.origin, 'https://push.example.com/gateway']) {
      const document = new URL(url, `${base}/docs`).href;
      expect(document).toBe(`${base}/openapi.json`);
      const { servers, security, components, paths } = (await get('/openapi.json')).body;
      expect(servers).toHaveLength(1);
      expect(new URL(servers[0].url, document).href).toBe(`${base}/`);
      expect(security).toEqual([{ basic: [] }]);
      expect(components.securitySchemes).toEqual({ basic: { type: 'http', scheme: 'basic' } });
      // The page offers what is listed first: to send comes before to cancel.
      const [send] = Object.keys(paths).filter((path) => path.startsWith('/v1/Push'));
      expect([send, ...Object.keys(paths[send!])]).toEqual([
        '/v1/PushNotifications',
        'post',
        'get',
      ]);
    }
  });

  it('what the page offers as a body is accepted as it is', async () => {
    const { client } = gateway;
    await storeCredential(client, 'FCM');
    const { paths, components } = (await get('/openapi.json')).body;
    const exampleOf = (path: string) => {
      const { schema } = paths[path].post.requestBody.content['application/json'];
      const { example, examples } = components.schemas[schema.$ref.split('/').at(-1)];
      return example ?? examples[0];
    };
    for (const path of ['', '/Preflight', '/DeviceRegistrations']) {
      const whole = `/v1/PushNotifications${path}`;
      const { status, body } = await client.post(whole, exampleOf(whole));
      expect([status < 300, body]).toEqual([true, body]);
    }
    expect((await client.post('/v1/ApiKeys', exampleOf('/v1/ApiKeys'))).status).toBe(201);
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
