/** Fanfare's adapters, as the worker makes them. */
import { randomUUID } from 'node:crypto';
import { built } from '../built.js';
import { BODY, DATA, TITLE, TTL_SECONDS } from './messages.js';

/** @import { Contender, ContenderOptions } from './types.js' */

/** @param {import('../../libs/domain/src/index.js').Outcome} outcome */
const isAccepted = (outcome) => outcome.kind === 'accepted';

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
  // The worker unseals a credential once and hands the same object to every send.
  const fcmCredential = /** @type {const} */ ({
    id: 'fcm',
    version: 1,
    type: 'FCM',
    content: { kind: 'service-account', ...fcm },
  });
  const apnCredential = /** @type {const} */ ({
    id: 'apn',
    version: 1,
    type: 'APN',
    content: { kind: 'token', ...apn },
  });
  const message = (/** @type {string} */ token) => ({
    id: randomUUID(),
    token,
    title: TITLE,
    body: BODY,
    data: DATA,
    priority: /** @type {const} */ ('HIGH'),
    sound: null,
    expiresAt: new Date(Date.now() + TTL_SECONDS * 1000),
    attemptAt: new Date(),
    immediate: false,
  });
  const send =
    provider === 'FCM'
      ? (/** @type {string} */ token) => providers.FCM.send(fcmCredential, message(token))
      : (/** @type {string} */ token) => providers.APN.send(apnCredential, message(token));
  return {
    send: (token) => send(token).then(isAccepted),
    async close() {
      await Promise.all([providers.FCM.close(), providers.APN.close()]);
    },
  };
}
