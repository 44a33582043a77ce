/** Progress of many: a bar that stays in its line on a terminal, else a line a second. */
import { seconds } from './sentence.js';

const WIDTH = 40;

/**
 * @param {{ isTTY?: boolean, write(text: string): unknown }} out
 * @param {number} total
 * @param {() => number} [now] ms
 */
export function createProgress(out, total, now = () => performance.now()) {
  const begun = now();
  let writtenAt = begun;
  let written = -1;
  let last = 0;
  const line = (/** @type {number} */ done) => {
    const filled = Math.floor((done / total) * WIDTH);
    return `  [${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${done} of ${total}  ${seconds(now() - begun)}`;
  };
  const writeLine = () => {
    out.write(`${line(last)}\n`);
    writtenAt = now();
    written = last;
  };
  return {
    /** @param {number} done */
    show(done) {
      last = done;
      if (out.isTTY) out.write(`\r${line(done)}`);
      else if (now() - writtenAt >= 1000) writeLine();
    },
    end() {
      if (out.isTTY) out.write('\n');
      else if (written !== last) writeLine();
    },
  };
}
