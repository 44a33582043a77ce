import { z } from 'zod';
import { MAX_FAULTS } from './error-body.js';
import { LIMITS } from './limits.js';
import { isStorable, stringMap } from './text.js';

const MAX_BYTES = LIMITS.overrideBytes.max;
const MAX_DEPTH = LIMITS.overrideDepth.max;
export const MAX_HEADERS = LIMITS.apnHeaders.max;
const MAX_NODES = LIMITS.overrideValues.max;

/** A JSON object of any shape, with bounded work: one that is too large is not looked at to its end. */
function jsonObject(description: string) {
  return z
    .custom<Record<string, unknown>>()
    .superRefine((value, ctx) => {
      for (const { message, path } of faultsOf(value)) {
        ctx.addIssue({ code: 'custom', message, path });
      }
    })
    .meta({ type: 'object', additionalProperties: true, description });
}

interface Fault {
  message: string;
  path: PropertyKey[];
}

function faultsOf(value: unknown): Fault[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [{ message: 'Expected an object.', path: [] }];
  }
  const tooMany = { message: `It holds more than ${MAX_NODES} values.`, path: [] };
  const faults: Fault[] = [];
  let isTooDeep = false;
  const rest: [node: unknown, path: PropertyKey[]][] = [[value, []]];
  for (let nodes = 1; rest.length > 0 && faults.length < MAX_FAULTS; nodes++) {
    const [node, path] = rest.pop()!;
    for (const text of [path.at(-1), node]) {
      if (typeof text === 'string' && !isStorable(text)) faults.push({ message: UNSTORABLE, path });
    }
    if (typeof node !== 'object' || node === null) continue;
    if (path.length >= MAX_DEPTH) {
      isTooDeep = true;
      continue;
    }
    const entries = Object.entries(node);
    if (nodes + rest.length + entries.length > MAX_NODES) return [...faults, tooMany];
    // The last one pushed is the next one looked at: so faults come in the order of the text.
    for (const [key, child] of entries.reverse()) {
      rest.push([child, [...path, Array.isArray(node) ? Number(key) : key]]);
    }
  }
  if (faults.length >= MAX_FAULTS) return faults;
  if (isTooDeep) faults.push({ message: `It is nested deeper than ${MAX_DEPTH}.`, path: [] });
  // Small and flat enough by now to be written out.
  else if (Buffer.byteLength(JSON.stringify(value)) > MAX_BYTES) {
    faults.push({ message: `It is larger than ${MAX_BYTES} bytes.`, path: [] });
  }
  return faults;
}

const UNSTORABLE = 'A text in it holds a NUL or half of a surrogate pair.';

export const Overrides = z
  .strictObject({
    fcm: jsonObject(
      'Merged into the FCM `message`. May not set `token`, `topic`, `condition` or `fid`; in `data`, also of `android` and `webpush`, go the keys of `content.data`.',
    ).optional(),
    apn: z
      .strictObject({
        headers: stringMap({
          maxEntries: MAX_HEADERS,
          maxBytes: LIMITS.apnHeaderBytes.max,
          valueFault: (value) =>
            /^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(value)
              ? undefined
              : 'A header has visible ASCII characters only.',
          description:
            '`apns-push-type`, `apns-priority`, `apns-expiration`, `apns-collapse-id`, and `apns-topic`: ' +
            "the credential's bundle id, alone or with a push type's suffix.",
        }).optional(),
        aps: jsonObject('Merged into `aps`.').optional(),
        payload: jsonObject('Merged into the payload beside `aps`.').optional(),
      })
      .optional(),
  })
  .meta({ id: 'Overrides', description: 'Merged last into what the provider gets.' });
