import { formatId, type PushTarget, type Uuid } from '@app/domain';
import { z } from 'zod';
import { idText } from './ids.js';
import { formatInstant, Timestamp } from './instants.js';
import { Pagination, paging } from './list.js';
import { Recipient } from './recipient.js';

export const OperationError = z
  .strictObject({
    pushNotificationId: idText('pushNotification').nullable().meta({
      description: 'Null for a user that no push was made for.',
    }),
    to: Recipient,
    code: z.int().meta({ description: 'Codes are listed in docs/errors.md.' }),
    message: z.string(),
    at: Timestamp,
  })
  .meta({ id: 'OperationError' });
export type OperationError = z.output<typeof OperationError>;

export const OperationErrorList = z
  .strictObject({ errors: z.array(OperationError), pagination: Pagination })
  .meta({ id: 'OperationErrorList' });
export type OperationErrorList = z.output<typeof OperationErrorList>;

export const OperationErrorQuery = z.strictObject(paging);
export type OperationErrorQuery = z.output<typeof OperationErrorQuery>;

/** The resource of a recipient that got nothing. */
export function toOperationError(error: {
  pushId: Uuid | null;
  to: PushTarget | { userId: string };
  code: number;
  message: string;
  at: Date;
}): OperationError {
  const { pushId, to, code, message, at } = error;
  return {
    pushNotificationId: pushId === null ? null : formatId('pushNotification', pushId),
    to: 'userId' in to ? to : { ...to, variables: to.variables ?? undefined },
    code,
    message,
    at: formatInstant(at),
  };
}
