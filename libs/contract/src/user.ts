import { formatId } from '@app/domain';
import type { User as DomainUser } from '@app/domain';
import { z } from 'zod';
import { idText } from './ids.js';
import { Timestamp, formatInstant } from './instants.js';
import { Pagination, paging } from './list.js';

export const User = z
  .strictObject({
    id: idText('user'),
    createdAt: Timestamp,
    updatedAt: Timestamp,
    deletedAt: Timestamp.nullable().meta({
      description: 'A deleted user has no devices and takes none.',
    }),
  })
  .meta({ id: 'User' });
export type User = z.output<typeof User>;

export const UserList = z
  .strictObject({ users: z.array(User), pagination: Pagination })
  .meta({ id: 'UserList' });
export type UserList = z.output<typeof UserList>;

export const UserQuery = z.strictObject({ ...paging });
export type UserQuery = z.output<typeof UserQuery>;

/** The resource of a user. */
export function toUser(user: DomainUser): User {
  return {
    id: formatId('user', user.id),
    createdAt: formatInstant(user.createdAt),
    updatedAt: formatInstant(user.updatedAt),
    deletedAt: user.deletedAt === null ? null : formatInstant(user.deletedAt),
  };
}
