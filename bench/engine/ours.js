/** Fanfare's adapters, as the worker makes them. */
import { randomUUID } from 'node:crypto';
import { built } from '../built.js';

/** @import { Contender, ContenderOptions } from './types.js' */

/** @param {ContenderOptions} options @returns {Promise<Contender>} */
export async function ours({ provider, ca, origin, tokenUrl, fcm, apn }) {
  const { createProviders } = await built('providers');
  const providers = createProviders({
    fcmOrigin: origin,
    apnsOrigin: origin,
    apnsSandboxOrigin: origin,
    googleTokenUrl: tokenUrl,
    ca,
    requestTimeoutMs: 15_000,
    pingIntervalMs: 30_000,
    pingTimeoutMs: 5_000,
  });
  const message = (/** @type {string} */ token) => ({
    id: randomUUID(),
    token,
    title: 'Hi Ada',
    body: 'Your order 4711 is on its way.',
    data: { order: '4711' },
    priority: /** @type {const} */ ('HIGH'),
    sound: null,
    expiresAt: new Date(Date.now() + 3_600_000),
    attemptAt: new Date(),
    immediate: false,
  });
  return {
    async send(token) {
      const outcome =
        provider === 'FCM'
          ? await providers.FCM.send(
              { id: 'fcm', version: 1, type: 'FCM', content: { kind: 'service-account', ...fcm } },
              message(token),
            )
          : await providers.APN.send(
              { id: 'apn', version: 1, type: 'APN', content: { kind: 'token', ...apn } },
              message(token),
            );
      return outcome.kind === 'accepted';
    },
    async close() {
      await Promise.all([providers.FCM.close(), providers.APN.close()]);
    },
  };
}
