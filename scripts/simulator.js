/**
 * `npm run simulator`: FCM, Google's token endpoint and APNs on this machine, alone, until Ctrl-C: the providers of a
 * staging system. Prints where they are and credentials of every type, ready to be stored.
 */
import { join } from 'node:path';
import { simulatorEnvironment } from './gateway.js';
import { startProcess } from './processes.js';
import { stopOnInterrupt } from './running.js';
import { print, Sentence, step } from './sentence.js';
import { ROOT } from './setup.js';

/** @import { ReadyInfo } from './types.js' */

/** @returns {Promise<number>} exit code */
export async function main() {
  const interrupt = stopOnInterrupt({ exitCode: 0, sentence: 'Stopping.' });
  const dir = process.env.SIMULATOR_DIR || join(ROOT, '.data', 'simulator');
  const env = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value]] : [])),
  );
  const running = await step('Start the simulator of FCM and APNs', () =>
    startProcess('simulator', {
      env: { ...env, SIMULATOR_DIR: dir },
      logFile: join(dir, 'simulator.log'),
    }),
  );
  const ready = await (await fetch(`${running.ready.controlOrigin}/credentials`)).json();
  welcome(running.ready, ready, dir);
  await running.exited;
  if (interrupt.isInterrupted()) return await new Promise(() => {}); // the interrupt ends the process
  throw new Sentence(`The simulator stopped. Its last words:\n${running.tail()}`);
}

/** @param {ReadyInfo['simulator']} where @param {Record<string, unknown>} ready @param {string} dir */
function welcome(where, ready, dir) {
  const settings = Object.entries(simulatorEnvironment(where)).map(
    ([name, value]) => `${name}=${value}`,
  );
  const bodies = [
    { credentialType: 'FCM', content: ready.fcm },
    { credentialType: 'APN', content: ready.apnToken },
    { credentialType: 'APN_SANDBOX', content: ready.apnToken },
    { credentialType: 'APN', content: ready.apnCertificate },
  ].map((credential) => JSON.stringify({ appName: 'demo', ...credential }));
  print(`
The simulator is running: nothing reaches a real phone, and the device token decides what happens (docs/simulator.md).

For api and worker:

${settings.join('\n')}

control port  ${where.controlOrigin}   (ledger, faults: docs/simulator.md)
log           ${join(dir, 'simulator.log')}

Credentials of every type, each a body for POST /v1/PushNotifications/Credentials
(again at ${where.controlOrigin}/credentials):

${bodies.join('\n\n')}

Ctrl-C stops it.`);
}
