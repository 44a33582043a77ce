import type { OperationSettings } from '@app/domain';

/** Columns of an operation that say how its pushes are made. */
export interface OperationSettingsRow {
  content: OperationSettings['content'];
  priority: OperationSettings['priority'];
  sound: string | null;
  ttl_seconds: number;
  collapse_key: string | null;
  badge: number | null;
  overrides: OperationSettings['overrides'];
}

/** What all pushes of an operation have in common, from its row. */
export function toOperationSettings(row: OperationSettingsRow): OperationSettings {
  return {
    content: row.content,
    priority: row.priority,
    sound: row.sound,
    ttlSeconds: row.ttl_seconds,
    collapseKey: row.collapse_key,
    badge: row.badge,
    overrides: row.overrides,
  };
}
