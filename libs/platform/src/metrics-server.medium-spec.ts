import { afterEach, describe, expect, it } from '@jest/globals';
import { startMetricsServer } from './metrics-server.js';
import type { MetricsServer } from './metrics-server.js';
import { Metrics } from './metrics.js';

const open: MetricsServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function start(options: Partial<Parameters<typeof startMetricsServer>[0]> = {}) {
  const { registry } = new Metrics('test', { defaults: false });
  const server = await startMetricsServer({ host: '127.0.0.1', port: 0, registry, ...options });
  open.push(server);
  return { server, get: (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`) };
}

describe('startMetricsServer', () => {
  it('serves the registry with its counters, gauges and durations', async () => {
    const metrics = new Metrics('worker');
    metrics.counter('pushes_total', 'Pushes.', ['provider']).inc({ provider: 'FCM' }, 3);
    metrics.gauge('waiting', 'Waiting.', [], (gauge) => {
      gauge.set(7);
    });
    metrics.seconds('send_seconds', 'Send.', []).observe(0.02);
    const { get } = await start({ registry: metrics.registry });
    const response = await get('/metrics');
    expect(response.headers.get('content-type')).toContain('text/plain');
    const text = await response.text();
    expect(text).toContain('pushes_total{provider="FCM",process="worker"} 3');
    expect(text).toContain('waiting{process="worker"} 7');
    expect(text).toContain('send_seconds_bucket{le="0.025",process="worker"} 1');
    expect(text).toContain('process_cpu_seconds_total');
  });

  it('answers 500 when a gauge cannot be collected', async () => {
    const metrics = new Metrics('test', { defaults: false });
    metrics.gauge('broken', 'Broken.', [], () => Promise.reject(new Error('down')));
    const { get } = await start({ registry: metrics.registry });
    expect((await get('/metrics')).status).toBe(500);
  });

  it('is alive and ready without checks, and knows no other path', async () => {
    const { get } = await start();
    const live = await get('/health/live?verbose=1');
    expect([live.status, await live.json()]).toEqual([200, { status: 'ok', checks: {} }]);
    expect((await get('/health/ready')).status).toBe(200);
    expect((await get('/')).status).toBe(404);
  });

  it('is not ready when one check fails or never answers, and does not say why', async () => {
    const { get } = await start({
      checkTimeoutMs: 20,
      ready: {
        postgres: () => Promise.reject(new Error('password for fanfare_app')),
        redis: () => new Promise<void>(() => undefined),
        disk: () => undefined,
      },
    });
    expect((await get('/health/live')).status).toBe(200);
    const ready = await get('/health/ready');
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: 'unavailable', checks: { postgres: 'failed', redis: 'failed', disk: 'ok' } },
    ]);
  });

  it('rejects when its port is taken', async () => {
    const { server } = await start();
    await expect(start({ port: server.port })).rejects.toThrow('EADDRINUSE');
  });
});
