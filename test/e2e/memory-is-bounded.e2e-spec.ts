import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { startTestGateway, tokens, type TestGateway } from '../support/gateway.js';

/** What the api may hold at most, docs/performance.md; with V8's own sizes it holds 400 MB and more after this burst. */
const MOST_MB = 300;
const BURST = { callers: 2, sends: 12, recipients: 10_000 };

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway();
  await gateway.storeCredentials();
});

afterAll(() => gateway?.close());

/** The kernel's own mark of the most that the process has held since it began; nothing has to be looked at in time. */
function peakMb(pid: number): number {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return Number(kilobytes) / 1024;
}

// Only Linux tells what a process has held.
(process.platform === 'linux' ? describe : describe.skip)('memory', () => {
  it(`of an api stays below ${MOST_MB} MB while it takes the largest sends in a row`, async () => {
    const to = tokens(BURST.recipients);
    // For tomorrow: what is accepted is looked at, not what is delivered.
    const schedule = { sendAt: new Date(Date.now() + 86_400_000).toISOString() };
    const caller = async () => {
      for (let at = 0; at < BURST.sends; at++) await gateway.send(to, { schedule });
    };
    await Promise.all(Array.from({ length: BURST.callers }, caller));
    expect(peakMb(gateway.api.pid)).toBeLessThan(MOST_MB);
  });
});
