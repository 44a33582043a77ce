import { MAX_SCHEDULE_DAYS, Send } from '@app/contract';
import type { Fault } from '@app/domain';
import { forbiddenApnsOverride, forbiddenFcmOverride } from '@app/providers/checks';
import type { Message } from '@app/providers/checks';
import { jsonPath } from '../errors/json-path.js';
import { templateFaults } from './templates.js';

/** The parts of a send that have rules beyond the schema. */
type RuledParts = Partial<Pick<Send, 'content' | 'tags' | 'schedule' | 'overrides'>>;

/** What a send that keeps the schema may still break, and that no look at the database is needed for. */
export function sendFaults({ content, tags, schedule, overrides }: RuledParts, now: Date): Fault[] {
  return [
    ...templateFaults(content ?? {}, tags),
    ...scheduleFaults(schedule?.sendAt, now),
    ...overrideFaults(overrides),
  ];
}

/** The same of a body that breaks the schema: of those parts that keep it. */
export function sendFaultsOfPart(body: unknown): Fault[] {
  if (typeof body !== 'object' || body === null) return [];
  const { content, tags, schedule, overrides } = body as Record<keyof RuledParts, unknown>;
  const { shape } = Send;
  return sendFaults(
    {
      content: shape.content.safeParse(content).data,
      tags: shape.tags.safeParse(tags).data,
      schedule: shape.schedule.safeParse(schedule).data,
      overrides: shape.overrides.safeParse(overrides).data,
    },
    new Date(),
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

const NEUTRAL = { id: '', priority: 'HIGH', sound: null, immediate: false } as const;
const BUNDLE_ID = 'a.bundle.id';

/** The providers' adapters know what may not be overridden; they are asked field by field. */
function overrideFaults(overrides: Message['overrides']): Fault[] {
  const faults: Fault[] = [];
  for (const [field, value] of Object.entries(overrides?.fcm ?? {})) {
    if (forbiddenFcmOverride({ ...NEUTRAL, overrides: { fcm: { [field]: value } } })) {
      const context = jsonPath(['overrides', 'fcm', field]);
      faults.push({ message: 'It says where the push goes and may not be overridden.', context });
    }
  }
  for (const [name, value] of Object.entries(overrides?.apn?.headers ?? {})) {
    const context = jsonPath(['overrides', 'apn', 'headers', name]);
    const headers = { [name]: name === 'apns-topic' ? BUNDLE_ID : value };
    if (forbiddenApnsOverride({ ...NEUTRAL, overrides: { apn: { headers } } }, BUNDLE_ID)) {
      faults.push({ message: 'This APNs header is unknown or may not be overridden.', context });
    } else if (name === 'apns-topic' && !/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(value)) {
      // Which bundle id the credential has is known to the worker only; it refuses any other.
      faults.push({ message: 'Expected the bundle id with the suffix of a push type.', context });
    }
  }
  return faults;
}
