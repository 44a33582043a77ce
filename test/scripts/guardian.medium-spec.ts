import { afterAll, expect, it } from '@jest/globals';
import { guard } from '../../scripts/guardian.js';
import { openTempFolder, processesOf, remove } from './command.js';

const temp = openTempFolder();
afterAll(() => remove(temp));

it('a guardian is gone once it was dismissed, and can be dismissed again', async () => {
  const dismiss = guard('true', [temp]);
  while (processesOf(temp).length === 0) await new Promise(setImmediate);
  const [{ pid } = { pid: 0 }] = processesOf(temp);
  await dismiss();
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  await dismiss();
});
