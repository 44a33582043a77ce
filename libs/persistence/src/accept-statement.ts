import { PROVIDERS, newId, type ProviderKind, type Uuid } from '@app/domain';
import type { Statement } from './database.js';
import type { NewOperation, NewPush } from './ports.js';

/** Operations with up to so many pushes pass bulk. */
export const SMALL_LANE_LIMIT = 100;

/**
 * $1 operation, $2 account, $3 scheduled for, $4 ttl, $5 FCM and $6 APN credential, $7 tags of those
 * that bring none, $8–$13 the pushes, a column each. What callers wrote comes as JSON: one call of
 * `JSON.stringify` escapes a whole column, an array literal is escaped element by element.
 *
 * @param taken condition on which the rows are written.
 */
const pushes = (taken: string) => `
  INSERT INTO push_notifications (id, account_id, operation_id, provider, credential_id, token,
    variables, status, due_at, expires_at, tags, user_id)
  SELECT push.id, $2::uuid, $1::uuid, push.provider,
    CASE push.provider WHEN 'FCM' THEN $5::uuid ELSE $6::uuid END, push.token, nullif(push.variables, 'null'),
    CASE WHEN $3::timestamptz IS NULL THEN 'QUEUED' ELSE 'SCHEDULED' END::push_status,
    (SELECT coalesce($3::timestamptz, now())),
    (SELECT greatest($3::timestamptz, now()) + make_interval(secs => $4::int)),
    coalesce(push.tags::jsonb, $7::jsonb), push.user_id
  FROM ROWS FROM (unnest($8::uuid[]), unnest($9::provider_kind[]), json_array_elements_text($10::json),
      jsonb_array_elements($11::jsonb), unnest($12::text[]), unnest($13::uuid[]))
    AS push (id, provider, token, variables, tags, user_id)
  WHERE ${taken}`;

/** Goes on after the pushes' values; one who writes pushes alone leaves it out. */
const operation = (taken: string) => `
operation AS (
  INSERT INTO operations (id, account_id, content, priority, sound, ttl_seconds, collapse_key,
    scheduled_for, recipients, unaddressable_users, total, unaddressable, scheduled, queued,
    last_push_id, completed_at, badge, overrides, tags)
  SELECT $1::uuid, $2::uuid, $14::jsonb, $15::priority, $16, $4::int, $17, $3::timestamptz, $18::int, $19::text[],
    $20::int, $21::int, $22::int, $23::int, $24::uuid, CASE WHEN $20::int = $21::int THEN now() END, $25::int,
    $26::jsonb, $27::jsonb
  WHERE ${taken}
), parts AS (
  INSERT INTO operation_parts (operation_id, provider, account_id, credential_id, lane, pending)
  SELECT $1::uuid, part.provider, $2::uuid, part.credential_id, $28::lane, $3::timestamptz IS NULL
  FROM unnest($29::provider_kind[], $30::uuid[]) AS part (provider, credential_id) WHERE ${taken}
), turn AS (
  INSERT INTO dispatch_turns (account_id, lane) SELECT $2::uuid, $28::lane WHERE $20::int > $21::int AND ${taken}
  ON CONFLICT DO NOTHING
)`;

/**
 * Everything of a send in one statement, so that one round trip is one transaction: after it
 * returns, nothing can be lost; when it fails, nothing is there.
 */
export const ACCEPT: Statement = {
  name: 'accept',
  text: `WITH ${operation('true')} ${pushes('true')}`,
};

/** The key is the first row of the same transaction: without it nothing is written. */
export const ACCEPT_ONCE: Statement = {
  name: 'accept-once',
  text: `
WITH key AS (
  INSERT INTO idempotency_keys (account_id, key, fingerprint, resource_id) VALUES ($2::uuid, $31, $32, $1::uuid)
  ON CONFLICT DO NOTHING RETURNING true
), ${operation('EXISTS (SELECT FROM key)')}, pushes AS (${pushes('EXISTS (SELECT FROM key)')})
SELECT EXISTS (SELECT FROM key) AS taken`,
};

