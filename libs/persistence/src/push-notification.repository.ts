import {
  instantOfId,
  type Attempt,
  type Priority,
  type ProviderKind,
  type PushNotification,
  type PushStatus,
  type Tags,
  type Uuid,
} from '@app/domain';
import type { Database } from './database.js';
import { DISPATCHED_AT } from './dispatched-at.js';
import { findPushes } from './examined-pushes.js';
import { toOperationSettings, type OperationSettingsRow } from './operation-settings.js';
import type {
  Page,
  PageRequest,
  PushNotificationFilter,
  PushNotificationWithContent,
} from './ports.js';

interface PushRow {
  id: Uuid;
  operation_id: Uuid;
  status: PushStatus;
  provider: ProviderKind;
  token: string;
  variables: Record<string, string> | null;
  credential_id: Uuid;
  attempt_count: number;
  provider_message_id: string | null;
  error_code: number | null;
  error_message: string | null;
  updated_at: Date;
  priority: Priority;
  sound: string | null;
  scheduled_for: Date | null;
  tags: Tags | null;
}

interface PushWithContentRow extends PushRow, OperationSettingsRow {
  attempts: Attempt[];
  dispatched_at: Date | null;
  redriven_at: Date | null;
  settled_at: Date | null;
}

const COLUMNS = `p.id, p.operation_id, p.status, p.provider, p.token, p.variables, p.credential_id,
  p.attempt_count, p.provider_message_id, p.error_code, p.error_message, p.updated_at,
  o.priority, o.sound, o.scheduled_for, p.tags`;

export class PushNotificationRepository {
  constructor(private readonly db: Database) {}

  async find(accountId: Uuid, id: Uuid): Promise<PushNotificationWithContent | null> {
    const [row] = await this.db.query<PushWithContentRow>(
      `SELECT ${COLUMNS}, o.content, o.ttl_seconds, o.collapse_key, o.badge, o.overrides,
         p.attempts, ${DISPATCHED_AT} AS dispatched_at, p.redriven_at, p.settled_at
       FROM push_notifications p JOIN operations o ON o.id = p.operation_id
       WHERE p.account_id = $1 AND p.id = $2`,
      [accountId, id],
    );
    if (row === undefined) return null;
    const settings = toOperationSettings(row);
    const { attempts, dispatched_at: dispatchedAt, redriven_at, settled_at } = row;
    const history = { attempts, dispatchedAt, redrivenAt: redriven_at, settledAt: settled_at };
    return { push: toPush(row), settings, history };
  }

  /**
   * Newest first. Looks at no more than 20,000 rows: with rare filters a page may be short, even
   * empty, and still has `next`.
   */
  async list(
    accountId: Uuid,
    filter: PushNotificationFilter,
    page: PageRequest,
  ): Promise<Page<PushNotification>> {
    const { items, next } = await findPushes<PushRow>(this.db, accountId, filter, page, COLUMNS);
    return { items: items.map(toPush), next };
  }
}

function toPush(row: PushRow): PushNotification {
  return {
    id: row.id,
    operationId: row.operation_id,
    status: row.status,
    target: { provider: row.provider, token: row.token, variables: row.variables },
    credentialId: row.credential_id,
    priority: row.priority,
    sound: row.sound,
    createdAt: instantOfId(row.id),
    updatedAt: row.updated_at,
    scheduledFor: row.scheduled_for,
    attempts: row.attempt_count,
    providerMessageId: row.provider_message_id,
    error:
      row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? '' },
    tags: row.tags,
  };
}
