/** A process of its own: parse-server with its push adapter, led to the simulator. Says its port, ends on SIGTERM. */
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

/** @import { ParseServerAssignment } from '../types.js' */

// Not by import: where the peers are not installed, types are checked all the same.
const load = (/** @type {string} */ name) => createRequire(import.meta.url)(name);
const { default: PushAdapter } = load('@parse/push-adapter');
const express = load('express');
const { ParseServer } = load('parse-server');

process.once('message', async (message) => {
  const { databaseUrl, appId, masterKey, apns } = /** @type {ParseServerAssignment} */ (message);
  const server = new ParseServer({
    databaseURI: databaseUrl,
    appId,
    masterKey,
    masterKeyIps: ['127.0.0.1', '::1'],
    serverURL: 'http://127.0.0.1/parse',
    silent: true,
    logsFolder: null,
    verbose: false,
    logLevel: 'error',
    push: { adapter: new PushAdapter({ ios: apns }) },
  });
  await server.start();
  const app = express();
  app.use('/parse', server.app);
  const listener = createServer(app);
  listener.listen(0, '127.0.0.1', () => {
    const address = listener.address();
    process.send?.({ port: typeof address === 'object' ? address?.port : 0 });
  });
});
