import { MAX_FAULTS, MAX_SCHEDULE_DAYS, reservedKey } from '@app/contract';
import type { Fault } from '@app/domain';
import { forbiddenApnsHeaders, forbiddenFcmOverrides } from '@app/providers/checks';
import { jsonPath } from '../errors/json-path.js';
import type { SendParts } from './send-parts.js';
import { templateFaults } from './templates.js';

/** What a send may break beyond its schema, and that no look at the database is needed for. */
export function sendFaults(send: SendParts, now: Date): Fault[] {
  return [
    ...templateFaults(send.content, send.tags),
    ...unseenFaults(send),
    ...scheduleFaults(send.schedule?.sendAt, now),
    ...fcmOverrideFaults(send.overrides?.fcm),
    ...apnOverrideFaults(send.overrides?.apn),
  ];
}

/** A data-only push wakes the app and shows nothing: what cannot take effect is refused, not dropped. */
function unseenFaults({ content, sound, badge }: SendParts): Fault[] {
  const { title, body, data, imageUrl } = content;
  if (title !== undefined || body !== undefined || data === undefined) return [];
  const given = [
    [imageUrl, '$.content.imageUrl'],
    [sound, '$.sound'],
    [badge, '$.badge'],
  ] as const;
  return given.flatMap(([value, context]) =>
    value === undefined || value === null
      ? []
      : [{ message: 'A push of data alone shows nothing: give a title or a body too.', context }],
  );
}

function scheduleFaults(sendAt: Date | undefined, now: Date): Fault[] {
  if (sendAt === undefined) return [];
  const context = '$.schedule.sendAt';
  if (sendAt < now) return [{ message: 'sendAt is in the past.', context }];
  const last = now.getTime() + MAX_SCHEDULE_DAYS * 86_400_000;
  return sendAt.getTime() > last
    ? [{ message: `sendAt is more than ${MAX_SCHEDULE_DAYS} days ahead.`, context }]
    : [];
}

/** Where FCM takes pairs for the app: each replaces or joins those of `content.data`. */
const DATA = [['data'], ['android', 'data'], ['webpush', 'data']] as const;

function fcmOverrideFaults(fcm: Record<string, unknown> = {}): Fault[] {
  const message = 'It says where the push goes and may not be overridden.';
  const faults = forbiddenFcmOverrides(fcm).map((field) => ({
    message,
    context: jsonPath(['overrides', 'fcm', field]),
  }));
  for (const path of DATA) {
    const data = path.reduce<unknown>((at, key) => (isObject(at) ? at[key] : undefined), fcm);
    if (data !== undefined) faults.push(...dataFaults(data, ['overrides', 'fcm', ...path]));
  }
  return faults;
}

function dataFaults(data: unknown, path: string[]): Fault[] {
  if (!isObject(data)) return [{ message: 'Expected an object.', context: jsonPath(path) }];
  const faults: Fault[] = [];
  for (const key in data) {
    // Of a body that breaks the schema it may be of any size.
    if (faults.length >= MAX_FAULTS) break;
    const context = jsonPath([...path, key]);
    const reserved = reservedKey(key);
    if (reserved !== undefined) faults.push({ message: reserved, context });
    if (typeof data[key] !== 'string') faults.push({ message: 'Expected a string.', context });
  }
  return faults;
}

/** Which bundle id the credential has is looked at where the credential is: in SendResolver. */
function apnOverrideFaults({
  headers,
  payload,
}: NonNullable<NonNullable<SendParts['overrides']>['apn']> = {}): Fault[] {
  const faults = forbiddenApnsHeaders(headers).map((name) => ({
    message: 'This APNs header is unknown or may not be overridden.',
    context: jsonPath(['overrides', 'apn', 'headers', name]),
  }));
  const { aps } = payload ?? {};
  if (aps !== undefined && !isObject(aps)) {
    faults.push({ message: 'Expected an object.', context: '$.overrides.apn.payload.aps' });
  }
  return faults;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
