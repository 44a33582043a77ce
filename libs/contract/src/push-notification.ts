import { PRIORITIES, PROVIDERS, PUSH_STATUSES, formatId } from '@app/domain';
import type {
  Content as DomainContent,
  PushHistory,
  PushNotification as DomainPush,
} from '@app/domain';
import { z } from 'zod';
import { id, idText } from './ids.js';
import { Timestamp, formatInstant } from './instants.js';
import { Pagination, creation, datesInOrder, paging } from './list.js';
import { TokenRecipient } from './recipient.js';
import { TagsFilter } from './tags.js';
import { Timeline, toTimeline } from './timeline.js';
import { EVEN_WHEN_BROKEN } from './text.js';

const credentialId = idText('credential').optional();

export const PushNotification = z
  .strictObject({
    id: idText('pushNotification'),
    operationId: idText('operation'),
    to: TokenRecipient,
    from: z
      .strictObject({ fcm: credentialId, apn: credentialId })
      .meta({ description: 'The credential used: one of both.' }),
    status: z.enum(PUSH_STATUSES),
    priority: z.enum(PRIORITIES),
    sound: z.string().nullable(),
    createdAt: Timestamp,
    updatedAt: Timestamp,
    scheduledFor: Timestamp.nullable(),
    tags: z.record(z.string(), z.string()),
    attempts: z.int().min(0).meta({ description: 'Counted tries.' }),
    providerMessageId: z.string().nullable(),
    error: z
      .strictObject({ code: z.int(), message: z.string() })
      .nullable()
      .meta({ description: 'Why it is FAILED; codes are listed in docs/errors.md.' }),
  })
  .meta({ id: 'PushNotification' });
export type PushNotification = z.output<typeof PushNotification>;

export const RenderedContent = z
  .strictObject({
    title: z.string().optional(),
    body: z.string().optional(),
    data: z.record(z.string(), z.string()).optional(),
    imageUrl: z.string().optional(),
  })
  .meta({ id: 'RenderedContent' });

export const PushNotificationDetail = PushNotification.extend({
  content: RenderedContent.optional().meta({
    description: 'Rendered. Absent when the templates cannot be rendered.',
  }),
  timeline: Timeline.meta({ description: 'What happened to it, oldest first.' }),
}).meta({ id: 'PushNotificationDetail' });
export type PushNotificationDetail = z.output<typeof PushNotificationDetail>;

export const PushNotificationList = z
  .strictObject({ pushNotifications: z.array(PushNotification), pagination: Pagination })
  .meta({ id: 'PushNotificationList' });
export type PushNotificationList = z.output<typeof PushNotificationList>;

export const PushNotificationQuery = z
  .strictObject({
    operationId: id('operation').optional(),
    status: z.enum(PUSH_STATUSES).optional(),
    provider: z.enum(PROVIDERS).optional(),
    tags: TagsFilter.optional(),
    user: id('user').optional().meta({ description: 'Sent to this user.' }),
    errorCode: z
      .string()
      .regex(/^[1-9]\d{0,5}$/, 'Expected a code such as 71001.')
      .optional()
      .meta({ description: '`error.code` of failed pushes: 71001 finds dead tokens.' }),
    ...creation,
    ...paging,
  })
  .superRefine(datesInOrder, EVEN_WHEN_BROKEN);
export type PushNotificationQuery = z.output<typeof PushNotificationQuery>;

/** The resource of a push, as lists hold it. */
export function toPushNotification(push: DomainPush): PushNotification {
  const { provider, token, variables } = push.target;
  const credential = formatId('credential', push.credentialId);
  return {
    id: formatId('pushNotification', push.id),
    operationId: formatId('operation', push.operationId),
    to: { token, provider, ...(variables === null ? {} : { variables }) },
    from: provider === 'FCM' ? { fcm: credential } : { apn: credential },
    status: push.status,
    priority: push.priority,
    sound: push.sound,
    createdAt: formatInstant(push.createdAt),
    updatedAt: formatInstant(push.updatedAt),
    scheduledFor: push.scheduledFor === null ? null : formatInstant(push.scheduledFor),
    tags: push.tags ?? {},
    attempts: push.attempts,
    providerMessageId: push.providerMessageId,
    error: push.error,
  };
}

/** @param content rendered; null when it cannot be. */
export function toPushNotificationDetail(
  push: DomainPush,
  history: PushHistory,
  content: DomainContent | null,
): PushNotificationDetail {
  const resource = { ...toPushNotification(push), timeline: toTimeline(push, history) };
  return content === null ? resource : { ...resource, content };
}
