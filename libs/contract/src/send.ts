import { MAX_TTL_SECONDS, PRIORITIES } from '@app/domain';
import { z } from 'zod';
import { AppName, id, idText } from './ids.js';
import { LIMITS } from './limits.js';
import { Overrides } from './overrides.js';
import { Recipients } from './recipient.js';
import { Schedule } from './schedule.js';
import { Tags } from './tags.js';
import { EVEN_WHEN_BROKEN, byteLength, isText, stringMap, text, textsOf } from './text.js';

const MAX_CONTENT_BYTES = LIMITS.contentBytes.max;

export const Content = z
  .strictObject({
    title: text().optional().meta({ description: 'Liquid template.' }),
    body: text().optional().meta({
      description:
        'Liquid template. May be left out when `data` is given: without a title too, the push shows nothing.',
    }),
    data: stringMap({
      maxEntries: LIMITS.dataEntries.max,
      keyFault: reservedKey,
      description:
        'Key and value pairs for the app; values are Liquid templates. Keys may not be `from` or ' +
        '`message_type`, nor start with `google`, `gcm` or `aps`.',
    }).optional(),
    imageUrl: text()
      .max(LIMITS.imageUrlCharacters.max)
      .refine(isHttps, 'Expected an https URL.')
      .optional()
      .meta({
        format: 'uri',
        description: 'A picture that the device fetches; https. Not in a push of data alone.',
      }),
  })
  .superRefine((content, ctx) => {
    if (contentBytes(content) > MAX_CONTENT_BYTES) {
      ctx.addIssue({
        code: 'custom',
        message: `The content is larger than ${MAX_CONTENT_BYTES} bytes; no provider takes more than 4,096 rendered.`,
      });
    }
    const { body, data } = content;
    // Data that is no object has a fault of its own.
    const hasData =
      data !== undefined && (typeof data !== 'object' || Object.keys(data ?? {}).length > 0);
    if (body === undefined && !hasData) {
      ctx.addIssue({
        code: 'custom',
        message: 'A body is needed unless data is given.',
        path: ['body'],
      });
    }
  }, EVEN_WHEN_BROKEN)
  .meta({
    id: 'Content',
    examples: [{ title: 'Hello {{name}}', body: 'Your order {{order}} is on its way.' }],
  });

/**
 * Of title, body, and `data` as JSON: its entries that are text, among as many as there may be. Everything else has a
 * fault of its own and counts nothing: spelled out, it might be nested deeper than the stack.
 */
function contentBytes(content: Partial<Record<'title' | 'body' | 'data', unknown>>): number {
  const { title, body, data } = content;
  const texts = [title, body].filter((one) => typeof one === 'string');
  if (typeof data === 'object' && data !== null) texts.push(JSON.stringify(flatOf(data)));
  return texts.reduce((sum, one) => sum + byteLength(one), 0);
}

function flatOf(data: object): Record<string, string> {
  const flat: Record<string, string> = {};
  let entries = 0;
  for (const key in data) {
    if (++entries > LIMITS.dataEntries.max) break;
    const entry: unknown = (data as Record<string, unknown>)[key];
    if (typeof entry === 'string') flat[key] = entry;
  }
  return flat;
}

/**
 * The templates in a content of any shape, for what is to be said of them although something else is wrong: those
 * that are text. None of a content that is larger than one may be: parsing it would cost too much.
 */
export function templatesOf(content: unknown): Partial<z.output<typeof Content>> {
  if (
    typeof content !== 'object' ||
    content === null ||
    contentBytes(content) > MAX_CONTENT_BYTES
  ) {
    return {};
  }
  const { title, body, data } = content as Record<string, unknown>;
  return {
    ...(isText(title) ? { title } : {}),
    ...(isText(body) ? { body } : {}),
    ...(data === undefined ? {} : { data: textsOf(data, LIMITS.dataEntries.max) }),
  };
}

function isHttps(url: string): boolean {
  return URL.canParse(url) && new URL(url).protocol === 'https:';
}

/** FCM's reserved words, and `aps`, which is Apple's. */
export function reservedKey(key: string): string | undefined {
  return /^(from$|message_type$|google|gcm|aps)/.test(key)
    ? 'This key is reserved by the providers.'
    : undefined;
}

export const From = z
  .strictObject({
    fcm: id('credential').optional().meta({ description: 'Credential for FCM recipients.' }),
    apn: id('credential').optional().meta({ description: 'Credential for APN recipients.' }),
    appName: AppName.optional(),
  })
  .superRefine(({ fcm, apn, appName }, ctx) => {
    const named = fcm !== undefined || apn !== undefined;
    if (named === (appName !== undefined)) {
      ctx.addIssue({ code: 'custom', message: 'Give either fcm and/or apn, or appName.' });
    }
  }, EVEN_WHEN_BROKEN)
  .meta({
    id: 'From',
    description:
      'Credentials by id, or an App whose default credentials are used. Left out: the default App.',
  });
export type From = z.output<typeof From>;

export const Send = z
  .strictObject({
    to: Recipients,
    content: Content,
    from: From.optional(),
    priority: z.enum(PRIORITIES).default('HIGH'),
    sound: text()
      .max(LIMITS.soundCharacters.max)
      .nullable()
      .default(null)
      .meta({ description: 'Name of the sound, null for none. Not in a push of data alone.' }),
    schedule: Schedule.optional(),
    tags: Tags.optional(),
    ttlSeconds: z
      .int()
      .min(0)
      .max(LIMITS.ttlSeconds.max)
      .default(MAX_TTL_SECONDS)
      .meta({ description: 'The push is worth nothing after this long. 0: exactly one attempt.' }),
    collapseKey: text()
      .min(1)
      .refine(
        (value) => byteLength(value) <= LIMITS.collapseKeyBytes.max,
        `A collapseKey has at most ${LIMITS.collapseKeyBytes.max} bytes.`,
      )
      .optional()
      .meta({
        description:
          'Replaces an earlier push on the device. At most 64 bytes. What is not visible ASCII, spaces only ' +
          'inside, is given to APNs as its SHA-256 in hex: a header carries no other text.',
      }),
    badge: z.int().min(0).max(LIMITS.badge.max).optional().meta({
      description: "APNs badge, Android's notification count. Not in a push of data alone.",
    }),
    overrides: Overrides.optional(),
  })
  .meta({
    id: 'Send',
    // As it is, /docs can send it: the simulator takes the token. Zod leaves out `examples` of what it transforms.
    example: {
      to: [{ token: 'sim.ok.my-phone', provider: 'FCM', variables: { name: 'Ada' } }],
      content: { title: 'Hello {{name}}', body: 'Your order is on its way.' },
    },
  });
export type Send = z.output<typeof Send>;

export const SendAccepted = z
  .strictObject({ operationId: idText('operation'), operationLocation: z.url() })
  .meta({ id: 'SendAccepted' });
export type SendAccepted = z.output<typeof SendAccepted>;