/** Pushes of an operation whose row is yet to be written, in the same transaction. */
export const INSERT_PUSHES = pushes('true');

/** What of an operation was written before its own row. */
export interface Expanded {
  /** Pushes by provider. */
  pushes: Partial<Record<ProviderKind, number>>;
  /** Ids of `users` that no push was made for, as text. */
  unaddressable: readonly string[];
  /** The highest id; null without a push. */
  lastPushId: Uuid | null;
}

const NOTHING: Expanded = { pushes: {}, unaddressable: [], lastPushId: null };

/** Values of `INSERT_PUSHES`; gives every push its id. */
export function pushValues(
  id: Uuid,
  accountId: Uuid,
  operation: Pick<NewOperation, 'settings' | 'scheduledFor' | 'tags' | 'credentials'>,
  pushes: readonly NewPush[],
): { values: unknown[]; lastPushId: Uuid | null } {
  const count = pushes.length;
  const ids = new Array<Uuid>(count);
  const providers = new Array<ProviderKind>(count);
  const tokens = new Array<string>(count);
  const variables = new Array<NewPush['variables']>(count);
  // What most sends have not: an empty array is filled up with NULL.
  const pushTags: (string | null)[] = [];
  const userIds: (Uuid | null)[] = [];
  for (const [at, push] of pushes.entries()) {
    ids[at] = newId();
    providers[at] = push.provider;
    tokens[at] = push.token;
    variables[at] = push.variables;
    if (push.tags !== undefined) pushTags[at] = JSON.stringify(push.tags);
    if (push.userId !== undefined) userIds[at] = push.userId;
  }
  const { settings, scheduledFor, tags, credentials } = operation;
  const values = [
    id,
    accountId,
    scheduledFor,
    settings.ttlSeconds,
    credentials.FCM ?? null,
    credentials.APN ?? null,
    // Every push brings its own when one of them is a template.
    pushTags.length > 0 ? null : json(tags),
    arrayLiteral(ids),
    arrayLiteral(providers),
    JSON.stringify(tokens),
    JSON.stringify(variables),
    Array.from(pushTags, (value) => value ?? null),
    Array.from(userIds, (value) => value ?? null),
  ];
  return { values, lastPushId: ids.at(-1) ?? null };
}

/**
 * Values of `ACCEPT`, and of `ACCEPT_ONCE` without the key.
 *
 * @param before what was written for the operation's users.
 */
export function acceptValues(
  id: Uuid,
  accountId: Uuid,
  operation: NewOperation,
  before = NOTHING,
): unknown[] {
  const { settings, pushes, credentials } = operation;
  const { values, lastPushId } = pushValues(id, accountId, operation, pushes);
  const expanded = PROVIDERS.reduce((sum, provider) => sum + (before.pushes[provider] ?? 0), 0);
  const count = expanded + pushes.length;
  const unaddressable = before.unaddressable.length;
  const providers = PROVIDERS.filter(
    (provider) =>
      (before.pushes[provider] ?? 0) > 0 || pushes.some((push) => push.provider === provider),
  );
  const scheduled = operation.scheduledFor !== null;
  return [
    ...values,
    JSON.stringify(settings.content),
    settings.priority,
    settings.sound,
    settings.collapseKey,
    operation.recipients,
    before.unaddressable,
    count + unaddressable,
    unaddressable,
    scheduled ? count : 0,
    scheduled ? 0 : count,
    lastPushId ?? before.lastPushId ?? id,
    settings.badge,
    json(settings.overrides),
    json(operation.tags),
    count <= SMALL_LANE_LIMIT ? 'small' : 'bulk',
    providers,
    providers.map((provider) => credentials[provider]),
  ];
}

/** Of values without a character that would have to be escaped. */
const arrayLiteral = (values: readonly string[]) => `{${values.join(',')}}`;

function json(value: object | null): string | null {
  return value === null ? null : JSON.stringify(value);
}
