/**
 * `firebase-admin`, led to the simulator. `sendEach` opens an HTTP/2 session to a fixed host and sends
 * `:scheme: https:`, which servers built on Node or nginx refuse: both are mended on the way into `node:http2`.
 * `send()` takes an agent.
 */
import { randomUUID } from 'node:crypto';
import http2 from 'node:http2';
import { Agent } from 'node:https';
import { initializeApp } from 'firebase-admin/app';
import { getMessaging } from 'firebase-admin/messaging';
import { accessToken } from './bearer.js';
import { appleAndWeb, BODY, DATA, TITLE, TTL_SECONDS } from './messages.js';

/** @import { Contender, ContenderOptions } from './types.js' */

/** @param {string} token */
const message = (token) => {
  const tag = randomUUID();
  return {
    token,
    notification: { title: TITLE, body: BODY },
    data: DATA,
    android: {
      priority: /** @type {const} */ ('high'),
      ttl: TTL_SECONDS * 1000,
      notification: { tag },
    },
    ...appleAndWeb(tag),
  };
};

/** @param {ContenderOptions} options @param {Agent} [httpAgent] */
async function messaging({ fcm, ca, tokenUrl }, httpAgent) {
  const token = await accessToken(fcm, { tokenUrl, ca });
  const app = initializeApp({
    projectId: fcm.projectId,
    credential: {
      getAccessToken: () => Promise.resolve({ access_token: token, expires_in: 3_599 }),
    },
    ...(httpAgent === undefined ? {} : { httpAgent }),
  });
  return getMessaging(app);
}

/** @param {ContenderOptions} options @returns {Promise<Contender>} */
export async function sendEach(options) {
  const connect = http2.connect;
  http2.connect = /** @type {typeof connect} */ (
    (/** @type {string} */ _url, /** @type {object} */ given) => {
      const session = connect(options.origin, { ...given, ca: options.ca });
      const request = session.request.bind(session);
      session.request = (headers, more) => request({ ...headers, ':scheme': 'https' }, more);
      return session;
    }
  );
  const sender = await messaging(options);
  return {
    batch: 500,
    async sendBatch(tokens) {
      return (await sender.sendEach(tokens.map(message))).successCount;
    },
    close: () => Promise.resolve(),
  };
}

/** @param {ContenderOptions} options @returns {Promise<Contender>} */
export async function sendOne(options) {
  const { hostname: host, port } = new URL(options.origin);
  class OriginAgent extends Agent {
    /** @override @type {Agent['createConnection']} */
    createConnection(given, callback) {
      const target = { host, port: Number(port), servername: host };
      return super.createConnection({ ...given, ...target }, callback);
    }
  }
  const agent = new OriginAgent({ keepAlive: true, maxSockets: options.inFlight, ca: options.ca });
  const sender = await messaging(options, agent);
  return {
    async send(token) {
      await sender.send(message(token));
      return true;
    },
    async close() {
      agent.destroy();
    },
  };
}
