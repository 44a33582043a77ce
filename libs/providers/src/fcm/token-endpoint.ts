import { Agent } from 'node:https';
import { gaxios } from 'google-auth-library';
import { trustedRoots } from '../trusted-roots.js';

/** The library's own copy: another one would be another class. */
export type Gaxios = InstanceType<typeof gaxios.Gaxios>;

/**
 * The HTTP client of `google-auth-library`, pointed at the operator's token endpoint: the library
 * always asks Google's, whatever the service account says, and repeats a 503 three times by itself.
 *
 * @param ca PEM of extra certificate authorities.
 */
export function tokenEndpoint(
  url: string,
  ca: string | undefined,
  timeoutMs: number,
): { transporter: Gaxios; close: () => void } {
  const roots = trustedRoots(ca);
  const agent = new Agent({
    keepAlive: false,
    rejectUnauthorized: true,
    ...(roots === undefined ? {} : { ca: roots }),
  });
  const transporter = new gaxios.Gaxios({ agent, timeout: timeoutMs, retry: false });
  const target = new URL(url);
  transporter.interceptors.request.add({
    resolved: (config) => {
      config.url = target;
      config.retry = false;
      delete config.retryConfig;
      // A redirect would carry the signed assertion elsewhere.
      config.redirect = 'error';
      return Promise.resolve(config);
    },
  });
  return { transporter, close: () => agent.destroy() };
}
