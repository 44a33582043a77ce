import {
  From,
  MAX_HEADERS,
  MAX_RECIPIENTS,
  MAX_TAGS,
  Recipient,
  Schedule,
  templatesOf,
  textsOf,
} from '@app/contract';
import type { Send } from '@app/contract';
import type { Content } from '@app/domain';

/**
 * What of a send can be judged beyond its schema. Of one that keeps the schema that is all of it, so every `Send`
 * is one of these.
 */
export interface SendParts {
  /** With gaps where a recipient breaks the schema. */
  to: readonly (Recipient | undefined)[];
  content: Content;
  /** null: it breaks the schema, so nothing can be said of credentials. */
  from?: From | null | undefined;
  sound?: unknown;
  badge?: unknown;
  tags?: Record<string, string> | undefined;
  schedule?: { sendAt?: Date | undefined } | undefined;
  overrides?: Send['overrides'];
}

/**
 * The parts of a body of any shape that are well-formed, down to single fields. Costs no more than the schema's own
 * look at it.
 */
export function partsOf(body: unknown): SendParts {
  const { to, content, from, sound, badge, tags, schedule, overrides } = membersOf(body);
  const sendAt = Schedule.shape.sendAt.safeParse(membersOf(schedule)['sendAt']).data;
  const { fcm, apn } = membersOf(overrides);
  const { headers, payload } = membersOf(apn);
  return {
    to: Array.isArray(to) && to.length <= MAX_RECIPIENTS ? to.map(recipientOf) : [],
    content: contentOf(content),
    from: from === undefined ? undefined : (From.safeParse(from).data ?? null),
    sound,
    badge,
    tags: textsOf(tags, MAX_TAGS),
    schedule: { sendAt },
    overrides: {
      fcm: membersOf(fcm),
      apn: { headers: textsOf(headers, MAX_HEADERS), payload: membersOf(payload) },
    },
  };
}

function recipientOf(item: unknown): Recipient | undefined {
  return Recipient.safeParse(item).data;
}

function contentOf(content: unknown): Content {
  const { title, body, data, imageUrl } = membersOf(content);
  return {
    // Given in a wrong form it is none of those that show no text.
    ...(title === undefined ? {} : { title: '' }),
    ...(body === undefined ? {} : { body: '' }),
    ...(data === undefined ? {} : { data: {} }),
    ...(imageUrl === undefined ? {} : { imageUrl: '' }),
    ...templatesOf(content),
  };
}

/** Of an object of any shape; nothing of what is none. */
function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}
