import { z } from 'zod';
import { isObject } from '../jwt.js';

// The fields of https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages

/** What one field may hold, told twice. */
interface Field {
  /** Says what is wrong with a value, and takes its time. */
  schema: z.ZodType;
  /** Says only whether all is well: what nearly every request gets. */
  fits: (value: unknown) => boolean;
}

/**
 * An object of a protocol buffer in JSON: every field may be absent or null, may be spelled in
 * snake_case or lowerCamelCase, and any other name is an error.
 * https://protobuf.dev/programming-guides/json/
 */
function fields(shape: Record<string, Field>): Field {
  const schemas: Record<string, z.ZodType> = {};
  const known = new Map<string, Field>();
  for (const [name, field] of Object.entries(shape)) {
    for (const spelled of [name, camel(name)]) {
      schemas[spelled] = field.schema.nullish();
      known.set(spelled, field);
    }
  }
  return {
    schema: z.strictObject(schemas),
    fits: (value) => {
      if (!isObject(value)) return false;
      for (const name in value) {
        const field = known.get(name);
        if (field === undefined || !(value[name] === null || field.fits(value[name]))) return false;
      }
      return true;
    },
  };
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase());
}

/** The fast word is the schema's own: for what is rare. */
function field(schema: z.ZodType): Field {
  return { schema, fits: (value) => schema.safeParse(value).success };
}

function listOf({ schema, fits }: Field): Field {
  return {
    schema: z.array(schema),
    fits: (value) => Array.isArray(value) && value.every(fits),
  };
}

const text: Field = { schema: z.string(), fits: (value) => typeof value === 'string' };
const flag: Field = { schema: z.boolean(), fits: (value) => typeof value === 'boolean' };
const struct: Field = { schema: z.record(z.string(), z.unknown()), fits: isObject };
const strings: Field = {
  schema: z.record(z.string(), z.string()),
  fits: (value) => {
    if (!isObject(value)) return false;
    for (const key in value) if (typeof value[key] !== 'string') return false;
    return true;
  },
};
const DURATION = /^\d{1,9}(\.\d{1,9})?s$/;
const duration: Field = {
  schema: z.string().regex(DURATION, 'Illegal duration format'),
  fits: (value) => typeof value === 'string' && DURATION.test(value),
};
const count: Field = {
  schema: z.number().int().min(0),
  fits: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
};
/** Enum names are read without regard to case: Google's own SDK sends `high`. */
function oneOf(...names: string[]): Field {
  const fits = (value: unknown): boolean =>
    typeof value === 'string' && names.includes(value.toUpperCase());
  return { schema: z.string().refine(fits, 'not one of its values'), fits };
}

const androidNotification = fields({
  title: text,
  body: text,
  icon: text,
  color: text,
  sound: text,
  tag: text,
  click_action: text,
  body_loc_key: text,
  body_loc_args: listOf(text),
  title_loc_key: text,
  title_loc_args: listOf(text),
  channel_id: text,
  ticker: text,
  sticky: flag,
  event_time: text,
  local_only: flag,
  notification_priority: oneOf(
    'PRIORITY_UNSPECIFIED',
    'PRIORITY_MIN',
    'PRIORITY_LOW',
    'PRIORITY_DEFAULT',
    'PRIORITY_HIGH',
    'PRIORITY_MAX',
  ),
  default_sound: flag,
  default_vibrate_timings: flag,
  default_light_settings: flag,
  vibrate_timings: listOf(duration),
  visibility: oneOf('VISIBILITY_UNSPECIFIED', 'PRIVATE', 'PUBLIC', 'SECRET'),
  notification_count: count,
  light_settings: fields({
    color: fields({
      red: field(z.number()),
      green: field(z.number()),
      blue: field(z.number()),
      alpha: field(z.union([z.number(), struct.schema])),
    }),
    light_on_duration: duration,
    light_off_duration: duration,
  }),
  image: text,
  bypass_proxy_notification: flag,
  proxy: oneOf('PROXY_UNSPECIFIED', 'ALLOW', 'DENY', 'IF_PRIORITY_LOWERED'),
});

const message = fields({
  name: text,
  data: strings,
  notification: fields({ title: text, body: text, image: text }),
  android: fields({
    collapse_key: text,
    priority: oneOf('NORMAL', 'HIGH'),
    ttl: duration,
    restricted_package_name: text,
    data: strings,
    notification: androidNotification,
    fcm_options: fields({ analytics_label: text }),
    direct_boot_ok: flag,
    bandwidth_constrained_ok: flag,
    restricted_satellite_ok: flag,
  }),
  webpush: fields({
    headers: strings,
    data: strings,
    notification: struct,
    fcm_options: fields({ link: text, analytics_label: text }),
  }),
  apns: fields({
    headers: strings,
    payload: struct,
    fcm_options: fields({ analytics_label: text, image: text }),
    live_activity_token: text,
  }),
  fcm_options: fields({ analytics_label: text }),
  token: text,
  topic: text,
  condition: text,
});

