import {
  formatId,
  InvalidRequest,
  MAX_DEVICES_PER_REGISTRATION,
  MAX_PUSHES_PER_OPERATION,
  PROVIDERS,
  tooManyPushes,
  type ProviderKind,
  type Uuid,
} from '@app/domain';
import type { PoolClient } from 'pg';
import { INSERT_PUSHES, pushValues, type Expanded } from './accept-statement.js';
import { countDevices, countPushes, expandUsers } from './expansion.js';
import type { NewOperation, NewPush } from './ports.js';

/**
 * Writes a push for each usable device of each user. A device is usable when the send has a credential
 * for its provider: the App may have lost the one for another since the device was registered.
 *
 * @param id of the operation, whose row is written after this.
 * @throws InvalidRequest when all its pushes together are too many; no token was read then.
 */
export async function acceptUsers(
  client: Pick<PoolClient, 'query'>,
  id: Uuid,
  accountId: Uuid,
  operation: NewOperation,
): Promise<Expanded> {
  const { appName, users } = operation;
  const providers = PROVIDERS.filter((provider) => operation.credentials[provider] !== undefined);
  const asked = { accountId, appName, providers, userIds: users.map((user) => user.id) };
  let total = operation.pushes.length;
  if (total + users.length * MAX_DEVICES_PER_REGISTRATION > MAX_PUSHES_PER_OPERATION) {
    const counts = await countDevices(client, asked);
    refuseTooMany(total + countPushes(asked.userIds, counts));
  }

  const pushes: Partial<Record<ProviderKind, number>> = {};
  const addressed = new Set<number>();
  let lastPushId: Uuid | null = null;
  for await (const devices of expandUsers(client, asked)) {
    total += devices.length;
    // Only by devices that were registered since they were counted.
    refuseTooMany(total);
    const chunk = devices.flatMap(({ place, provider, token }): NewPush[] => {
      const user = users[place];
      if (user === undefined) return [];
      addressed.add(place);
      pushes[provider] = (pushes[provider] ?? 0) + 1;
      const { id: userId, variables, tags } = user;
      return [{ provider, token, variables, userId, ...(tags && { tags }) }];
    });
    const made = pushValues(id, accountId, operation, chunk);
    await client.query(INSERT_PUSHES, made.values);
    lastPushId = made.lastPushId;
  }
  const unaddressable = users.flatMap((user, place) =>
    addressed.has(place) ? [] : [formatId('user', user.id)],
  );
  return { pushes, unaddressable, lastPushId };
}

function refuseTooMany(pushes: number): void {
  const fault = tooManyPushes(pushes);
  if (fault !== undefined) throw new InvalidRequest([fault]);
}
