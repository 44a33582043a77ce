import { z } from 'zod';
import { isStorable, stringMap } from './text.js';

/** No provider takes more than 5 KB; the rest is room for spelling. */
const MAX_BYTES = 16_384;
const MAX_DEPTH = 20;
const MAX_NODES = 2_000;

/** A JSON object of any shape, with bounded work: its first fault ends the look at it. */
function jsonObject(description: string) {
  return z
    .custom<Record<string, unknown>>()
    .superRefine((value, ctx) => {
      const message = faultOf(value);
      if (message !== undefined) ctx.addIssue({ code: 'custom', message });
    })
    .meta({ type: 'object', additionalProperties: true, description });
}

function faultOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return 'Invalid input: expected an object.';
  }
  const rest: [unknown, number][] = [[value, 1]];
  for (let nodes = 1; rest.length > 0; nodes++) {
    const [node, depth] = rest.pop() as [unknown, number];
    if (nodes + rest.length > MAX_NODES) return `It holds more than ${MAX_NODES} values.`;
    if (typeof node === 'string' && !isStorable(node)) return UNSTORABLE;
    if (typeof node !== 'object' || node === null) continue;
    if (depth > MAX_DEPTH) return `It is nested deeper than ${MAX_DEPTH}.`;
    const children = Array.isArray(node) ? node.length : Object.keys(node).length;
    if (children > MAX_NODES) return `It holds more than ${MAX_NODES} values.`;
    if (!Array.isArray(node) && !Object.keys(node).every(isStorable)) return UNSTORABLE;
    for (const child of Object.values(node)) rest.push([child, depth + 1]);
  }
  // Small enough by now to be written out.
  return Buffer.byteLength(JSON.stringify(value)) > MAX_BYTES
    ? `It is larger than ${MAX_BYTES} bytes.`
    : undefined;
}

const UNSTORABLE = 'A text in it holds a NUL or half of a surrogate pair.';

export const Overrides = z
  .strictObject({
    fcm: jsonObject(
      'Merged into the FCM `message`. May not set `token`, `topic`, `condition` or `fid`.',
    ).optional(),
    apn: z
      .strictObject({
        headers: stringMap({
          maxEntries: 10,
          maxBytes: 4_096,
          valueFault: (value) =>
            /^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(value)
              ? undefined
              : 'A header has visible ASCII characters only.',
          description:
            '`apns-push-type`, `apns-priority`, `apns-expiration`, `apns-collapse-id`, and `apns-topic` with ' +
            "a push type's suffix.",
        }).optional(),
        aps: jsonObject('Merged into `aps`.').optional(),
        payload: jsonObject('Merged into the payload beside `aps`.').optional(),
      })
      .optional(),
  })
  .meta({ id: 'Overrides', description: 'Merged last into what the provider gets.' });
