/** A send as the api hands it to the repository, for what would take minutes over HTTP or is looked at from inside. */

/** @import { NewOperation } from '../libs/persistence/src/index.js' */

/**
 * @param {number} size recipients, half for each provider
 * @param {number} n which operation it is: those of one recipient go to each provider in turn
 * @param {string} name
 * @param {{ FCM: string, APN: string }} credentials
 * @returns {NewOperation}
 */
export const newOperation = (size, n, name, credentials) => ({
  settings: {
    content: { title: 'Hi {{name}}', body: 'Your order {{order}} is on its way.' },
    priority: 'HIGH',
    sound: null,
    ttlSeconds: 86_400,
    collapseKey: null,
    badge: null,
    overrides: null,
  },
  scheduledFor: null,
  tags: null,
  recipients: size,
  pushes: Array.from({ length: size }, (_, at) => ({
    provider: (at + n) % 2 === 0 ? 'FCM' : 'APN',
    token: `sim.ok.${name}-${n}-${at}`,
    variables: { name: 'Ada', order: String(4711 + at) },
  })),
  users: [],
  appName: 'bench',
  credentials,
});
