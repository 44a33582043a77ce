/** `@parse/node-apn`'s Provider; `address`, `port` and `ca` lead it to the simulator. */
import { randomUUID } from 'node:crypto';
import apn from '@parse/node-apn';
import { BODY, DATA, expiry, TITLE } from './messages.js';

/** @import { Contender, ContenderOptions } from './types.js' */

/** @param {{ sent: unknown[] }} result */
const wasSent = ({ sent }) => sent.length === 1;

/** @param {ContenderOptions} options @returns {Promise<Contender>} */
export async function provider({ origin, ca, apn: credential }) {
  const { hostname: address, port } = new URL(origin);
  const { signingKey: key, keyId, teamId, topic } = credential;
  // `address` and `port` are read by the library and missing in its types.
  const options = { token: { key, keyId, teamId }, address, port: Number(port), ca: [ca] };
  const sender = new apn.Provider(
    /** @type {import('@parse/node-apn').ProviderOptions} */ (options),
  );
  return {
    send(token) {
      const note = new apn.Notification();
      note.id = note.collapseId = randomUUID();
      note.topic = topic;
      note.pushType = 'alert';
      note.priority = 10;
      note.expiry = expiry();
      note.alert = { title: TITLE, body: BODY };
      note.payload = { ...DATA };
      return sender.send(note, token).then(wasSent);
    },
    close: () => Promise.resolve(sender.shutdown()).then(() => undefined),
  };
}
