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
  let shownAt = begun;
  let shown = -1;
  const line = (/** @type {number} */ done) => {
    const filled = Math.floor((done / total) * WIDTH);
    return `  [${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${done} of ${total}  ${seconds(now() - begun)}`;
  };
  return {
    /** @param {number} done */
    show(done) {
      shown = done;
      if (out.isTTY) out.write(`\r${line(done)}`);
      else if (now() - shownAt >= 1000) {
        shownAt = now();
        out.write(`${line(done)}\n`);
      }
    },
    end() {
      out.write(out.isTTY ? '\n' : `${line(shown)}\n`);
    },
  };
}
