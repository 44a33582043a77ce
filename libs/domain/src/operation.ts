import type { Fault } from './errors.js';
import type { Uuid } from './ids.js';
import type { Tags } from './push-notification.js';

export const OPERATION_STATUSES = ['SCHEDULED', 'PROCESSING', 'COMPLETED', 'CANCELED'] as const;
export type OperationStatus = (typeof OPERATION_STATUSES)[number];

/** At every instant scheduled + queued + sent + failed + canceled + unaddressable = total. */
export interface OperationStats {
  total: number;
  /** The length of `to`. */
  recipients: number;
  unaddressable: number;
  scheduled: number;
  queued: number;
  sent: number;
  failed: number;
  canceled: number;
}

export interface Operation {
  id: Uuid;
  status: OperationStatus;
  stats: OperationStats;
  createdAt: Date;
  updatedAt: Date;
  /** As sent: values may be templates. */
  tags: Tags | null;
  scheduledFor: Date | null;
  /** When nothing was left to do; a redrive takes it back. */
  completedAt: Date | null;
}

/**
 * The status follows from the counters alone: something scheduled and nothing begun → SCHEDULED;
 * anything left to do → PROCESSING; nothing left → CANCELED when all that was addressable was
 * canceled, else COMPLETED. The generated column `operations.status` states the same in SQL, a test
 * holds the two together.
 */
export function operationStatus(stats: Omit<OperationStats, 'recipients'>): OperationStatus {
  const begun = stats.queued + stats.sent + stats.failed;
  if (stats.scheduled > 0 && begun === 0) return 'SCHEDULED';
  if (stats.scheduled + stats.queued > 0) return 'PROCESSING';
  const addressable = stats.total - stats.unaddressable;
  return addressable > 0 && stats.canceled === addressable ? 'CANCELED' : 'COMPLETED';
}

/** A user is up to 50 devices: what one request makes is bounded after its users were expanded. */
export const MAX_PUSHES_PER_OPERATION = 100_000;

/** @returns what is wrong with a send that makes so many, undefined when nothing is. */
export function tooManyPushes(pushes: number): Fault | undefined {
  if (pushes <= MAX_PUSHES_PER_OPERATION) return undefined;
  const message = `With every device of its users this makes ${pushes} pushes, at most ${MAX_PUSHES_PER_OPERATION} are taken.`;
  return { message, context: '$.to' };
}