const request = fields({ validate_only: flag, message });

export interface Violation {
  field: string;
  description: string;
}

export type ParsedRequest =
  | { ok: true; message: Record<string, unknown>; validateOnly: boolean }
  | { ok: false; message: string; violations: Violation[] };

/**
 * Reads the body of `messages:send` as Google's JSON transcoder does: it knows names and types and
 * nothing about messaging. What it finds are BadRequest violations without an FcmError.
 */
export function parseRequest(body: string): ParsedRequest {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return bad([{ field: '', description: 'Invalid JSON payload received. Parse error.' }]);
  }
  if (!request.fits(value)) {
    const parsed = request.schema.safeParse(value);
    if (!parsed.success) return bad(parsed.error.issues.flatMap((issue) => explain(issue, value)));
  }
  const given = value as Record<string, unknown>;
  return {
    ok: true,
    message: isObject(given['message']) ? given['message'] : {},
    validateOnly: (given['validate_only'] ?? given['validateOnly']) === true,
  };
}

function bad(violations: Violation[]): ParsedRequest {
  return {
    ok: false,
    message: violations.map(({ description }) => description).join('\n'),
    violations,
  };
}

function explain(issue: z.core.$ZodIssue, root: unknown): Violation[] {
  const field = fieldPath(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const place = field === '' ? '' : ` at '${field}'`;
    return issue.keys.map((key) => ({
      field,
      description: `Invalid JSON payload received. Unknown name "${key}"${place}: Cannot find field.`,
    }));
  }
  const type = issue.code === 'invalid_type' ? ` (TYPE_${issue.expected.toUpperCase()})` : '';
  const value = JSON.stringify(valueAt(root, issue.path))?.slice(0, 100);
  return [{ field, description: `Invalid value at '${field}'${type}, ${value}` }];
}

/** A numeric step is an index; a name that is no plain word is a map's key. */
function fieldPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const step of path) {
    const name = String(step);
    if (typeof step === 'number') text += `[${name}]`;
    else if (!/^\w+$/.test(name)) text += `[${JSON.stringify(name)}]`;
    else text += text === '' ? name : `.${name}`;
  }
  return text;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}

/** Bytes that count for FCM's limit: keys and values of `notification` and `data`. */
export const MAX_MESSAGE_BYTES = 4_096;

export type MessageFault =
  | { kind: 'field'; field: string; description: string }
  | { kind: 'fcm'; field: string | null; description: string };

/** What FCM itself, behind the transcoder, finds wrong with a message; undefined: nothing. */
export function checkMessage(message: Record<string, unknown>): MessageFault | undefined {
  const targets = ['token', 'topic', 'condition'].filter((name) => filled(message[name]));
  if (targets.length === 0) {
    const description = 'Recipient of the message is not set.';
    return { kind: 'fcm', field: 'message', description };
  }
  if (targets.length > 1) {
    const description =
      "Invalid value at 'message' (oneof), oneof field 'target' is already set. " +
      `Cannot set '${targets[1] ?? ''}'`;
    return { kind: 'field', field: 'message', description };
  }
  const android = object(message['android']);
  for (const [name, data] of [
    ['message.data', message['data']],
    ['message.android.data', android['data']],
  ] as const) {
    for (const key in object(data)) {
      if (!reserved(key)) continue;
      return { kind: 'fcm', field: name, description: `Invalid data payload key: ${key}` };
    }
  }
  const ttl = android['ttl'];
  if (typeof ttl === 'string' && Number(ttl.slice(0, -1)) > 2_419_200) {
    const description = 'Invalid TTL: it must be between 0 and 2419200 seconds.';
    return { kind: 'fcm', field: 'message.android.ttl', description };
  }
  if (countedBytes(message) > MAX_MESSAGE_BYTES) {
    return { kind: 'fcm', field: null, description: 'Message is too big' };
  }
  return undefined;
}

/** What a message calls itself: our `fanfareId`, else its Android tag, else its collapse key. */
export function messageId(message: Record<string, unknown>): string | null {
  const android = object(message['android']);
  const candidates = [
    object(message['data'])['fanfareId'],
    object(android['notification'])['tag'],
    android['collapse_key'] ?? android['collapseKey'],
  ];
  for (const candidate of candidates) {
    if (typeof candidate === 'string' && candidate !== '') return candidate;
  }
  return null;
}

export function countedBytes(message: Record<string, unknown>): number {
  let bytes = 0;
  for (const part of [object(message['notification']), object(message['data'])]) {
    for (const key in part) {
      const value = part[key];
      if (typeof value === 'string') bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
    }
  }
  return bytes;
}

function reserved(key: string): boolean {
  return (
    key === 'from' ||
    key === 'message_type' ||
    key.startsWith('google.') ||
    key.startsWith('gcm.notification.')
  );
}

function filled(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

const nothing: Record<string, unknown> = Object.freeze({});

function object(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : nothing;
}
