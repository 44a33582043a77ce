import { OPERATION_STATUSES } from '@app/domain';
import type { Operation as DomainOperation } from '@app/domain';
import { formatId } from '@app/domain';
import { z } from 'zod';
import { idText } from './ids.js';
import { Timestamp, formatInstant } from './instants.js';
import { Pagination, creation, datesInOrder, paging } from './list.js';
import { EVEN_WHEN_BROKEN } from './text.js';

const count = z.int().min(0);

export const Operation = z
  .strictObject({
    id: idText('operation'),
    status: z.enum(OPERATION_STATUSES),
    stats: z
      .strictObject({
        total: count,
        recipients: count.meta({ description: 'Length of `to`.' }),
        unaddressable: count.meta({ description: 'Users without a usable device.' }),
        scheduled: count,
        queued: count,
        sent: count,
        failed: count,
        canceled: count,
      })
      .meta({
        description:
          'At every instant scheduled + queued + sent + failed + canceled + unaddressable = total.',
      }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
    tags: z.record(z.string(), z.string()).meta({ description: 'As sent: templates unrendered.' }),
    scheduledFor: Timestamp.nullable(),
    completedAt: Timestamp.nullable().meta({ description: 'When nothing was left to do.' }),
  })
  .meta({ id: 'Operation' });
export type Operation = z.output<typeof Operation>;

export const OperationList = z
  .strictObject({ operations: z.array(Operation), pagination: Pagination })
  .meta({ id: 'OperationList' });
export type OperationList = z.output<typeof OperationList>;

export const OperationQuery = z
  .strictObject({ status: z.enum(OPERATION_STATUSES).optional(), ...creation, ...paging })
  .superRefine(datesInOrder, EVEN_WHEN_BROKEN);
export type OperationQuery = z.output<typeof OperationQuery>;

/** The resource of an operation. */
export function toOperation(operation: DomainOperation): Operation {
  return {
    id: formatId('operation', operation.id),
    status: operation.status,
    stats: operation.stats,
    createdAt: formatInstant(operation.createdAt),
    updatedAt: formatInstant(operation.updatedAt),
    tags: operation.tags ?? {},
    scheduledFor: operation.scheduledFor === null ? null : formatInstant(operation.scheduledFor),
    completedAt: operation.completedAt === null ? null : formatInstant(operation.completedAt),
  };
}
