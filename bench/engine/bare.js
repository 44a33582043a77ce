/** The limit: requests over node:http2 with nothing around them, no deadline, no table, no repair. */
import { connect } from 'node:http2';
import { randomUUID } from 'node:crypto';
import { accessToken, apnsToken } from './bearer.js';

/** @import { Contender, ContenderOptions } from './types.js' */

/** As many streams as our adapters use: FCM 4 × 100, APNs 2 × 500. */
const SESSIONS = { FCM: 4, APN: 2 };

/** @param {ContenderOptions} options @returns {Promise<Contender>} */
export async function bare(options) {
  const { provider, ca, origin } = options;
  const request = provider === 'FCM' ? await fcmRequest(options) : apnsRequest(options);
  const sessions = Array.from({ length: SESSIONS[provider] }, () => connect(origin, { ca }));
  /** @param {import('node:http2').ClientHttp2Session} session @param {string} token */
  const sendOn = (session, token) => {
    const { headers, body } = request(token);
    return new Promise((resolve, reject) => {
      const stream = session.request(headers, { endStream: false });
      let status = 0;
      stream.on('response', (answer) => (status = Number(answer[':status'])));
      stream.on('error', reject);
      stream.on('close', () => resolve(status === 200));
      stream.resume();
      stream.end(body);
    });
  };
  // APNs allows one stream until the first authenticated answer.
  await Promise.all(
    sessions.map(async (session) => {
      await new Promise((resolve) => session.once('remoteSettings', resolve));
      await sendOn(session, 'sim.ok.first');
    }),
  );
  let next = 0;
  return {
    send(token) {
      const session = sessions[next++ % sessions.length];
      if (session === undefined) throw new Error('There is no session.');
      return sendOn(session, token);
    },
    async close() {
      await Promise.all(
        sessions.map(
          (session) => new Promise((resolve) => session.close(() => resolve(undefined))),
        ),
      );
    },
  };
}

/** @param {ContenderOptions} options */
async function fcmRequest({ fcm, ca, tokenUrl }) {
  const fixed = {
    ':method': 'POST',
    ':path': `/v1/projects/${fcm.projectId}/messages:send`,
    'content-type': 'application/json',
    authorization: `Bearer ${await accessToken(fcm, { tokenUrl, ca })}`,
  };
  return (/** @type {string} */ token) => {
    const tag = randomUUID();
    return {
      headers: fixed,
      body: JSON.stringify({
        message: {
          token,
          notification: { title: 'Hi Ada', body: 'Your order 4711 is on its way.' },
          data: { order: '4711' },
          android: { priority: 'HIGH', ttl: '3600s', notification: { tag } },
        },
      }),
    };
  };
}

/** @param {ContenderOptions} options */
function apnsRequest({ apn }) {
  const fixed = {
    ':method': 'POST',
    authorization: `bearer ${apnsToken(apn)}`,
    'apns-topic': apn.topic,
    'apns-push-type': 'alert',
    'apns-priority': '10',
    'apns-expiration': String(Math.floor(Date.now() / 1000) + 3_600),
  };
  return (/** @type {string} */ token) => {
    const id = randomUUID();
    return {
      headers: { ...fixed, ':path': `/3/device/${token}`, 'apns-id': id, 'apns-collapse-id': id },
      body: JSON.stringify({
        aps: { alert: { title: 'Hi Ada', body: 'Your order 4711 is on its way.' } },
        order: '4711',
      }),
    };
  };
}
