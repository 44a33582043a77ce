import { afterAll, expect, it } from '@jest/globals';
import { guard } from '../../scripts/guardian.js';
import { openTempFolder, processesOf, remove } from './command.js';

const temp = openTempFolder();
afterAll(() => remove(temp));

it('a guardian is gone once it was dismissed, and can be dismissed again', async () => {
  for (let round = 0; round < 20; round++) {
    const dismiss = guard('true', [temp]);
    while (processesOf(temp).length === 0) await new Promise(setImmediate);
    await dismiss();
    expect(processesOf(temp)).toEqual([]);
    await dismiss();
  }
});
