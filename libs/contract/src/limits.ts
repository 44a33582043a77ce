import {
  MAX_APPS_PER_ACCOUNT,
  MAX_CREDENTIALS_PER_APP,
  MAX_DEVICES_PER_REGISTRATION,
  MAX_PUSHES_PER_OPERATION,
  MAX_TTL_SECONDS,
} from '@app/domain';

/** The most that something may be. */
export interface Limit {
  /** What is limited, for the page. */
  of: string;
  max: number;
  unit: string;
  /** Status of the answer beyond it. */
  status: 400 | 409 | 413;
  /** Where it comes from, when that is not plain. */
  why?: string;
}

/**
 * Every limit on the parts of a request, in one place: the schemas check with these, `docs/limits.md` lists them, and
 * the contract suite goes up to each and one beyond it.
 */
export const LIMITS = {
  bodyBytes: { of: 'the body', max: 10 * 1_024 * 1_024, unit: 'bytes', status: 413 },
  recipients: { of: '`to`', max: 10_000, unit: 'recipients', status: 400 },
  pushes: {
    of: '`to`, with every device of its users',
    max: MAX_PUSHES_PER_OPERATION,
    unit: 'pushes',
    status: 400,
  },
  tokenCharacters: { of: '`token`', max: 4_096, unit: 'characters', status: 400 },
  variables: { of: '`variables` of a recipient', max: 100, unit: 'entries', status: 400 },
  variableBytes: {
    of: '`variables` of a recipient, keys and values',
    max: 32_768,
    unit: 'bytes',
    status: 400,
  },
  contentBytes: {
    of: '`content`: title, body and data',
    max: 65_536,
    unit: 'bytes',
    status: 400,
    why:
      '`data` counts as JSON, with braces, quotes and commas. Templates are longer than what they render to, but each ' +
      'is parsed when the send is accepted.',
  },
  dataEntries: {
    of: '`content.data`',
    max: 4_096,
    unit: 'entries',
    status: 400,
    why: "More fit no provider's 4,096 bytes.",
  },
  imageUrlCharacters: { of: '`content.imageUrl`', max: 2_048, unit: 'characters', status: 400 },
  soundCharacters: { of: '`sound`', max: 4_096, unit: 'characters', status: 400 },
  collapseKeyBytes: {
    of: '`collapseKey`',
    max: 64,
    unit: 'bytes',
    status: 400,
    why: "APNs's limit.",
  },
  badge: { of: '`badge`', max: 2_147_483_647, unit: '', status: 400, why: 'A 32-bit number.' },
  ttlSeconds: {
    of: '`ttlSeconds`',
    max: MAX_TTL_SECONDS,
    unit: 'seconds',
    status: 400,
    why: 'FCM keeps nothing for longer than four weeks.',
  },
  scheduleDays: { of: '`schedule.sendAt`', max: 30, unit: 'days ahead', status: 400 },
  tags: { of: '`tags`, of a send and as a filter', max: 10, unit: 'pairs', status: 400 },
  tagKeyCharacters: { of: 'key of a tag', max: 128, unit: 'characters', status: 400 },
  tagValueCharacters: {
    of: 'value of a tag, as it renders',
    max: 256,
    unit: 'characters',
    status: 400,
  },
  tagTemplateCharacters: {
    of: 'value of a tag that is a template',
    max: 4_096,
    unit: 'UTF-16 code units',
    status: 400,
  },
  overrideBytes: {
    of: '`overrides.fcm`, `overrides.apn.aps` and `overrides.apn.payload`, each, as JSON',
    max: 16_384,
    unit: 'bytes',
    status: 400,
    why: 'No provider takes more than 5 KB; the rest is room for spelling.',
  },
  overrideDepth: { of: 'each of these', max: 20, unit: 'levels of nesting', status: 400 },
  overrideValues: { of: 'each of these', max: 2_000, unit: 'values', status: 400 },
  apnHeaders: { of: '`overrides.apn.headers`', max: 10, unit: 'entries', status: 400 },
  apnHeaderBytes: {
    of: '`overrides.apn.headers`, names and values',
    max: 4_096,
    unit: 'bytes',
    status: 400,
  },
  idempotencyKeyCharacters: {
    of: '`Idempotency-Key`',
    max: 255,
    unit: 'characters',
    status: 400,
  },
  appNameCharacters: { of: '`appName`', max: 64, unit: 'characters', status: 400 },
  apps: { of: 'an account', max: MAX_APPS_PER_ACCOUNT, unit: 'Apps', status: 409 },
  credentials: { of: 'an App', max: MAX_CREDENTIALS_PER_APP, unit: 'credentials', status: 409 },
  devices: {
    of: 'a registration',
    max: MAX_DEVICES_PER_REGISTRATION,
    unit: 'devices',
    status: 409,
  },
  apiKeyNameCharacters: { of: '`name` of an API key', max: 128, unit: 'characters', status: 400 },
  pageSize: { of: '`pageSize`', max: 1_000, unit: 'items', status: 400 },
} as const satisfies Record<string, Limit>;

/** What one request may cost, whatever is in it: `docs/limits.md` has them too. */
export const WORK_LIMITS = {
  /** URL, names and values of the headers together; from here on 431. Bytes. */
  headerBytes: 16 * 1_024,
  /** Rendering the tags of a send; beyond it 400. Milliseconds. */
  renderMs: 5_000,
  /** The same of one that is refused for something else: it is not charged for its recipients. */
  refusedRenderMs: 250,
  /** Rendering the recipients of a Preflight, which ends with what it has. Milliseconds. */
  preflightMs: 5_000,
  /** Recipients in the answer of a Preflight, as JSON; it ends with the one that is beyond it. Bytes. */
  preflightBytes: 8 * 1_024 * 1_024,
} as const;
