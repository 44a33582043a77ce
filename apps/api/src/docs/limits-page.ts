import { LIMITS, MAX_FAULTS, WORK_LIMITS } from '@app/contract';
import type { Limit } from '@app/contract';
import {
  APNS_PAYLOAD_LIMIT,
  APNS_VOIP_PAYLOAD_LIMIT,
  FCM_PAYLOAD_LIMIT,
} from '@app/providers/checks';
import { MAX_OUTPUT } from '@app/templating';

const number = (value: number) => value.toLocaleString('en-US');

/** The text of `docs/limits.md`, from the limits that the schemas check with. */
export function limitsPage(): string {
  const rows = Object.values(LIMITS).map(
    ({ of, max, unit, status, why = '' }: Limit) =>
      `| ${of} | ${number(max)}${unit === '' ? '' : ` ${unit}`} | ${status} | ${why} |`,
  );
  return `${[
    '# Limits',
    '',
    '<!-- Generated from libs/contract/src/limits.ts: do not edit. -->',
    '',
    'The most that a request may ask for. Beyond a limit nothing is done: the answer has the status of its row, and a',
    `400 names the place. Bytes are those of UTF-8; characters are Unicode code points, of which an emoji has one or more.`,
    `No answer names more than ${MAX_FAULTS} faults.`,
    '',
    '| of | at most | beyond it | why |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    '## What a request may cost',
    '',
    '| of | less than | beyond it |',
    '| --- | --- | --- |',
    `| the URL, names and values of the headers, together | ${number(WORK_LIMITS.headerBytes)} bytes | 431 |`,
    `| rendering the tags of a send | ${number(WORK_LIMITS.renderMs)} ms | 400 |`,
    `| the same of a send or Preflight that is refused for something else | ${number(WORK_LIMITS.refusedRenderMs)} ms | the other recipients’ tags are not looked at |`,
    `| rendering the recipients of a Preflight | ${number(WORK_LIMITS.preflightMs)} ms | 200, \`checked\` says how many it came to |`,
    `| recipients in the answer of a Preflight, as JSON | ${number(WORK_LIMITS.preflightBytes)} bytes | the same |`,
    '',
    '## What only shows when a push is rendered',
    '',
    'A send is accepted before its texts are rendered. One push that comes out too large is FAILED, the others go on;',
    'Preflight tells it beforehand.',
    '',
    '| of | at most | `error.code` |',
    '| --- | --- | --- |',
    `| a rendered text | ${number(MAX_OUTPUT)} UTF-16 code units | 71005 |`,
    `| FCM: keys and values of \`notification\` and \`data\` | ${number(FCM_PAYLOAD_LIMIT)} bytes | 71004 |`,
    `| APNs: the payload as JSON | ${number(APNS_PAYLOAD_LIMIT)} bytes, ${number(APNS_VOIP_PAYLOAD_LIMIT)} for VoIP | 71004 |`,
    '',
    'How many requests and recipients a second a caller may ask for is configured: `RATE_LIMIT_REQUESTS` and',
    '`RATE_LIMIT_RECIPIENTS` in [.env.example](../.env.example).',
  ].join('\n')}\n`;
}
