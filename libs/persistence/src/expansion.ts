import type { ProviderKind, Uuid } from '@app/domain';
import type { PoolClient } from 'pg';

/** Whose devices, and which of them. */
export interface Expansion {
  accountId: Uuid;
  appName: string;
  providers: readonly ProviderKind[];
  /** In the order of the request; each is expanded as often as it is named. */
  userIds: readonly Uuid[];
}

/** A device of one of the users. */
export interface ExpandedDevice {
  /** Of its user in `userIds`. */
  place: number;
  provider: ProviderKind;
  token: string;
}

/**
 * $1 account, $2 App, $3 users, $4 providers. By way of the App: registrations of a deleted one are rows
 * that the sweep has yet to remove. OFFSET 0 leaves the planner one way, by the user and then by the
 * registration: with the statistics of tables that were just filled it joined whole tables, or read all
 * registrations of the App for each user, and took minutes.
 */
const EXPANDED = `
FROM apps a
CROSS JOIN unnest($3::uuid[]) WITH ORDINALITY AS u (id, place)
JOIN LATERAL (
  SELECT id, app_id FROM device_registrations WHERE account_id = $1 AND user_id = u.id OFFSET 0
) r ON r.app_id = a.id
CROSS JOIN LATERAL (
  SELECT id, provider, token FROM devices
  WHERE registration_id = r.id AND provider = ANY($4::provider_kind[]) OFFSET 0
) d
WHERE a.account_id = $1 AND a.name = $2`;

export const EXPAND = `
SELECT u.place::int - 1 AS place, d.provider, d.token ${EXPANDED} ORDER BY u.place, d.id`;

/** By place; a user who is named twice is there twice. */
const COUNT = `
SELECT u.id AS user_id, d.provider, count(*)::int AS devices ${EXPANDED} GROUP BY u.id, u.place, d.provider`;

/** A token has up to 4 KB and the variables beside it 32 KB: so much is in memory at a time. */
const DEVICES_A_CHUNK = 1_000;

/**
 * The devices of users in an App, first registered first: users in the order of the request, an unknown
 * or deleted one, or one without a device, has none. A cursor, so that what is a hundred thousand
 * tokens is never in memory at once and yet comes from one snapshot: a device that moves from one user
 * to another meanwhile is neither missed nor taken twice.
 *
 * @param client inside a transaction; runs other statements between the chunks.
 */
export async function* expandUsers(
  client: Pick<PoolClient, 'query'>,
  expansion: Expansion,
  chunk = DEVICES_A_CHUNK,
): AsyncGenerator<ExpandedDevice[]> {
  await client.query(`DECLARE expanded NO SCROLL CURSOR FOR ${EXPAND}`, valuesOf(expansion));
  for (;;) {
    const { rows } = await client.query<ExpandedDevice>(`FETCH ${chunk} FROM expanded`);
    if (rows.length > 0) yield rows;
    if (rows.length < chunk) break;
  }
  await client.query('CLOSE expanded');
}

/** Devices by provider. */
export type DeviceCounts = Partial<Record<ProviderKind, number>>;

/**
 * How many devices each user has, without reading a token.
 *
 * @returns by user; a user without a device is not in it.
 */
export async function countDevices(
  client: Pick<PoolClient, 'query'>,
  expansion: Expansion,
): Promise<Map<Uuid, DeviceCounts>> {
  const { rows } = await client.query<{ user_id: Uuid; provider: ProviderKind; devices: number }>(
    COUNT,
    valuesOf(expansion),
  );
  const counts = new Map<Uuid, DeviceCounts>();
  for (const { user_id: userId, provider, devices } of rows) {
    counts.set(userId, { ...counts.get(userId), [provider]: devices });
  }
  return counts;
}

/** The pushes that a send to these users makes; one who is named twice gets all twice. */
export function countPushes(
  userIds: readonly Uuid[],
  counts: ReadonlyMap<Uuid, DeviceCounts>,
): number {
  return userIds.reduce((sum, id) => {
    const { FCM: fcm = 0, APN: apn = 0 } = counts.get(id) ?? {};
    return sum + fcm + apn;
  }, 0);
}

const valuesOf = ({ accountId, appName, userIds, providers }: Expansion) => [
  accountId,
  appName,
  userIds,
  providers,
];
