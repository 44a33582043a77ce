import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { runHealthChecks } from './health.js';
import type { HealthChecks } from './health.js';
import type { Logger } from './logger.js';

export interface MetricsServer {
  /** The port that was taken. */
  port: number;
  close(): Promise<void>;
}

/**
 * Serves `/metrics`, `/health/live` and `/health/ready` without authentication, on a port of its
 * own that is not exposed. Health answers 200 or 503 with `{status, checks}`.
 *
 * @param options.live fails when only a restart can help; `ready` when no traffic should come.
 */
export async function startMetricsServer(options: {
  host: string;
  /** 0 = a free one. */
  port: number;
  registry: Registry;
  live?: HealthChecks;
  ready?: HealthChecks;
  logger?: Logger;
  checkTimeoutMs?: number;
}): Promise<MetricsServer> {
  const { registry, logger } = options;

  const answer = async (path: string): Promise<{ status: number; type: string; body: string }> => {
    switch (path) {
      case '/metrics':
        return { status: 200, type: registry.contentType, body: await registry.metrics() };
      case '/health/live':
      case '/health/ready': {
        const checks = (path === '/health/live' ? options.live : options.ready) ?? {};
        const report = await runHealthChecks(checks, options.checkTimeoutMs);
        for (const [check, err] of Object.entries(report.failures)) {
          logger?.warn({ err, check }, 'Health check failed');
        }
        const body = { status: report.ok ? 'ok' : 'unavailable', checks: report.checks };
        return {
          status: report.ok ? 200 : 503,
          type: 'application/json',
          body: JSON.stringify(body),
        };
      }
      default:
        return { status: 404, type: 'text/plain', body: 'Not found\n' };
    }
  };

  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    answer(path).then(
      ({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body),
      (err: unknown) => {
        logger?.error({ err }, 'Metrics could not be collected');
        response.writeHead(500).end();
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      resolve();
    });
  });

  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
