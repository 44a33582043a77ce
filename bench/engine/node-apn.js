/** `@parse/node-apn`'s Provider; `address`, `port` and `ca` lead it to the simulator. */
import apn from '@parse/node-apn';

/** @import { Contender, ContenderOptions } from './types.js' */

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
    async send(token) {
      const note = new apn.Notification();
      note.topic = topic;
      note.pushType = 'alert';
      note.priority = 10;
      note.expiry = Math.floor(Date.now() / 1000) + 3_600;
      note.alert = { title: 'Hi Ada', body: 'Your order 4711 is on its way.' };
      note.payload = { order: '4711' };
      return (await sender.send(note, token)).sent.length === 1;
    },
    close: () => Promise.resolve(sender.shutdown()).then(() => undefined),
  };
}
