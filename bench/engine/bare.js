/**
 * The limit: what no client of node:http2 can do without. A stream each with its headers and body, the answer's
 * head and body read, settled on the stream's close; no deadline, no table, no repair.
 */
import { connect } from 'node:http2';
import { randomUUID } from 'node:crypto';
import { accessToken, apnsToken } from './bearer.js';
import { apnsPayload, expiry, fcmMessage } from './messages.js';

/** @import { Contender, ContenderOptions } from './types.js' */

/** As many as our adapters open: FCM 4 of 100 streams, APNs 2 of 500. */
const SESSIONS = { FCM: 4, APN: 2 };

/** @param {ContenderOptions} options @returns {Promise<Contender>} */
export async function bare(options) {
  const { provider, ca, origin } = options;
  const request = provider === 'FCM' ? await fcmRequest(options) : apnsRequest(options);
  const lines = Array.from({ length: SESSIONS[provider] }, () => ({
    session: connect(origin, { ca }),
    streams: 0,
  }));
  /** @param {typeof lines[number]} line @param {string} token */
  const sendOn = (line, token) => {
    const { headers, body } = request(token);
    return new Promise((resolve, reject) => {
      line.streams += 1;
      const stream = line.session.request(headers, { endStream: false });
      let status = 0;
      let text = '';
      stream.on('response', (answer) => (status = Number(answer[':status'])));
      stream.on('data', (chunk) => (text += chunk));
      stream.on('error', reject);
      // FCM says in the body of its 200 that it took the message, APNs has none there.
      stream.on('close', () => {
        line.streams -= 1;
        resolve(status === 200 && (provider === 'APN' || text !== ''));
      });
      stream.end(body);
    });
  };
  // APNs allows one stream until the first authenticated answer.
  await Promise.all(
    lines.map(async (line) => {
      await new Promise((resolve) => line.session.once('remoteSettings', resolve));
      await sendOn(line, 'sim.ok.first');
    }),
  );
  return {
    // As our adapters choose: in turn, one session would fill while another has room.
    send: (token) =>
      sendOn(
        lines.reduce((least, line) => (line.streams < least.streams ? line : least)),
        token,
      ),
    async close() {
      await Promise.all(
        lines.map(
          ({ session }) => new Promise((resolve) => session.close(() => resolve(undefined))),
        ),
      );
    },
  };
}

/** @param {ContenderOptions} options */
async function fcmRequest({ fcm, ca, tokenUrl }) {
  const headers = {
    ':method': 'POST',
    ':path': `/v1/projects/${fcm.projectId}/messages:send`,
    'content-type': 'application/json',
    authorization: `Bearer ${await accessToken(fcm, { tokenUrl, ca })}`,
  };
  return (/** @type {string} */ token) => ({
    headers,
    body: JSON.stringify({ message: fcmMessage(token, randomUUID()) }),
  });
}

/** @param {ContenderOptions} options */
function apnsRequest({ apn }) {
  const fixed = {
    ':method': 'POST',
    authorization: `bearer ${apnsToken(apn)}`,
    'apns-topic': apn.topic,
    'apns-push-type': 'alert',
    'apns-priority': '10',
  };
  return (/** @type {string} */ token) => {
    const id = randomUUID();
    return {
      headers: {
        ...fixed,
        ':path': `/3/device/${token}`,
        'apns-id': id,
        'apns-collapse-id': id,
        'apns-expiration': String(expiry()),
      },
      body: JSON.stringify(apnsPayload()),
    };
  };
}
